"""Organisations that do not call back: polled, each in its turn, whatever goes wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.base import Poll, Receipt, Refused, StatusUpdate, Unavailable
from tests.gateway.delivery.post import Post, Scripted, until


@pytest.fixture
def said(clock):
    """Make an update by `re`, so many seconds from now."""

    def said(status, after=0.0, **more):
        named = {"external_reference": "RE-1"} if "delivery_id" not in more else {}
        return StatusUpdate(status=status, at=clock.now() + timedelta(seconds=after), **{**named, **more})

    return said


async def test_the_cursor_is_kept_from_poll_to_poll(open_post, make, said, clock):
    """Each poll goes on where the last one ended, also after a restart."""
    adapter = Scripted(Receipt(external_reference="RE-1"), polls=True)
    adapter.polled = [
        Poll(updates=[said("investigating")], cursor="c-1"),
        Unavailable("down"),
        Poll(updates=[said("fixed", 1)], cursor="c-2"),
    ]
    post = await open_post({"re": adapter})
    line = post.lines["barnet", "re"]
    assert await post.sync.poll(line) == 0, "nothing is waited for, so nobody is asked"
    await post.store(make())
    await post.round()
    clock.pass_(600)
    assert await post.sync.poll(line) == 1
    assert await post.referral() == ("in_progress", "re")
    clock.pass_(600)
    with pytest.raises(Unavailable):
        await post.sync.poll(line)
    clock.pass_(600)
    assert await post.sync.poll(line) == 1
    assert adapter.asked == [(None, ["RE-1"]), ("c-1", ["RE-1"]), ("c-1", ["RE-1"])]
    assert await post.referral() == ("resolved", "re")
    clock.pass_(600)
    assert await post.sync.poll(line) == 0
    assert len(adapter.asked) == 3, "what has ended is no longer asked after"


async def test_every_open_case_is_asked_after(open_post, make, clock):
    """An adapter drops what it was not asked after while its cursor goes on, so leaving one out would lose its status."""
    adapter = Scripted(polls=True)
    post = await open_post({"re": adapter}, concurrency=500, rate=1e6)
    await post.store(*(make() for _ in range(300)))
    await post.round()
    clock.pass_(600)
    await post.sync.poll(post.lines["barnet", "re"])
    ((_, references),) = adapter.asked
    assert len(set(references)) == 300


async def test_several_replicas_poll_once_an_interval(pool, rules, clock, make, open_post):
    """Four gateways ask an organisation no more often than one."""
    first = await open_post({"re": Scripted(polls=True)})
    await first.store(make())
    await first.round()
    others = [Post(pool, rules, clock, {"re": Scripted(polls=True)}) for _ in range(3)]
    posts = [first, *others]
    for _ in range(3):
        await asyncio.gather(*(each.sync.poll(each.lines["barnet", "re"]) for each in posts))
        clock.pass_(first.lines["barnet", "re"].organisation.delivery.poll_interval)
    assert sum(len(each["re"].asked) for each in posts) == 3


async def test_a_clock_that_was_set_back_does_not_stop_polling(open_post, make, clock):
    """A poll noted in the future is no reason to wait for it."""
    post = await open_post({"re": Scripted(polls=True)})
    await post.store(make())
    await post.round()
    await post.sync.poll(post.lines["barnet", "re"])
    clock.wall -= timedelta(days=30)
    await post.sync.poll(post.lines["barnet", "re"])
    assert len(post["re"].asked) == 2


async def test_polling_goes_on_whatever_goes_wrong(pool, rules, clock, make, said):
    """A refusal, a bug, a database that is away: the next interval asks again."""
    adapter = Scripted(Receipt(external_reference="RE-1"), polls=True)
    post = Post(pool, rules, clock, {"re": adapter}, poll_interval=0.001)
    adapter.polled = [Refused("no"), ValueError("bug"), OSError("away"), Poll(updates=[said("fixed")])]
    await post.store(make())
    async with post.by_hand():
        await post.round()

        async def move():
            while True:
                clock.pass_(1)
                await asyncio.sleep(0.001)

        moving = asyncio.create_task(move())
        async with post.sync.polling():

            async def resolved():
                return (await post.referral())[0] == "resolved"

            await until(resolved)
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
