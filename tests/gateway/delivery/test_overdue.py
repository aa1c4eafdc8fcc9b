"""An organisation that took it must also begin: past its acknowledgement time the council gives it to the next."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from adapters.base import Receipt, StatusUpdate, Unavailable
from adapters.worklist import WorklistAdapter
from routing_rules.hours import Acknowledge
from tests.gateway.delivery.post import Post, Scripted

MAUNDY_THURSDAY = datetime(2026, 4, 2, 15, 0, tzinfo=UTC)
"""Four in the afternoon in London; Good Friday and Easter Monday follow."""
TUESDAY = datetime(2026, 4, 7, 8, 0, tzinfo=UTC)
"""Nine in the morning after the four days."""


def hurry(post, code, **length):
    """Give an organisation so long to acknowledge."""
    line = post.lines["barnet", code]
    line.organisation = replace(line.organisation, acknowledge=Acknowledge(**length))


@pytest.fixture
async def post(open_post, make):
    """One request, delivered to `re`, which has two hours; the council is next."""
    post = await open_post({"re": Scripted(Receipt(external_reference="RE-1")), "council": Scripted()})
    hurry(post, "re", minutes=120)
    await post.store(make(chain=["council"]))
    await post.round()
    return post


def acknowledged(clock, word="acknowledged"):
    return StatusUpdate(external_reference="RE-1", status=word, at=clock.now())


async def test_not_acknowledged_in_time_it_goes_to_the_next_with_the_reason(post, clock):
    """Neither lost nor left there: handed on once, and the history says why."""
    clock.pass_(2 * 3600 - 1)
    assert await post.overdue.hand_on_due() == 0
    clock.pass_(1)
    due = clock.now()
    assert await post.overdue.hand_on_due() == 1
    assert await post.overdue.hand_on_due() == 0
    (event,) = await post.events("not_acknowledged")
    assert event == {
        "because": f"not acknowledged by {due:%Y-%m-%d %H:%M} UTC",
        "by": "re",
        "sent_to": "council",
    }
    await post.rounds()
    assert await post.referral() == ("delivered", "council")


async def test_acknowledged_in_time_it_is_left_alone(post, clock):
    """Any status is a sign of life, and the time stops."""
    clock.pass_(3600)
    await post.sync.apply("barnet", "re", [acknowledged(clock)])
    clock.pass_(86400 * 30)
    assert await post.overdue.hand_on_due() == 0
    assert await post.referral() == ("delivered", "re")


async def test_a_word_that_nobody_knows_is_a_sign_of_life_too(post, clock):
    """Unmapped, but somebody there has it in hand."""
    await post.sync.apply("barnet", "re", [acknowledged(clock, "quarantined")])
    clock.pass_(86400)
    assert await post.overdue.hand_on_due() == 0


async def test_what_has_ended_or_gone_elsewhere_is_not_waited_for(post, clock):
    """A person took it away, or the citizen cancelled."""
    clock.pass_(86400)
    await post.pool.execute("UPDATE referrals SET state = 'cancelled'")
    assert await post.overdue.hand_on_due() == 0
    await post.pool.execute("UPDATE referrals SET state = 'delivered', organisation = 'pct'")
    assert await post.overdue.hand_on_due() == 0


async def test_time_runs_only_while_they_work(open_post, make, clock):
    """Delivered on Maundy Thursday at four with two working hours: due on Tuesday, after the four holidays."""
    clock.wall = MAUNDY_THURSDAY
    post = await open_post({"re": Scripted(), "council": Scripted()})
    hurry(post, "re", working_hours=2)
    await post.store(make(chain=["council"]))
    await post.round()
    by = (await post.delivery())["acknowledge_by"]
    hours = post.rules.authorities["barnet"].hours_of("re")
    open_on_thursday = hours.after(MAUNDY_THURSDAY, timedelta(minutes=1)) < MAUNDY_THURSDAY + timedelta(
        hours=1
    )
    assert open_on_thursday, "they work on Thursday afternoon, or this test tells nothing"
    assert TUESDAY < by < TUESDAY + timedelta(hours=2)
    for moment in (MAUNDY_THURSDAY + timedelta(days=4), by - timedelta(seconds=1)):
        clock.wall = moment
        assert await post.overdue.hand_on_due() == 0, moment
    clock.wall = by
    assert await post.overdue.hand_on_due() == 1


async def test_working_days_leave_out_the_bank_holidays(open_post, make, clock):
    """One working day from Maundy Thursday is the end of Tuesday."""
    clock.wall = MAUNDY_THURSDAY
    post = await open_post()
    hurry(post, "re", working_days=1)
    await post.store(make())
    await post.round()
    by = (await post.delivery())["acknowledge_by"]
    assert by.date() == TUESDAY.date()
    assert by > TUESDAY + timedelta(hours=6)


async def test_nothing_is_shifted_while_everybody_is_down(post, make, clock):
    """The fault is likelier ours; it is handed on when somebody answers again."""
    post["re"].script = [Unavailable("down")]
    post["council"].script = [Unavailable("down")]
    for line in post.lines.values():
        line.breaker._failures = 1
    await post.store(make(), make(organisation="council"))
    await post.round()
    clock.pass_(2 * 3600)
    assert await post.overdue.hand_on_due() == 0
    assert await post.referral_of("re") == "delivered"
    await post.rounds()
    assert await post.overdue.hand_on_due() == 1


async def test_an_authority_that_is_down_does_not_hold_up_another(pool, rules, clock, make, post, open_post):
    """A hundred late ones that may not be shifted do not stand before those that may."""
    there = await open_post({"northamptonshire/council": Scripted(), "northamptonshire/lgss": Scripted()})
    for code in ("council", "lgss"):
        line = there.lines["northamptonshire", code]
        line.organisation = replace(line.organisation, acknowledge=Acknowledge(minutes=1))
    await there.store(*(make("northamptonshire", "council") for _ in range(120)))
    for _ in range(40):
        clock.pass_(1)
        await there.round()
    clock.pass_(2 * 3600)
    for code in ("council", "lgss"):
        there.lines["northamptonshire", code].tried = True
        for _ in range(9):
            there.lines["northamptonshire", code].breaker.failed()
    assert there.health.everybody_is_down("northamptonshire")
    assert await there.overdue.hand_on_due() == 1
    assert [event["by"] for event in await there.events("not_acknowledged")] == ["re"]


async def test_people_on_a_worklist_have_no_stopwatch(open_post, make, clock, rules):
    """The last resort is not handed on; it is watched by its own figures."""
    post = await open_post({"worklist": WorklistAdapter.from_connection({})})
    await post.store(make(organisation="worklist"))
    await post.round()
    assert (await post.delivery("worklist"))["acknowledge_by"] is None


async def test_two_gateways_hand_it_on_once(post, pool, rules, clock):
    """Both look at the same moment."""
    other = Post(pool, rules, clock, {"re": Scripted()})
    clock.pass_(2 * 3600)
    moved = await asyncio.gather(post.overdue.hand_on_due(), other.overdue.hand_on_due())
    assert sorted(moved) == [0, 1]
    assert len(await post.events("not_acknowledged")) == 1


async def test_an_authority_that_is_gone_from_the_files_stops_nobody_else(post, make, clock):
    """Rows of a removed authority are left where they are; the others are handed on."""
    await post.pool.execute(
        "INSERT INTO requests SELECT 'gone', request_id, reference, channel, text, citizen, postcode, emergency, decision,"
        " created_at, created_by, trace_id FROM requests;"
        "INSERT INTO referrals SELECT 'gone', referral_id, request_id, part, text, service, organisation, state, priority,"
        " chain, created_at, updated_at FROM referrals"
    )
    await post.pool.execute(
        "INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, state, priority, due_at,"
        " created_at, updated_at, acknowledge_by) SELECT 'gone', delivery_id, referral_id, request_id, organisation, state,"
        " priority, due_at, created_at, updated_at, acknowledge_by - interval '1 hour' FROM deliveries"
    )
    clock.pass_(2 * 3600)
    assert await post.overdue.hand_on_due() == 1
