"""Subscribers' lines: kept up with the store, on their own schedule, and no part of what is known of organisations."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from adapters.base import Deduplication
from gateway.delivery.subscribers import PRESSURE, WAITS, Subscribers, wait
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.store import subscriptions
from gateway.store.subscriptions import KINDS

SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def subscribe(pool, clock):
    async def subscribe(url="https://hooks.example/"):
        subscription_id = uuid7(clock.now())
        async with pool.acquire() as connection, connection.transaction():
            await subscriptions.add(
                connection, "barnet", subscription_id, url=url, secret=SECRET, kinds=list(KINDS), actor="t",
                now=clock.now(), most=20,
            )  # fmt: skip
        return subscription_id

    return subscribe


@pytest.fixture
async def subscribers(pool, clock):
    subscribers = Subscribers(pool, clock, Metrics(), lease_margin=10, allow_private=False)
    yield subscribers
    await subscribers.close()


def test_tries_are_spread_as_the_standard_says():
    """0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each up to a tenth later."""
    assert PRESSURE.max_attempts == 10
    assert [0, *WAITS] == [0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    for attempt, seconds in enumerate(WAITS, start=1):
        waited = [wait(attempt, chance=random.Random(n)).total_seconds() for n in range(50)]
        assert seconds <= min(waited) < max(waited) <= seconds * 1.1


def test_retry_after_puts_a_try_off_but_never_brings_it_forward():
    """And no further off than about a day."""
    assert wait(1, asked=3600) >= timedelta(hours=1)
    assert wait(3, asked=1) >= timedelta(seconds=1800)
    assert wait(1, asked=1e9) <= timedelta(days=1.1)


async def test_a_line_comes_and_goes_with_its_subscription(pool, clock, subscribe, subscribers):
    """Whichever process made or deleted it."""
    await subscribers.refresh()
    assert dict(subscribers.lines) == {}
    subscription_id = await subscribe()
    await subscribers.refresh()
    ((name, line),) = subscribers.lines.items()
    assert name == ("barnet", f"subscription:{subscription_id}")
    assert line.adapter.deduplication is Deduplication.KEY
    assert line.slot().free == PRESSURE.concurrency
    await subscribers.refresh()
    assert subscribers.lines[name] is line  # its breaker and its count are not forgotten
    async with pool.acquire() as connection:
        await subscriptions.remove(connection, "barnet", subscription_id, clock.now())
    await subscribers.refresh()
    assert dict(subscribers.lines) == {}


async def test_what_is_under_way_is_not_cut_off(pool, clock, subscribe, subscribers):
    """A line that goes is let go of once nothing runs on it, and its metrics with it."""
    subscription_id = await subscribe()
    await subscribers.refresh()
    (line,) = subscribers.lines.values()
    line.began()
    async with pool.acquire() as connection:
        await subscriptions.remove(connection, "barnet", subscription_id, clock.now())
    page = subscribers._metrics.page
    for running in (True, True, False):
        if not running:
            line.ended()
        clock.pass_(60)
        await subscribers.refresh()
        assert (str(subscription_id) in page().decode()) is running
    assert subscribers._leaving == []


async def test_a_changed_secret_counts_at_once(pool, clock, subscribe, subscribers):
    """On the line that is there."""
    subscription_id = await subscribe()
    await subscribers.refresh()
    (line,) = subscribers.lines.values()
    async with pool.acquire() as connection:
        until = clock.now() + timedelta(hours=24)
        await subscriptions.rotate(connection, "barnet", subscription_id, "whsec_new", until)
    await subscribers.refresh()
    assert line.adapter._secrets(clock.now()) == ["whsec_new", SECRET]
    clock.pass_(24 * 3600)
    assert line.adapter._secrets(clock.now()) == ["whsec_new"]


async def test_one_that_leads_inside_is_not_told(pool, subscribe, subscribers):
    """Taken while that was allowed, it waits until it is again; others are told."""
    await subscribe("https://127.0.0.1/")
    outside = await subscribe()
    await subscribers.refresh()
    assert [code for _, code in subscribers.lines] == [f"subscription:{outside}"]


async def test_when_it_last_took_something_is_noted_to_the_minute(pool, clock, subscribe, subscribers):
    """So that people see who is well, at the cost of a write a minute."""
    await subscribe()
    await subscribers.refresh()
    (line,) = subscribers.lines.values()
    noted = []
    for seconds in (1, 30, 31):
        clock.pass_(seconds)
        line.adapter.answered_at = clock.now()
        await subscribers.sweep()
        (shown,) = await subscriptions.listing(pool, "barnet")
        noted.append(shown.answered_at)
    assert noted[0] == noted[1] < noted[2]
