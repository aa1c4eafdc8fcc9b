"""`front-door corrections`: by pair, and as examples for a person to review."""

from __future__ import annotations

import tomllib

import pytest

from gateway.callers import Caller
from gateway.delivery.corrected import Wanted
from gateway.delivery.correction import Correcting
from gateway.metrics import Metrics
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.writer import Writer
from gateway.understanding import Understanding

pytestmark = pytest.mark.timeout(120)

DESK = Caller(authority="barnet", name="desk", subject="key:desk")


@pytest.fixture
async def corrected(pool, make, clock):
    """Three bins that the door took for potholes; one of them was corrected twice."""
    metrics = Metrics()
    understanding = Understanding(load_door(Settings(), understand=False), metrics)
    correcting = Correcting(pool, understanding, clock, metrics)
    writer = Writer(pool, metrics, batch=128, most_waiting=1000)
    said = [
        "zorbulator round ours not done, ring 020 7946 0101",
        "ann says the wagon went by with its lid up",
        "neither a bin nor a pothole, I own a ferret",
    ]
    async with writer.group.running(1):
        for text in said:
            accepted = make(text=text)
            await writer.submit(accepted)
            (referral,) = accepted.referrals
            for service in ["missed-bin"] if "ferret" not in text else ["missed-bin", "pest-control"]:
                wanted = Wanted(service=service, reason="asked")
                await correcting.correct(DESK, referral.referral_id, wanted)
                clock.pass_(1)
    return said


async def test_they_are_listed_by_pair(command, corrected):
    """Which in the place of which, and how often; no words."""
    code, out, err = await command("corrections", "list", "--authority", "barnet")
    assert code == 0, err
    rows = [line.split() for line in out.splitlines() if "missed-bin" in line]
    assert ["pothole", "missed-bin", "3"] in [[word for word in row if word != "│"][:3] for row in rows]
    assert "4 corrections" in out
    assert "ferret" not in out
    code, out, _ = await command("corrections", "list", "--authority", "barnet", "--since", "2027-01-01")
    assert "0 corrections" in out


async def test_they_become_a_file_to_review(command, corrected, tmp_path):
    """Masked, by service, the last word of each referral; readable by its owner alone."""
    file = tmp_path / "proposed.toml"
    code, out, err = await command("corrections", "propose", "--authority", "barnet", "--out", file)
    assert code == 0, err
    assert "3 proposed examples" in out
    tables = tomllib.loads(file.read_text())
    assert tables["missed-bin"]["examples"].splitlines() == [
        "zorbulator round ours not done, ring [number]",
        "[name] says the wagon went by with its lid up",
    ]
    assert list(tables["pest-control"]) == ["examples"]
    assert file.stat().st_mode & 0o077 == 0


async def test_a_file_that_is_there_is_left_alone(command, corrected, tmp_path):
    """Somebody may be reviewing it."""
    file = tmp_path / "proposed.toml"
    file.write_text("mine")
    code, _, err = await command("corrections", "propose", "--authority", "barnet", "--out", file)
    assert (code, file.read_text()) == (2, "mine")
    assert "already" in err


async def test_nothing_to_propose_writes_nothing(command, tmp_path):
    """And says so."""
    file = tmp_path / "proposed.toml"
    code, out, _ = await command("corrections", "propose", "--authority", "barnet", "--out", file)
    assert code == 0
    assert "nothing to propose" in out
    assert not file.exists()
