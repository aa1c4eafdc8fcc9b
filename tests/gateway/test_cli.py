"""The command line: what an operator types, and one clear line when it cannot be done."""

from __future__ import annotations

import json

import asyncpg
import pytest
from msgspec.structs import replace

from gateway.metrics import Metrics
from gateway.store.keys import find_caller
from gateway.store.writer import Writer
from tests.gateway.store.conftest import make

__all__ = ["make"]

OURS = ("--authority", "testshire")


async def test_a_key_is_shown_once_listed_and_revoked(front_door, pool):
    """It works for its authority until it is revoked; the list never shows it."""
    code, key, _ = await front_door("keys", "create", *OURS, "--name", "the CRM")
    assert code == 0
    caller = await find_caller(pool, key.strip())
    assert (caller.authority, caller.name) == ("testshire", "the CRM")
    code, listed, _ = await front_door("keys", "list", *OURS)
    assert (code, str(caller.key_id) in listed, "live" in listed, "the CRM" in listed) == (
        0,
        True,
        True,
        True,
    )
    assert key.strip().split(".")[3] not in listed
    code, said, _ = await front_door("keys", "revoke", *OURS, str(caller.key_id))
    assert (code, said) == (0, "revoked\n")
    assert await find_caller(pool, key.strip()) is None
    code, _, error = await front_door("keys", "revoke", *OURS, str(caller.key_id))
    assert (code, error) == (2, f"front-door: testshire has no live key {caller.key_id}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "--name", "x"),
        ("keys", "list"),
        ("deliveries", "list"),
        ("deliveries", "replay", "--reason", "because", "--organisation", "council"),
        ("alarms", "list"),
    ],
    ids=" ".join,
)
async def test_an_unknown_authority_is_named_with_the_nearest(front_door, arguments):
    """One line, exit code 2, no traceback."""
    code, out, error = await front_door(*arguments, "--authority", "testshir")
    assert (code, out) == (2, "")
    assert error == "front-door: there is no authority 'testshir'; did you mean 'testshire'?\n"


async def test_migrate_brings_an_empty_database_up_to_date_once(front_door, empty_database_url):
    """Before the gateway starts; a second time there is nothing to do."""
    code, out, _ = await front_door("migrate", DATABASE_URL=empty_database_url)
    assert (code, out.splitlines()[0]) == (0, "applied 0001_the_door_opens")
    connection = await asyncpg.connect(empty_database_url)
    assert await connection.fetchval("SELECT count(*) FROM requests") == 0
    await connection.close()
    assert (await front_door("migrate", DATABASE_URL=empty_database_url))[:2] == (0, "nothing to do\n")


async def test_a_database_that_is_not_there_is_one_clear_line(front_door):
    """For every command that needs it."""
    away = "postgresql://nobody:secret@127.0.0.1:1/none"
    for arguments in (("migrate",), ("keys", "list", *OURS), ("deliveries", "list", *OURS)):
        code, _, error = await front_door(*arguments, DATABASE_URL=away)
        assert code == 2, arguments
        assert len(error.splitlines()) == 1, error
        assert error.startswith("front-door: ")
        assert "database" in error
        assert "secret" not in error


async def test_classify_answers_each_line_and_bad_ones_by_number(front_door):
    """A line that cannot be taken does not stop the rest."""
    lines = [
        {"text": "bin men drove past", "authority": "testshire"},
        {"text": ""},
        {"text": "x", "authority": "testshir"},
        {"text": "x", "authority": "testshire", "service": "missd-bin"},
        {"text": "x", "authority": "testshire", "colour": "red"},
        {"text": "my council tax went up", "authority": "testshire"},
    ]
    given = "\n".join([*(json.dumps(line) for line in lines), "nonsense", "", '{"text": "\\ud800"}', "\xff"])
    code, out, _ = await front_door("classify", input=given.encode("latin-1"))
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["parts"][0]["service"] for answer in answers if "parts" in answer] == [
        "missed-bin",
        "council-tax",
    ]
    errors = {answer["line"]: answer["error"] for answer in answers if "error" in answer}
    assert set(errors) == {2, 3, 4, 5, 7, 9, 10}
    assert "did you mean 'testshire'" in errors[3]
    assert "did you mean 'missed-bin'" in errors[4]


@pytest.mark.parametrize(
    ("file", "wrong", "says"),
    [
        ("routes.toml", ('organisation = "council" }\ncare', 'organisation = "councl" }\ncare'), "council"),
        ("routes.toml", ("home-care =", "home-car ="), "home-care"),
        ("organisations/council.toml", ('closed = "resolved"', 'closed = "resovled"'), "resolved"),
        ("organisations/council.toml", ("protocol =", "protocl ="), "protocol"),
        ("authority.toml", ("reference_prefix =", "reference_prefx ="), "reference_prefix"),
    ],
    ids=["organisation", "service", "state", "key of an organisation", "key of the authority"],
)
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("classify",)], ids=["serve", "classify"])
async def test_a_typo_in_a_rules_file_is_shown_with_its_line_and_the_nearest_name(
    front_door, small_rules, command, file, wrong, says
):
    """Nothing starts; the file, the line and what was likely meant are there; exit code 2."""
    path = small_rules / "authorities" / "testshire" / file
    text = path.read_text()
    assert wrong[0] in text
    path.write_text(text.replace(*wrong))
    line = next(
        n for n, line in enumerate(path.read_text().splitlines(), 1) if wrong[1].splitlines()[0] in line
    )
    code, _, error = await front_door(*command)
    assert code == 2
    assert f"{path}:{line}: " in error
    assert says in error
    assert "Traceback" not in error


