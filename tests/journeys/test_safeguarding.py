"""A person in danger: told what to do at once, two ways to people, and an alarm that rings until somebody answers."""

from __future__ import annotations

from gateway.api.staff import UNDERSTANDING
from gateway.delivery.ladder import Ladder
from gateway.metrics import Metrics

WORDS = "my neighbour's little boy has bruises all over and told me his stepdad hits him with a belt"


async def send_alarm(front):
    answer = await front.send(WORDS)
    assert answer["emergency"] == "child-protection"
    return answer


async def test_the_words_to_say_come_with_the_answer(front):
    """The authority's own, with numbers to call."""
    answer = await send_alarm(front)
    assert "999" in answer["words"]


async def test_it_goes_two_ways_at_once(front):
    """The organisation that answers for it, and the council's own people: neither depends on the other."""
    front.backend("council").faults.set("hang_before_accept")
    answer = await send_alarm(front)
    request = await front.until(
        answer["reference"],
        lambda request: (
            {
                each["organisation"]
                for each in request["referrals"][0]["deliveries"]
                if each["state"] == "delivered"
            }
            >= {"worklist", "safeguarding-duty"}
        ),
    )
    assert request["referrals"][0]["priority"] == "safeguarding"
    front.backend("council").faults.clear()


async def test_it_is_never_closed_by_a_system(front):
    """The organisation's system says resolved; the referral stays open until a person answers the alarm."""
    answer = await send_alarm(front)
    request = await front.until(
        answer["reference"],
        lambda request: any(event["kind"] == "resolved_reported" for event in request["events"]),
    )
    (referral,) = request["referrals"]
    assert referral["state"] != "resolved"


async def test_an_alarm_rings_until_a_named_person_answers(front):
    """Listed, answered with a name, and then no longer listed; the name is in the history."""
    answer = await send_alarm(front)
    (alarm,) = await front.call("GET", "/api/v1/alarms")
    assert alarm["reference"] == answer["reference"]
    path = f"/api/v1/alarms/{alarm['referral_id']}/acknowledge"
    await front.call("POST", path, json={"name": ""}, status=422)
    await front.call("POST", path, json={"name": "Ruth Ellis"}, authority="northamptonshire", status=404)
    await front.call("POST", path, json={"name": "Ruth Ellis"}, status=204)
    assert await front.call("GET", "/api/v1/alarms") == []
    await front.call("POST", path, json={"name": "Somebody Else"}, status=404)
    request = await front.read(answer["reference"])
    (event,) = [event for event in request["events"] if event["kind"] == "alarm_acknowledged"]
    assert event["detail"] == {"name": "Ruth Ellis"}


async def test_an_unanswered_alarm_climbs_the_ladder_and_then_rings_again_and_again(front, pool, clock):
    """15 minutes, 30, 45, and every 15 after that, each time telling the next rung."""
    await send_alarm(front)
    clock.wall = await pool.fetchval("SELECT opened_at FROM alarms")
    ladder = Ladder(pool, front.app[UNDERSTANDING], clock, Metrics(), wake=lambda: None)
    told = []
    for _ in range(6):
        assert await ladder.raise_due() == 0
        clock.pass_(15 * 60)
        assert await ladder.raise_due() == 1
        told.append(
            await pool.fetchval(
                "SELECT detail ->> 'told' FROM events WHERE kind = 'alarm_raised' ORDER BY event_id DESC"
            )
        )
    assert told == ["safeguarding-duty", "council", "worklist", "worklist", "worklist", "worklist"]


async def test_with_its_first_way_dead_a_person_has_it_within_a_minute_and_hears_of_it_until_they_answer(
    front, pool, clock
):
    """Nobody takes it where it should go: it is on the worklist all the same, and rings there until it is answered."""
    front.backend("council").faults.set("http_503")
    answer = await send_alarm(front)
    request = await front.until(
        answer["reference"], lambda request: "worklist" in states(request, "delivered")
    )
    assert "council" not in states(request, "delivered")
    opened, taken = await pool.fetchrow(
        "SELECT a.opened_at, t.finished_at FROM alarms AS a JOIN deliveries AS d USING (authority_id, referral_id)"
        " JOIN attempts AS t USING (authority_id, delivery_id)"
        " WHERE d.organisation = 'worklist' AND t.outcome = 'accepted'"
    )
    assert (taken - opened).total_seconds() < 60
    clock.wall = opened
    ladder = Ladder(pool, front.app[UNDERSTANDING], clock, Metrics(), wake=lambda: None)
    for _ in range(12):
        clock.pass_(15 * 60)
        assert await ladder.raise_due() == 1
    (alarm,) = await front.call("GET", "/api/v1/alarms")
    path = f"/api/v1/alarms/{alarm['referral_id']}/acknowledge"
    await front.call("POST", path, json={"name": "Ruth Ellis"}, status=204)
    clock.pass_(24 * 60 * 60)
    assert await ladder.raise_due() == 0
    front.backend("council").faults.clear()


def states(request, state):
    """Who has the first referral's deliveries that are so."""
    return {each["organisation"] for each in request["referrals"][0]["deliveries"] if each["state"] == state}
