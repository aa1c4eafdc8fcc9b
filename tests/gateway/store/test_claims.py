"""The queue: most pressing first, one courier at a time, and a late courier cannot end another's claim."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import DeliveryState, Priority
from gateway.store.claims import Slot, claim, release, take_back_expired
from gateway.store.outcomes import Ended, write_ended
from gateway.store.writer import Writer
from tests.gateway.delivery.post import lapse


@pytest.fixture
async def store(pool):
    writer = Writer(pool, Metrics(), batch=128, most_waiting=10_000)
    async with writer.group.running(1):
        yield writer.submit


def slot(organisation="re", free=10, authority="barnet"):
    return Slot(authority_id=authority, organisation=organisation, free=free, lease=timedelta(seconds=3000))


def ended(clock, claimed, **changes):
    fields = {
        "claim": claimed,
        "started_at": clock.now(),
        "finished_at": clock.now(),
        "outcome": "accepted",
        "status": 200,
        "detail": "",
        "state": DeliveryState.DELIVERED,
        "due_at": clock.now(),
        "external_reference": "X1",
        "event_id": uuid7(clock.now()),
    }
    return Ended(**{**fields, **changes})


async def states(pool):
    return dict(await pool.fetch("SELECT state, count(*) FROM deliveries GROUP BY state"))


async def test_safeguarding_goes_first_then_urgent_then_the_oldest(pool, store, make, clock):
    """A person in danger does not wait behind potholes."""
    for priority in (Priority.NORMAL, Priority.URGENT, Priority.NORMAL, Priority.SAFEGUARDING):
        await store(make(priority=priority))
        clock.pass_(1)
    claims = await claim(pool, [slot()], clock.now(), "w")
    assert [each.priority for each in claims] == ["safeguarding", "urgent", "normal", "normal"]
    assert claims[2].queued_at < claims[3].queued_at


async def test_each_organisation_gets_no_more_than_its_free_slots(pool, store, make, clock):
    """One organisation's backlog takes nothing from another."""
    for organisation in ("re",) * 8 + ("council",) * 3:
        await store(make(organisation=organisation))
    claims = await claim(pool, [slot("re", 5), slot("council", 5)], clock.now(), "w")
    assert sorted(each.organisation for each in claims) == ["council"] * 3 + ["re"] * 5


async def test_couriers_that_claim_together_never_get_the_same(pool, store, make, clock):
    """Eight at once share sixty without overlap."""
    for _ in range(60):
        await store(make())
    rounds = await asyncio.gather(*(claim(pool, [slot(free=10)], clock.now(), f"w{n}") for n in range(8)))
    claimed = [each.delivery_id for round_ in rounds for each in round_]
    assert len(claimed) == len(set(claimed))


async def test_what_is_not_due_is_not_claimed(pool, store, make, clock):
    """A delivery waits for its time."""
    await store(make())
    assert await claim(pool, [slot()], clock.now() - timedelta(seconds=1), "w") == []


async def test_an_ending_is_written_once_with_its_attempt_and_event(pool, store, make, clock):
    """Delivery, attempt, referral and event change together."""
    await store(make())
    (claimed,) = await claim(pool, [slot()], clock.now(), "w")
    async with pool.acquire() as connection:
        assert await write_ended(connection, [ended(clock, claimed)]) == [True]
        assert await write_ended(connection, [ended(clock, claimed)]) == [False]
    row = await pool.fetchrow(
        "SELECT d.state, external_reference, r.state AS referral FROM deliveries d JOIN referrals r USING (referral_id)"
    )
    assert tuple(row) == ("delivered", "X1", "delivered")
    assert await pool.fetchval("SELECT count(*) FROM attempts") == 1
    assert await pool.fetchval("SELECT count(*) FROM events WHERE kind = 'delivered'") == 1


async def test_a_courier_that_slept_past_its_lease_cannot_end_the_new_claim(pool, store, make, clock):
    """The fence rose; the late answer changes nothing, but is kept as an attempt."""
    await store(make())
    (late,) = await claim(pool, [slot()], clock.now(), "frozen")
    await lapse(pool, clock, 3001)
    assert await take_back_expired(pool, clock.now()) == 1
    (fresh,) = await claim(pool, [slot()], clock.now(), "awake")
    assert (fresh.attempt, fresh.fence, fresh.check_first) == (2, 2, True)
    async with pool.acquire() as connection:
        assert await write_ended(connection, [ended(clock, late, external_reference="OLD")]) == [False]
        assert await write_ended(connection, [ended(clock, fresh, external_reference="NEW")]) == [True]
    assert await pool.fetchval("SELECT external_reference FROM deliveries") == "NEW"


async def test_a_lease_that_still_runs_is_not_taken(pool, store, make, clock):
    """Only what expired is freed."""
    await store(make())
    await claim(pool, [slot()], clock.now(), "w")
    await lapse(pool, clock, 2000)
    assert await take_back_expired(pool, clock.now()) == 0


async def test_couriers_whose_clocks_differ_agree_on_leases(pool, store, make, clock):
    """A machine that is a week ahead, or behind, takes nothing from one that is at work, nor waits for one that died."""
    await store(make())
    await claim(pool, [slot()], clock.now(), "w")
    for days in (7, -14):
        clock.wall += timedelta(days=days)
        assert await take_back_expired(pool, clock.now()) == 0
    await lapse(pool, clock, 3001)
    assert await take_back_expired(pool, clock.now()) == 1


async def test_a_claim_given_back_costs_no_attempt(pool, store, make, clock):
    """Shutting down does not use up tries."""
    await store(make())
    claims = await claim(pool, [slot()], clock.now(), "w")
    await release(pool, claims, clock.now())
    assert await states(pool) == {"waiting": 1}
    (again,) = await claim(pool, [slot()], clock.now(), "w")
    assert (again.attempt, again.fence) == (1, 2)


async def test_a_delivery_put_off_comes_back_at_its_time(pool, store, make, clock):
    """Waiting again, with the reason kept."""
    await store(make())
    (claimed,) = await claim(pool, [slot()], clock.now(), "w")
    later = clock.now() + timedelta(seconds=60)
    async with pool.acquire() as connection:
        put_off = ended(
            clock,
            claimed,
            outcome="unavailable",
            state=DeliveryState.WAITING,
            due_at=later,
            external_reference=None,
        )
        assert await write_ended(connection, [put_off]) == [True]
    assert await claim(pool, [slot()], clock.now(), "w") == []
    assert len(await claim(pool, [slot()], later, "w")) == 1
