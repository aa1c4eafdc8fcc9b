"""Several citizens' reports of one thing are one case at the organisation: all of them hear how it goes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.base import Receipt, StatusUpdate
from gateway.store import statuses
from gateway.store.statuses import MOST_SHARED
from tests.gateway.delivery.post import Scripted


class Merging(Scripted):
    """An organisation that takes every report for the same case."""

    async def deliver(self, handover):
        self.handed.append(handover)
        return Receipt(external_reference="RE-1", duplicate=len(self.handed) > 1)


@pytest.fixture
async def post(open_post, make):
    """Three reports that are one case at `re`; the council is next in line."""
    post = await open_post({"re": Merging(), "council": Scripted()})
    await post.store(*(make(chain=["council"]) for _ in range(3)))
    await post.rounds()
    return post


@pytest.fixture
def said(clock):
    """Make an update of that case, so many seconds from now."""
    return lambda status, after=0.0: StatusUpdate(
        external_reference="RE-1", status=status, at=clock.now() + timedelta(seconds=after)
    )


async def states(post):
    rows = await post.pool.fetch("SELECT state, organisation FROM referrals ORDER BY referral_id")
    return [tuple(row) for row in rows]


async def test_every_report_of_the_case_hears_its_status(post, said):
    """Not the newest alone: each citizen's referral moves, with an event of its own, and the update is kept once."""
    await post.sync.apply("barnet", "re", [said("investigating"), said("fixed", 1)])
    assert await states(post) == [("resolved", "re")] * 3
    assert len(await post.events("in_progress")) == len(await post.events("resolved")) == 3
    assert await post.pool.fetchval("SELECT count(*) FROM status_updates") == 2
    await post.sync.apply("barnet", "re", [said("investigating"), said("fixed", 1)])
    assert len(await post.events("resolved")) == 3, "told again, it tells nobody anything"


async def test_each_is_judged_by_where_it_stands(post, said):
    """One that a person ended stays ended; the others go on."""
    first = await post.pool.fetchval("SELECT min(referral_id::text)::uuid FROM referrals")
    await post.pool.execute("UPDATE referrals SET state = 'cancelled' WHERE referral_id = $1", first)
    await post.sync.apply("barnet", "re", [said("fixed")])
    assert await states(post) == [("cancelled", "re"), ("resolved", "re"), ("resolved", "re")]
    assert await post.pool.fetchval("SELECT applied FROM status_updates") == "applied"


async def test_a_rejected_case_hands_every_report_on(post, said):
    """Whoever reported it, the next in the chain has it."""
    await post.sync.apply("barnet", "re", [said("not_councils_responsibility")])
    await post.rounds()
    assert await states(post) == [("delivered", "council")] * 3


async def test_a_referral_that_came_back_hears_it_once(post, said):
    """Its earlier delivery to the same organisation is history: one event, and handed on once."""
    await post.pool.execute(
        "INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, role, state, priority,"
        " due_at, external_reference, created_at, updated_at)"
        " SELECT authority_id, gen_random_uuid(), referral_id, request_id, organisation, role, state, priority, due_at,"
        " external_reference, created_at, updated_at FROM deliveries"
    )
    await post.sync.apply("barnet", "re", [said("not_councils_responsibility")])
    assert len(await post.events("rejected")) == 3


async def test_a_word_that_everything_is_called_by_moves_nobody(open_post, make, said):
    """An organisation that answers every hand-over with the same reference: its status is kept for a person."""
    post = await open_post({"re": Merging()}, concurrency=500, rate=1e6)
    await post.store(*(make() for _ in range(MOST_SHARED + 1)))
    await post.rounds()
    await post.sync.apply("barnet", "re", [said("fixed")])
    assert set(await states(post)) == {("delivered", "re")}
    assert len(await statuses.unknown(post.pool, "barnet", 10)) == 1
    assert await post.sync.catch_up() == 0


async def test_needs_that_were_merged_hear_it_once_each(post, said):
    """One moves with the other, and is not told of it a second time."""
    first, second, _ = (
        row[0] for row in await post.pool.fetch("SELECT referral_id FROM referrals ORDER BY 1")
    )
    await post.pool.execute(
        "UPDATE referrals SET merged_into = $1, state = 'cancelled' WHERE referral_id = $2", second, first
    )
    await post.sync.apply("barnet", "re", [said("fixed")])
    assert await states(post) == [("resolved", "re")] * 3
    assert len(await post.events("resolved")) == 3
