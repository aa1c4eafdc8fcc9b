"""`front-door replay`: what changed rules would have done, shown before anyone relies on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

import routing_rules
from gateway.metrics import Metrics
from gateway.store.decisions import AT_ONCE
from gateway.store.writer import Writer
from routing_rules.decision import Given

SHIPPED = Path(next(iter(routing_rules.__path__)))
MANY = AT_ONCE + 3
WORDS = "xylophone in the road"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def changed_rules(tmp_path):
    """The rules, but for potholes."""
    folder = tmp_path / "rules"
    for name in ("services", "authorities"):
        shutil.copytree(SHIPPED / name, folder / name)
    shutil.copy(SHIPPED / "tiers.toml", folder)
    routes = folder / "authorities/barnet/routes.toml"
    text = routes.read_text()
    routes.write_text(text.replace("[services]\n", '[services]\npothole = { organisation = "council" }\n'))
    return folder


@pytest.fixture
async def past(pool, make, clock):
    """Potholes of a day, and one of the day before."""

    def known(accepted):
        request = accepted.request
        decision = replace(request.decision, given=Given(service="pothole"))
        return replace(accepted, request=replace(request, decision=decision))

    writer = Writer(pool, Metrics(), batch=128, most_waiting=1000)
    async with writer.group.running(1):
        clock.pass_(-86400)
        await writer.submit(known(make(text="too early")))
        clock.pass_(86400)
        requests = [known(make(text=WORDS)) for _ in range(MANY)]
        for one in requests:
            await writer.submit(one)
    return [one.request.reference for one in requests]


async def test_what_would_go_elsewhere_is_a_table_without_anybodys_words(command, past, changed_rules, pool):
    """Counted by what changes, with a few references; nothing is changed by it."""
    before = await pool.fetch("SELECT * FROM requests JOIN referrals USING (authority_id, request_id)")
    code, out, err = await command("replay", "--since", "2026-03-02", "--rules-dir", changed_rules)
    assert code == 0, err
    row = next(line for line in out.splitlines() if "pothole → council" in line)
    assert "route → pothole → re" in row
    assert str(MANY) in row
    assert past[0] in row
    assert f"{MANY} requests since" in out
    assert f"{MANY} would go elsewhere (100.0 %)" in out
    assert "xylophone" not in out + err
    assert (
        await pool.fetch("SELECT * FROM requests JOIN referrals USING (authority_id, request_id)") == before
    )


async def test_as_json_it_is_a_line_for_each_need(command, past, changed_rules):
    """Every one, in the order it came; the summary stays out of it."""
    code, out, err = await command(
        "replay", "--since", "2026-03-02", "--authority", "barnet", "--rules-dir", changed_rules, "--json"
    )
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["reference"] for line in lines] == past
    assert lines[0]["before"] == {"service": "pothole", "organisation": "re", "action": "route"}
    assert lines[0]["after"]["organisation"] == "council"
    assert "text" not in lines[0]
    assert "would go elsewhere" in err


async def test_words_are_shown_only_when_asked_for(command, past, changed_rules):
    """An operator says so, each time."""
    code, out, _ = await command(
        "replay", "--since", "2026-03-02", "--rules-dir", changed_rules, "--json", "--show-text"
    )
    assert code == 0
    assert json.loads(out.splitlines()[0])["text"] == WORDS


async def test_rules_that_did_not_change_send_nothing_elsewhere(command, past):
    """The very rules that decided."""
    code, out, err = await command("replay", "--since", "2026-03-01")
    assert code == 0, err
    assert f"{MANY + 1} requests since" in out
    assert "0 would go elsewhere" in out


async def test_rules_that_do_not_check_are_not_tried(command, past, changed_rules):
    """Exit code 2, with the place."""
    routes = changed_rules / "authorities/barnet/routes.toml"
    routes.write_text(routes.read_text().replace('"council" }', '"counsil" }', 1))
    code, _, err = await command("replay", "--since", "2026-03-02", "--rules-dir", changed_rules)
    assert code == 2
    assert "did you mean 'council'" in err
