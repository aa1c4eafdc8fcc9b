"""`front-door evaluate`, `train` and `check --engine`, as commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import routing_rules
from routing_rules import classifier
from routing_rules.catalogue import Catalogue

SHIPPED = Path(next(iter(routing_rules.__path__)))
pytestmark = pytest.mark.timeout(120)

MESSAGES = """text,code
the bin lorry missed us again,missed-bin
there is a pothole in the road,pothole
I want to complain about the weather on the moon,out-of-scope
"""


@pytest.fixture
def messages(tmp_path):
    file = tmp_path / "messages.csv"
    file.write_text(MESSAGES)
    return file


async def test_a_file_of_messages_is_measured_and_drawn(command, messages, tmp_path):
    """Shares and times; no message is repeated. Without matplotlib it says what to install."""
    picture = tmp_path / "picture.png"
    code, out, err = await command("evaluate", messages, "--picture", picture)
    assert "3 messages" in out
    assert "right service" in out
    assert "pothole in the road" not in out
    if code == 2:
        assert "pip install 'front-door[figures]'" in err
    else:
        assert code == 0, err
        assert picture.read_bytes().startswith(b"\x89PNG")


async def test_the_report_can_be_read_by_a_program(command, messages):
    """The same as JSON."""
    code, out, err = await command("evaluate", messages, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["messages"] == 3
    assert report["service"] >= 0.5


async def test_a_file_that_is_none_of_messages_is_refused(command, tmp_path):
    """With what is missing, and no traceback."""
    file = tmp_path / "odd.csv"
    file.write_text("a,b\n1,2\n")
    code, _, err = await command("evaluate", file)
    assert code == 2
    assert "text and code" in err
    assert "Traceback" not in err


@pytest.fixture
def few_rules(tmp_path):
    """The rules with five examples a service: quick to learn, one of them in the wrong place."""
    folder = tmp_path / "rules"
    for name in ("services", "authorities"):
        shutil.copytree(SHIPPED / name, folder / name)
    shutil.copy(SHIPPED / "tiers.toml", folder)
    for file in (folder / "services").glob("*.toml"):
        kept, inside = [], 0
        for line in file.read_text().splitlines():
            if line == "examples = '''":
                inside = 1
            elif line == "'''":
                inside = 0
            elif inside:
                inside += 1
                if inside > 6:
                    continue
            kept.append(line)
        file.write_text("\n".join(kept) + "\n")
    return folder


async def test_a_model_is_learnt_and_used(command, few_rules, tmp_path):
    """It is kept in the data folder, and what understands loads it from there."""
    catalogue = Catalogue.load(few_rules)
    assert classifier.load(catalogue, tmp_path / "models", semantic=False).parts != ("linear",)
    code, out, err = await command("--rules-dir", few_rules, "train")
    assert code == 0, err
    (model,) = (tmp_path / "models").iterdir()
    assert str(model) in out
    assert classifier.load(catalogue, tmp_path / "models", semantic=False).parts == ("linear",)


async def test_check_asks_the_engine_when_told_to(command, few_rules):
    """What is nearly an example of another service is a warning, with file and line; without the flag it is not sought."""
    waste = few_rules / "services/waste.toml"
    text = waste.read_text()
    first = text.split("examples = '''\n", 1)[1].splitlines()[0]
    highways = few_rules / "services/highways.toml"
    highways.write_text(highways.read_text().replace("examples = '''\n", f"examples = '''\n{first} x\n", 1))
    code, out, err = await command("--rules-dir", few_rules, "check", "--engine")
    assert code == 0, err
    (line,) = [line for line in out.splitlines() if "is nearly one of" in line and first in line]
    assert "warning" in line
    assert ".toml:" in line
    code, out, _ = await command("--rules-dir", few_rules, "check")
    assert "is nearly one of" not in out