@pytest.fixture
async def gave_up(pool, make):
    """Store deliveries that the courier gave up; their ids as text."""

    async def gave_up(state="dead", count=1):
        writer = Writer(pool, Metrics(), batch=9, most_waiting=99)
        ids = []
        async with writer.group.running(1):
            for _ in range(count):
                accepted = make("testshire", "council")
                await writer.submit(accepted)
                ids.append(accepted.deliveries[0].delivery_id)
        await pool.execute("UPDATE deliveries SET state = $1 WHERE delivery_id = ANY($2)", state, ids)
        return [str(each) for each in ids]

    return gave_up


async def test_deliveries_are_listed_replayed_and_said_to_have_arrived(front_door, gave_up, pool):
    """One by its id; the reason and who typed it are in the history."""
    first, second = await gave_up(count=2)
    code, listed, _ = await front_door("deliveries", "list", *OURS)
    assert code == 0
    assert [line.split()[0] for line in listed.splitlines()] == [first, second]
    assert "Ann" not in listed
    assert "a pothole" not in listed
    replay = await front_door("deliveries", "replay", *OURS, "--reason", "they are back", first)
    assert replay[:2] == (0, "replayed 1\n")
    known_as = ("--external-reference", "C-9")
    arrived = await front_door("deliveries", "arrived", *OURS, "--reason", "rang them", *known_as, second)
    assert arrived[:2] == (0, "council has it\n")
    rows = await pool.fetch("SELECT state, external_reference FROM deliveries ORDER BY delivery_id")
    assert [tuple(row) for row in rows] == [("waiting", None), ("delivered", "C-9")]
    rows = await pool.fetch(
        "SELECT kind, actor, detail FROM events WHERE kind IN ('replayed', 'found_delivered')"
    )
    assert {row["kind"]: row["detail"]["reason"] for row in rows} == {
        "replayed": "they are back",
        "found_delivered": "rang them",
    }
    assert all(row["actor"].startswith("command:") for row in rows)
    code, _, error = await front_door("deliveries", "replay", *OURS, "--reason", "again", first)
    assert code == 2
    assert error == "front-door: the delivery is waiting; only dead and uncertain ones wait for a person\n"


async def test_all_dead_ones_of_an_organisation_are_replayed(front_door, gave_up):
    """The uncertain ones are left; a misspelt organisation is named with the nearest."""
    await gave_up(count=3)
    (uncertain,) = await gave_up("uncertain")
    replay = ("deliveries", "replay", *OURS, "--reason", "they are back", "--organisation")
    assert (await front_door(*replay, "council"))[:2] == (0, "replayed 3\n")
    _, listed, _ = await front_door("deliveries", "list", *OURS, "--organisation", "council")
    assert [line.split()[0] for line in listed.splitlines()] == [uncertain]
    code, _, error = await front_door(*replay, "concil")
    assert (code, error) == (
        2,
        "front-door: testshire has no organisation 'concil'; did you mean 'council'?\n",
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay", *OURS, "00000000-0000-0000-0000-000000000000"), "--reason"),
        (("replay", *OURS, "--reason", " ", "00000000-0000-0000-0000-000000000000"), "2 to 500 characters"),
        (("replay", *OURS, "--reason", "because"), "either a delivery's id or --organisation"),
        (("replay", *OURS, "--reason", "because", "--organisation", "council", "0" * 32), "either"),
        (("replay", *OURS, "--reason", "because", "x"), "not a valid UUID"),
        (("replay", *OURS, "--reason", "because", "0" * 32), "there is no delivery"),
        (("arrived", *OURS, "--reason", "because", "0" * 32), "there is no delivery"),
    ],
    ids=["no reason", "empty reason", "neither", "both", "no id", "unknown", "unknown too"],
)
async def test_a_decision_that_is_not_clear_changes_nothing(front_door, gave_up, pool, arguments, says):
    """Exit code 2, and what is missing."""
    await gave_up()
    code, _, error = await front_door("deliveries", *arguments)
    assert code == 2
    assert says in error
    assert await pool.fetchval("SELECT state FROM deliveries") == "dead"


async def test_an_alarm_is_listed_and_answered_by_a_name(front_door, pool, make, clock):
    """It rings until then; the name is in the history, and a second answer finds nothing."""
    accepted = make("testshire", "council")
    writer = Writer(pool, Metrics(), batch=1, most_waiting=9)
    async with writer.group.running(1):
        await writer.submit(replace(accepted, deliveries=[]))
    referral = accepted.referrals[0]
    await pool.execute(
        "INSERT INTO alarms (authority_id, referral_id, request_id, service, opened_at, next_at)"
        " VALUES ('testshire', $1, $2, 'child-protection', $3, $3)",
        *(referral.referral_id, referral.request_id, clock.now()),
    )
    code, listed, _ = await front_door("alarms", "list", *OURS)
    assert code == 0
    assert listed.split()[0] == str(referral.referral_id)
    assert accepted.request.reference in listed
    acknowledge = ("alarms", "acknowledge", *OURS, str(referral.referral_id))
    assert (await front_door(*acknowledge))[0] == 2, "not without a name"
    assert (await front_door(*acknowledge, "--name", "Ruth Ellis"))[:2] == (0, "Ruth Ellis has it\n")
    assert (await front_door("alarms", "list", *OURS))[1] == ""
    code, _, error = await front_door(*acknowledge, "--name", "Somebody Else")
    assert (code, error) == (2, f"front-door: no alarm rings for referral {referral.referral_id}\n")
    assert await pool.fetchval("SELECT detail FROM events WHERE kind = 'alarm_acknowledged'") == {
        "name": "Ruth Ellis"
    }
