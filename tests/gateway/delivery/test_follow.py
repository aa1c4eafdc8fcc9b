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
    async with asyncio.timeout(20), post.sync.polling():
        await first.reached.wait()
        changed = type(line)("barnet", line.organisation, new, post.clock, post.metrics, lease_margin=10)
        await pool.execute("UPDATE poll_cursors SET polled_at = 'epoch'")
        post.lines["barnet", "re"] = changed
        post.sync.follow()
        await second.reached.wait()
        assert {task.get_name() for task in asyncio.all_tasks()} >= {"poll-barnet-re"}
        del post.lines["barnet", "re"]
        post.sync.follow()
        while [task for task in asyncio.all_tasks() if task.get_name() == "poll-barnet-re"]:
            await asyncio.sleep(0)
    assert len(old.asked) == len(new.asked) == 1


async def test_a_status_of_an_organisation_that_is_gone_is_kept(open_post, make, clock, pool):
    """Its words mean nothing any more, and a person can read them."""
    post = await open_post()
    await post.store(make())
    await post.rounds()
    del post.lines["barnet", "re"]
    update = StatusUpdate(external_reference="X-1", status="closed", at=clock.now())
    await post.sync.apply("barnet", "re", [update])
    assert await pool.fetchval("SELECT applied FROM status_updates") == "unmapped"
