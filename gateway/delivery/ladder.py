"""The safeguarding ladder: until a named person answers, the alarm is raised further and further, and again and again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway import model
from gateway.background import Words, repeating
from gateway.clock import Clock
from gateway.errors import NotFound
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import Delivery, Event, Priority, Referral
from gateway.store import alarms
from gateway.store.alarms import Alarm
from gateway.store.outcomes import add_delivery, add_event
from gateway.store.pool import Pool, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.understanding import Understanding
from routing_rules.authority import Authority

log = structlog.get_logger()

LOOK: Final = 2.0
"""Seconds between looks for alarms that are due."""


class Ladder:
    """Raises alarms that nobody has answered."""

    def __init__(
        self,
        pool: Pool,
        understanding: Understanding,
        clock: Clock,
        metrics: Metrics,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._understanding = understanding
        self._clock = clock
        self._metrics = metrics
        self._wake = wake

    @contextlib.asynccontextmanager
    async def climbing(self) -> AsyncIterator[Ladder]:
        """Look for due alarms while the gateway runs."""
        async with repeating(
            self._look,
            LOOK,
            name="ladder",
            words=Words(
                "the safeguarding ladder waits for the database",
                "the safeguarding ladder failed",
                urgent=True,
            ),
        ):
            yield self

    async def _look(self) -> None:
        await self.raise_due()
        await self.show()

    async def raise_due(self) -> int:
        """Raise every alarm that is due by one rung; how many there were."""
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            authorities = self._understanding.door.authorities
            found = await alarms.due(connection, list(authorities), now, 100)
            for alarm in found:
                authority = authorities[alarm.authority_id]
                organisation, next_at = climb(authority, alarm, now)
                delivery = _delivery(alarm, organisation, now)
                await add_delivery(connection, delivery)
                await add_event(connection, _event(alarm, organisation, now))
                await alarms.raise_further(connection, alarm, next_at)
                log.error(
                    "safeguarding alarm unanswered",
                    authority=alarm.authority_id,
                    reference=alarm.reference,
                    rung=alarm.rung + 1,
                    told=organisation,
                    minutes=round((now - alarm.opened_at).total_seconds() / 60),
                )
        if found:
            self._wake()
        return len(found)

    async def show(self) -> None:
        """Bring the gauges up to date."""
        waiting = await alarms.oldest_ringing(self._pool)
        for code in self._understanding.door.authorities:
            count, oldest = waiting.get(code, (0, None))
            self._metrics.alarms.labels(code).set(count)
            self._metrics.oldest_alarm.labels(code).set(oldest.timestamp() if oldest else 0)


def climb(authority: Authority, alarm: Alarm, now: datetime) -> tuple[str, datetime]:
    """Whom the next rung tells, and when the one after it is due. Past the last rung, the last is told again."""
    rungs = authority.settings.safeguarding.ladder
    here = rungs[min(alarm.rung, len(rungs) - 1)]
    again = now + timedelta(minutes=authority.settings.safeguarding.repeat_minutes)
    if alarm.rung + 1 < len(rungs):
        following = alarm.opened_at + timedelta(minutes=rungs[alarm.rung + 1].after_minutes)
        return here.tell, max(following, now)
    return here.tell, again


def raised(authority: Authority, referral: Referral, now: datetime) -> tuple[model.Alarm, list[str]]:
    """The alarm as it is raised with its referral, and whom the first rungs tell at once."""
    rungs = authority.settings.safeguarding.ladder
    first = [rung.tell for rung in rungs if rung.after_minutes == 0]
    later = (
        rungs[len(first)].after_minutes
        if len(rungs) > len(first)
        else authority.settings.safeguarding.repeat_minutes
    )
    alarm = model.Alarm(
        authority_id=referral.authority_id,
        referral_id=referral.referral_id,
        request_id=referral.request_id,
        service=referral.service,
        opened_at=now,
        rung=len(first),
        next_at=now + timedelta(minutes=later),
    )
    return alarm, first


async def answer(
    pool: Pool, clock: Clock, authority: str, referral_id: UUID, *, name: str, actor: str
) -> None:
    """A named person has it: the alarm rings no more. Raises `NotFound` if none rings, and `StoreUnavailable`."""
    now = clock.now()
    with unavailable_is_clear():
        async with scoped(pool, authority) as connection:
            request_id = await alarms.acknowledge(connection, authority, referral_id, name, now)
            if request_id is None:
                raise NotFound(f"no alarm rings for referral {referral_id}")
            event = Event(
                authority_id=authority,
                event_id=uuid7(now),
                request_id=request_id,
                referral_id=referral_id,
                at=now,
                kind="alarm_acknowledged",
                actor=actor,
                detail={"name": name},
            )
            await add_event(connection, event)


def _delivery(alarm: Alarm, organisation: str, now: datetime) -> Delivery:
    return Delivery(
        authority_id=alarm.authority_id,
        delivery_id=uuid7(now),
        referral_id=alarm.referral_id,
        request_id=alarm.request_id,
        organisation=organisation,
        role="alarm",
        priority=Priority.SAFEGUARDING,
        due_at=now,
        traceparent=f"00-{alarm.request_id.hex}-{alarm.referral_id.hex[16:]}-01",
    )


def _event(alarm: Alarm, organisation: str, now: datetime) -> Event:
    return Event(
        authority_id=alarm.authority_id,
        event_id=uuid7(now),
        request_id=alarm.request_id,
        referral_id=alarm.referral_id,
        at=now,
        kind="alarm_raised",
        actor="front-door",
        detail={"rung": alarm.rung + 1, "told": organisation},
    )
