"""The authority's own systems that want to be told: a line each, kept like the organisations' and apart from them.

Apart, because a subscriber that is down says nothing about whether citizens' hand-overs get through.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from adapters.base import ConfigurationError
from adapters.notices import Notice, NoticeAdapter
from gateway.background import Words, repeating
from gateway.clock import Clock
from gateway.delivery.line import Line
from gateway.metrics import Metrics
from gateway.store import notices, subscriptions
from gateway.store.claims import Claim
from gateway.store.pool import AWAY, Pool, unavailable_is_clear
from gateway.store.subscriptions import Live
from routing_rules.organisation import Delivery, Organisation, Sharing

log = structlog.get_logger()

WAITS: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds after each failed attempt but the last: the schedule of Standard Webhooks."""
SILENCE: Final = timedelta(days=5)
"""A subscriber that took nothing for so long is disabled."""
KEEP: Final = timedelta(days=30)
"""How long notices that ended are kept."""
REFRESH: Final = 5.0
"""Seconds between looks for what other processes changed."""
SWEEP: Final = 60.0
"""Seconds between sweeps, and the grain of `answered_at`."""
PRESSURE: Final = Delivery(
    concurrency=16,
    rate=200,
    timeout=20,
    max_attempts=len(WAITS) + 1,
    breaker_threshold=5,
    breaker_cooldown=10,
)


def wait(attempt: int, *, asked: float | None = None, chance: random.Random | None = None) -> timedelta:
    """The wait after failed attempt number `attempt` (from 1), and up to a tenth more, so that not all come back at once.

    `asked`: the subscriber's own Retry-After in seconds, a lower bound of at most a day.
    """
    spread = (chance or random).uniform(1.0, 1.1)
    seconds = max(WAITS[min(attempt, len(WAITS)) - 1], min(asked or 0.0, 86400.0))
    return timedelta(seconds=seconds * spread)


class _Subscriber:
    """One subscription, its line and its adapter in this process."""

    def __init__(
        self,
        live: Live,
        clock: Clock,
        metrics: Metrics,
        *,
        lease_margin: float,
        allow_private: bool,
    ) -> None:
        self.live = live
        self.adapter = NoticeAdapter(
            live.url,
            lambda now: self.live.secrets.at(now),  # noqa: PLW0108  `live` is replaced when its secret changes
            allow_private=allow_private,
            timeout=PRESSURE.timeout,
            max_connections=PRESSURE.concurrency,
            clock=clock.now,
        )
        self.line = Line(
            live.authority_id, _organisation(live), self.adapter, clock, metrics, lease_margin=lease_margin
        )
        self.line.backoff = wait


