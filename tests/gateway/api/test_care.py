"""What must not be left alone, over HTTP: dead and uncertain deliveries, unknown statuses, alarms."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from msgspec.structs import replace

from gateway.clock import SystemClock
from gateway.metrics import Metrics
from gateway.store.writer import Writer
from tests.gateway.store.conftest import make

__all__ = ["make"]

NOBODY = UUID(int=0)


@pytest.fixture
async def gave_up(api, pool, make, clock):
    """Make deliveries that the courier gave up, in this state; their ids."""
    clock.wall = SystemClock().now()

    async def gave_up(state="dead", count=1, organisation="re", authority="barnet"):
        writer = Writer(pool, Metrics(), batch=128, most_waiting=1000)
        ids = []
        async with writer.group.running(1):
            for _ in range(count):
                accepted = make(authority, organisation)
                (delivery,) = accepted.deliveries
                later = delivery.due_at.replace(year=2999)  # the courier leaves it alone meanwhile
                await writer.submit(replace(accepted, deliveries=[replace(delivery, due_at=later)]))
                ids.append(delivery.delivery_id)
        await pool.execute(
            "UPDATE deliveries SET state = $1, attempt = 12 WHERE delivery_id = ANY($2)", state, ids
        )
        if state == "uncertain":
            await pool.execute("UPDATE referrals SET state = 'uncertain'")
        return [str(each) for each in ids]

    return gave_up


async def until_delivered(pool, delivery_id):
    while (
        await pool.fetchval("SELECT state FROM deliveries WHERE delivery_id = $1", UUID(delivery_id))
        != "delivered"
    ):
        await asyncio.sleep(0.01)


async def test_what_waits_for_a_person_is_listed_oldest_first_page_by_page(api, gave_up):
    """Every one once, with where it hangs; nothing of the citizen."""
    ids = await gave_up(count=5)
    seen, after = [], ""
    while True:
        status, _, page = await api.call("GET", f"/api/v1/deliveries?limit=2{after}")
        assert status == 200
        seen += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert [each["delivery_id"] for each in seen] == ids
    assert (seen[0]["state"], seen[0]["organisation"], seen[0]["service"]) == ("dead", "re", "pothole")
    assert "Ann" not in str(seen)
    assert "a pothole" not in str(seen)


async def test_the_list_can_be_narrowed(api, gave_up):
    """By state and by organisation."""
    (dead,) = await gave_up("dead", organisation="csg")
    (uncertain,) = await gave_up("uncertain")
    for query, expected in (
        ("", [dead, uncertain]),
        ("?state=dead", [dead]),
        ("?state=uncertain", [uncertain]),
        ("?organisation=csg", [dead]),
        ("?organisation=csg&state=uncertain", []),
    ):
        _, _, page = await api.call("GET", f"/api/v1/deliveries{query}")
        assert [each["delivery_id"] for each in page["items"]] == expected, query


WRONG_QUESTIONS = [
    "limit=0",
    "limit=201",
    "limit=x",
    "state=waiting",
    "after=x",
    "organisation=%00",
    "colour=red",
]


async def test_a_wrong_question_is_told_what_is_wrong(api):
    """422 with a pointer to the parameter, or to the query where there is no such parameter."""
    for query in (*WRONG_QUESTIONS, "state=dead&state=dead"):
        status, _, problem = await api.call("GET", f"/api/v1/deliveries?{query}")
        assert status == 422, query
        assert problem["errors"][0]["pointer"] in {"?", f"?{query.split('=')[0]}"}, query


async def test_one_is_sent_again_with_its_reason_in_the_history(api, gave_up, pool):
    """And then it is delivered."""
    (delivery,) = await gave_up()
    status, _, letter = await api.call(
        "POST", f"/api/v1/deliveries/{delivery}/replay", json={"reason": " they are back "}
    )
    assert (status, letter["delivery_id"]) == (200, delivery)
    await until_delivered(pool, delivery)
    _, _, request = await api.call("GET", f"/api/v1/requests/{letter['reference']}")
    (event,) = [event for event in request["events"] if event["kind"] == "replayed"]
    assert (event["actor"], event["detail"]["reason"]) == ("key:tests", "they are back")
    status, _, problem = await api.call(
        "POST", f"/api/v1/deliveries/{delivery}/replay", json={"reason": "again"}
    )
    assert (status, problem["type"]) == (409, "/api/docs#conflict")


async def test_all_of_an_organisation_are_sent_again(api, gave_up, pool):
    """Counted; the uncertain one is left for a look."""
    ids = await gave_up(count=3)
    await gave_up(organisation="csg")
    path = "/api/v1/organisations/re/replay"
    status, _, answer = await api.call("POST", path, json={"reason": "back"})
    assert (status, answer) == (200, {"replayed": 3})
    for delivery in ids:
        await until_delivered(pool, delivery)
    assert (await api.call("POST", path, json={"reason": "back"}))[2] == {"replayed": 0}
    status, _, problem = await api.call("POST", "/api/v1/organisations/ree/replay", json={"reason": "x"})
    assert (status, problem["type"]) == (404, "/api/docs#not-found")


async def test_an_uncertain_one_is_said_to_have_arrived(api, gave_up, pool):
    """With the organisation's reference; the referral is delivered."""
    (delivery,) = await gave_up("uncertain")
    body = {"reason": "rang them", "external_reference": "RE-77"}
    status, _, _ = await api.call("POST", f"/api/v1/deliveries/{delivery}/arrived", json=body)
    assert status == 200
    row = await pool.fetchrow("SELECT state, external_reference FROM deliveries")
    assert tuple(row) == ("delivered", "RE-77")
    assert await pool.fetchval("SELECT state FROM referrals") == "delivered"


