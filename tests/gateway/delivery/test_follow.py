"""Polling follows the organisations there are, as rules are loaded anew."""

from __future__ import annotations

import asyncio

from adapters.base import Poll, StatusUpdate
from tests.gateway.delivery.post import Hang, Scripted


async def test_polling_begins_and_ends_with_the_lines(open_post, make, pool):
    """One that is new is polled without a restart; one that is gone is not any more, though its poll was under way."""
    first, second = Hang(Poll(updates=[])), Hang(Poll(updates=[]))
    old, new = Scripted(polls=True), Scripted(polls=True)
    old.polled, new.polled = [first], [second]
    post = await open_post({"re": old})
    await post.store(make())
    await post.rounds()
    line = post.lines["barnet", "re"]
    async with post.sync.polling():
        await first.reached.wait()
        (of_old,) = post.sync._pollers.values()
        changed = type(line)("barnet", line.organisation, new, post.clock, post.metrics, lease_margin=10)
        await pool.execute("UPDATE poll_cursors SET polled_at = 'epoch'")
        post.lines["barnet", "re"] = changed
        post.sync.follow()
        await second.reached.wait()
        (of_new,) = post.sync._pollers.values()
        del post.lines["barnet", "re"]
        post.sync.follow()
        await asyncio.wait([of_old, of_new])
    assert len(old.asked) == len(new.asked) == 1


class AwayOnce:
    """A database that is away the first time it is asked for a connection."""

    def __init__(self, pool):
        self._pool = pool
        self.asked = 0

    def acquire(self):
        self.asked += 1
        if self.asked == 1:
            raise ConnectionResetError
        return self._pool.acquire()

    def __getattr__(self, name):
        return getattr(self._pool, name)


async def test_a_poll_that_our_database_kept_from_its_turn_does_not_wait_a_whole_interval(
    open_post, make, pool
):
    """A moment's hiccup on our side is no reason to ask an organisation half a minute later."""
    reached = Hang(Poll(updates=[]))
    adapter = Scripted(polls=True)
    adapter.polled = [reached]
    post = await open_post({"re": adapter}, poll_interval=3600)
    await post.store(make())
    await post.rounds()
    post.sync._pool = AwayOnce(pool)
    async with post.sync.polling():
        await reached.reached.wait()
    assert post.sync._pool.asked >= 2


async def test_a_status_of_an_organisation_that_is_gone_is_kept(open_post, make, clock, pool):
    """Its words mean nothing any more, and a person can read them."""
    post = await open_post()
    await post.store(make())
    await post.rounds()
    del post.lines["barnet", "re"]
    update = StatusUpdate(external_reference="X-1", status="closed", at=clock.now())
    await post.sync.apply("barnet", "re", [update])
    assert await pool.fetchval("SELECT applied FROM status_updates") == "unmapped"
