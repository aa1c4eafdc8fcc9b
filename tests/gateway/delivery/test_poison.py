"""One delivery that its organisation can never take: bounded itself, and in nobody's way."""

from __future__ import annotations

from adapters.base import Receipt, Unavailable
from tests.gateway.delivery.post import Scripted


class Choking(Scripted):
    """Takes everything but what is written about one thing, at which its back end falls over."""

    def __init__(self, on):
        super().__init__()
        self._on = on

    async def deliver(self, handover):
        self.handed.append(handover)
        if handover.priority == self._on:
            raise Unavailable("HTTP 500", status=500)
        return Receipt(external_reference=f"X-{len(self.handed)}")


async def poison_and(post, make, clock, count):
    """A poison delivery tried until its back end's breaker could have opened, then `count` others."""
    await post.store(make())
    await post.pool.execute("UPDATE referrals SET priority = 'urgent'")
    await post.pool.execute("UPDATE deliveries SET priority = 1")
    for _ in range(6):
        await post.round()
        clock.pass_(900)
    await post.store(*(make() for _ in range(count)))


async def test_work_behind_a_poison_delivery_goes_at_once(open_post, make, clock):
    """The organisation is well; the one that it chokes on is tried again and again meanwhile."""
    post = await open_post({"re": Choking(on="urgent")})
    await poison_and(post, make, clock, 3)
    await post.rounds()
    assert sorted((await post.states())["re"]) == ["delivered"] * 3 + ["waiting"]


async def test_a_poison_delivery_is_not_probe_after_probe(open_post, make, clock):
    """It is the most pressing of all, and yet the breaker that others opened closes with the second probe."""
    post = await open_post({"re": Choking(on="urgent")}, breaker_threshold=1, breaker_cooldown=30)
    await poison_and(post, make, clock, 0)
    line = post.lines["barnet", "re"]
    clock.pass_(line.breaker.seconds_until_probe() or 0)
    await post.pool.execute("UPDATE deliveries SET due_at = $1, attempt = 1", clock.now())
    assert await post.round()
    handed = len(post["re"].handed)
    await post.store(make(), make())
    clock.pass_(line.breaker.seconds_until_probe() or 0)
    assert await post.round()
    assert [each.priority for each in post["re"].handed[handed:]] == ["normal"]
    await post.rounds()
    assert sorted((await post.states())["re"]) == ["delivered", "delivered", "waiting"]


async def test_a_poison_delivery_ends_as_a_dead_letter(open_post, make, clock):
    """Out of attempts it goes to the next in its chain like any other."""
    post = await open_post({"re": Choking(on="urgent"), "council": Scripted()}, max_attempts=8)
    await post.store(make(chain=["council"]), make())
    first = await post.pool.fetchval("SELECT referral_id FROM referrals ORDER BY referral_id LIMIT 1")
    await post.pool.execute("UPDATE deliveries SET priority = 1 WHERE referral_id = $1", first)
    await post.pool.execute("UPDATE referrals SET priority = 'urgent' WHERE referral_id = $1", first)
    for _ in range(9):
        await post.round()
        clock.pass_(900)
    await post.rounds()
    assert await post.states() == {"re": ["dead", "delivered"], "council": "delivered"}