class Subscribers:
    """One a process. Use `running`."""

    def __init__(
        self, pool: Pool, clock: Clock, metrics: Metrics, *, lease_margin: float, allow_private: bool
    ) -> None:
        self.allow_private = allow_private
        """Whether subscribers may be on this machine or a private network."""
        self.wake: Callable[[], None] = lambda: None
        """Tells the courier that something may be due."""
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._make = partial(
            _Subscriber, clock=clock, metrics=metrics, lease_margin=lease_margin, allow_private=allow_private
        )
        self._there: dict[tuple[str, str], _Subscriber] = {}
        self._leaving: list[tuple[float, _Subscriber]] = []
        self._lines: dict[tuple[str, str], Line] = {}
        self._unusable: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._swept_at = -SWEEP

    @property
    def lines(self) -> Mapping[tuple[str, str], Line]:
        """A line for each live subscription, by authority and `subscription:<id>`."""
        return self._lines

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Subscribers]:
        """Know the subscriptions from the start, and keep up with what other processes change."""
        with contextlib.suppress(*AWAY):
            await self.refresh()
        async with repeating(
            self._look,
            REFRESH,
            name="subscribers",
            words=Words("subscriptions wait for the database", "looking after subscriptions failed"),
            at_once=False,
        ):
            yield self

    async def close(self) -> None:
        """Let go of connections, once nothing is under way."""
        for each in (*self._there.values(), *(each for _, each in self._leaving)):
            await each.adapter.close()

    async def _look(self) -> None:
        await self.refresh()
        if self._clock.monotonic() - self._swept_at >= SWEEP:
            self._swept_at = self._clock.monotonic()
            await self.sweep()

    async def refresh(self) -> None:
        """Bring the lines up to date with the store."""
        async with self._one_at_a_time:
            wanted = {(each.authority_id, each.code): each for each in await subscriptions.live(self._pool)}
            for name in [name for name in self._there if name not in wanted]:
                self._leaving.append((self._clock.monotonic(), self._there.pop(name)))
                del self._lines[name]
            for name, live in wanted.items():
                if name in self._there:
                    self._there[name].live = live
                else:
                    self._begin(name, live)
            await self._let_go()

    async def _let_go(self) -> None:
        now = self._clock.monotonic()
        for left_at, each in list(self._leaving):
            # Later: the courier may just be claiming for it.
            if each.line.running == 0 and now - left_at >= REFRESH:
                self._leaving.remove((left_at, each))
                await each.adapter.close()
                self._metrics.forget(each.live.authority_id, each.live.code)

    def _begin(self, name: tuple[str, str], live: Live) -> None:
        try:
            subscriber = self._make(live)
        except ConfigurationError as error:  # taken while inner addresses were allowed
            if live.code not in self._unusable:
                self._unusable.add(live.code)
                log.warning(
                    "subscription not told",
                    authority=live.authority_id,
                    subscription=live.code,
                    detail=str(error),
                )
            return
        self._there[name] = subscriber
        self._lines[name] = subscriber.line

    async def sweep(self) -> None:
        """Note who answered, disable who does not, end what nobody waits for, forget what is long over."""
        now = self._clock.now()
        await self._note_answers()
        async with self._pool.acquire() as connection:
            for authority, subscription_id in await subscriptions.disable_silent(connection, SILENCE, now):
                log.error(
                    "subscription disabled: nobody answers",
                    authority=authority,
                    subscription=str(subscription_id),
                )
            await notices.settle_unsent(connection, now)
            await notices.forget_ended(connection, now - KEEP)
        await self.refresh()

    async def _note_answers(self) -> None:
        answered = {}
        for each in self._there.values():
            at, known = each.adapter.answered_at, each.live.answered_at
            if at is not None and (known is None or at - known >= timedelta(seconds=SWEEP)):
                answered[each.live.authority_id, each.live.subscription_id] = at
        if answered:
            await subscriptions.answered(self._pool, answered)

    async def gone(self, claim: Claim) -> None:
        """The subscriber said that it wants no more (410). Raises `StoreUnavailable`."""
        there = self._there.get((claim.authority_id, claim.organisation))
        if there is None:
            return
        with unavailable_is_clear():
            async with self._pool.acquire() as connection, connection.transaction():
                await subscriptions.disable(
                    connection,
                    claim.authority_id,
                    there.live.subscription_id,
                    "it answered 410 Gone",
                    self._clock.now(),
                )
            log.warning(
                "subscription disabled",
                authority=claim.authority_id,
                subscription=claim.organisation,
                because="410",
            )
            await self.refresh()


def notice(claim: Claim) -> Notice:
    """What a subscriber is told of a claimed notice: the words that were stored with it, and no others."""
    return Notice(
        delivery_id=str(claim.delivery_id),
        reference=claim.reference,
        authority=claim.authority_id,
        organisation=claim.organisation,
        service="",
        service_name="",
        created_at=claim.created_at,
        attempt=claim.attempt,
        traceparent=claim.traceparent,
        event=claim.notice or {},
    )


def _organisation(live: Live) -> Organisation:
    """What a line asks of an organisation's file. It shares no field of any hand-over."""
    return Organisation(
        code=live.code,
        name="A subscription",
        kind="council",
        protocol=NoticeAdapter.protocol,
        sharing=Sharing(fields=(), purpose="to tell the authority's own systems", lawful_basis="public task"),
        delivery=PRESSURE,
    )