NO_REASON = [
    ({}, 422),
    ({"reason": ""}, 422),
    ({"reason": "   "}, 422),
    ({"reason": "nul \x00"}, 422),
    ({"reason": 7}, 422),
    ({"reason": "x" * 501}, 422),
    ({"reason": "because", "who": "me"}, 422),
    (None, 400),
]


@pytest.mark.parametrize("decision", ["replay", "arrived"])
async def test_a_decision_wants_a_reason(api, gave_up, decision):
    """Nothing changes without one."""
    (delivery,) = await gave_up()
    for body, status in NO_REASON:
        answered, _, problem = await api.call("POST", f"/api/v1/deliveries/{delivery}/{decision}", json=body)
        assert (answered, problem["status"]) == (status, status), body
    _, _, page = await api.call("GET", "/api/v1/deliveries")
    assert len(page["items"]) == 1


async def test_a_reference_that_the_database_would_not_take_is_refused(api, gave_up):
    """422, not a fault."""
    (delivery,) = await gave_up()
    body = {"reason": "rang them", "external_reference": "RE\x00"}
    status, _, problem = await api.call("POST", f"/api/v1/deliveries/{delivery}/arrived", json=body)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/external_reference")


@pytest.mark.parametrize("decision", ["replay", "arrived"])
async def test_another_authoritys_is_not_found(api, gave_up, decision):
    """Nor is one that does not exist, nor what is no id; all answered alike."""
    (delivery,) = await gave_up()
    for wrong in (delivery, NOBODY, "x", "%00"):
        status, _, problem = await api.call(
            "POST",
            f"/api/v1/deliveries/{wrong}/{decision}",
            authority="northamptonshire",
            json={"reason": "mine"},
        )
        assert (status, problem["type"]) == (404, "/api/docs#not-found")
    page = await api.call("GET", "/api/v1/deliveries", authority="northamptonshire")
    assert page[2]["items"] == []


async def test_statuses_of_unknown_cases_are_there_to_be_looked_into(api, pool):
    """Of this authority alone, the latest first."""
    await pool.execute(
        "INSERT INTO status_updates (authority_id, organisation, update_key, status, note, at, received_at, applied,"
        " external_reference) SELECT a, 're', 'k' || n, 'open', '', now(), now() + n * interval '1 second', 'unknown',"
        " 'R-' || n FROM unnest(ARRAY['barnet', 'northamptonshire']) AS a, generate_series(1, 3) AS n"
    )
    status, _, found = await api.call("GET", "/api/v1/statuses/unknown?limit=2")
    assert status == 200
    assert [each["external_reference"] for each in found] == ["R-3", "R-2"]
    assert (await api.call("GET", "/api/v1/statuses/unknown?limit=0"))[0] == 422


@pytest.fixture
async def alarm(api, pool, make, clock):
    """An alarm that rings; its referral's id."""
    accepted = make()
    clock.wall = SystemClock().now()
    referral = accepted.referrals[0]
    writer = Writer(pool, Metrics(), batch=1, most_waiting=9)
    async with writer.group.running(1):
        await writer.submit(replace(accepted, deliveries=[]))
    await pool.execute(
        "INSERT INTO alarms (authority_id, referral_id, request_id, service, opened_at, next_at)"
        " VALUES ('barnet', $1, $2, 'child-protection', $3, $4)",
        *(referral.referral_id, referral.request_id, clock.now(), clock.now().replace(year=2999)),
    )
    return str(referral.referral_id)


async def test_an_alarm_is_answered_once_by_a_name(api, alarm, pool):
    """Listed until then; who answered is in the history."""
    _, _, (listed,) = await api.call("GET", "/api/v1/alarms")
    assert (listed["referral_id"], listed["service"]) == (alarm, "child-protection")
    path = f"/api/v1/alarms/{alarm}/acknowledge"
    answers = await asyncio.gather(*(api.call("POST", path, json={"name": f"Ruth {n}"}) for n in range(5)))
    assert sorted(status for status, _, _ in answers) == [204, 404, 404, 404, 404]
    assert (await api.call("GET", "/api/v1/alarms"))[2] == []
    assert await pool.fetchval("SELECT count(*) FROM events WHERE kind = 'alarm_acknowledged'") == 1


async def test_an_alarm_wants_a_name(api, alarm):
    """It goes on ringing."""
    for body in ({}, {"name": "R"}, {"name": "  "}, {"name": "R\x00uth"}, {"name": "x" * 101}):
        status, _, _ = await api.call("POST", f"/api/v1/alarms/{alarm}/acknowledge", json=body)
        assert status == 422, body
    assert len((await api.call("GET", "/api/v1/alarms"))[2]) == 1


async def test_an_alarm_of_another_authority_cannot_be_answered(api, alarm):
    """Nor one that does not ring."""
    for wrong in (alarm, NOBODY, "x"):
        status, _, _ = await api.call(
            "POST",
            f"/api/v1/alarms/{wrong}/acknowledge",
            authority="northamptonshire",
            json={"name": "Ruth Ellis"},
        )
        assert status == 404
    assert len((await api.call("GET", "/api/v1/alarms"))[2]) == 1
