"""Status that comes back: one way to apply it, whether it was called in or polled for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from adapters.base import DeliveryError, StatusUpdate
from gateway.clock import Clock
from gateway.delivery import escalation
from gateway.delivery.line import Line
from gateway.errors import StoreUnavailable
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import ENDED, Event, State, may_follow
from gateway.store import statuses
from gateway.store.outcomes import add_event, move_on
from gateway.store.pool import AWAY, Connection, Pool, unavailable_is_clear
from gateway.understanding import Understanding

log = structlog.get_logger()

MOST_AWAITED: Final = 200
"""References asked after in one poll."""


class StatusSync:
    """Applies status updates, and polls the organisations whose protocol does not call back."""

    def __init__(
        self,
        pool: Pool,
        lines: Mapping[tuple[str, str], Line],
        understanding: Understanding,
        clock: Clock,
        metrics: Metrics,
        *,
        on_handed_on: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._lines = lines
        self._understanding = understanding
        self._clock = clock
        self._metrics = metrics
        self._on_handed_on = on_handed_on

    async def apply(self, authority: str, organisation: str, updates: Sequence[StatusUpdate]) -> None:
        """Apply updates in the order of their time, each once. Raises `StoreUnavailable`."""
        with unavailable_is_clear():
            async with self._pool.acquire() as connection:
                for update in sorted(updates, key=lambda update: update.at):
                    async with connection.transaction():
                        await self._apply(connection, authority, organisation, update)

    async def _apply(
        self, connection: Connection, authority: str, organisation: str, update: StatusUpdate
    ) -> None:
        now = self._clock.now()
        waiting = await statuses.find(connection, authority, organisation, update)
        mapped = self._map(authority, organisation, update.status)
        applied = _verdict(waiting, mapped, update)
        delivery_id = waiting.delivery_id if waiting else None
        if not await statuses.is_new(connection, authority, organisation, update, delivery_id, applied, now):
            return
        self._metrics.statuses.labels(authority, organisation, applied).inc()
        if waiting is None or applied == "ignored":
            return
        moves = mapped if applied == "applied" and mapped is not waiting.state else None
        await statuses.write_status(connection, waiting, update, moves, now)
        if moves is State.REJECTED:
            await self._hand_on(connection, waiting, update, now)
        elif applied in {"applied", "held"}:
            kind = f"{mapped}_reported" if applied == "held" else moves.value if moves else "status"
            await add_event(connection, _event(waiting, kind, update, now))

    async def _hand_on(
        self, connection: Connection, waiting: statuses.Waiting, update: StatusUpdate, now: datetime
    ) -> None:
        held = escalation.Held(
            authority_id=waiting.authority_id,
            referral_id=waiting.referral_id,
            request_id=waiting.request_id,
            organisation=waiting.organisation,
            priority=waiting.priority,
            chain=waiting.chain,
            traceparent=waiting.traceparent or "",
        )
        authority = self._understanding.door.authorities[waiting.authority_id]
        why = {"because": update.note or update.status}
        then = escalation.hand_on(held, authority, "rejected", why, now)
        await move_on(connection, waiting.authority_id, waiting.referral_id, then, now)
        self._on_handed_on()

    def _map(self, authority: str, organisation: str, status: str) -> State | None:
        line = self._lines[authority, organisation]
        name = line.organisation.state_of(status)
        return State(name) if name is not None else None

    @contextlib.asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        """Poll every organisation that needs it, each at its own interval."""
        tasks = [
            asyncio.create_task(
                self._poll_for_ever(line), name=f"poll-{line.authority}-{line.organisation.code}"
            )
            for line in self._lines.values()
            if line.adapter.polls
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll_for_ever(self, line: Line) -> None:
        interval = line.organisation.delivery.poll_interval
        while True:
            try:
                await self.poll(line)
            except DeliveryError as error:
                log.info("status poll failed", organisation=line.organisation.code, detail=error.detail)
            except (*AWAY, StoreUnavailable):
                log.info("status poll waits for the database", organisation=line.organisation.code)
            except Exception:
                log.exception("status poll failed", organisation=line.organisation.code)
            await asyncio.sleep(interval)

    async def poll(self, line: Line) -> int:
        """Ask one organisation once, if no other process just did; how many updates it had."""
        authority, code = line.authority, line.organisation.code
        now = self._clock.now()
        interval = timedelta(seconds=line.organisation.delivery.poll_interval)
        ours, cursor = await statuses.begin_poll(self._pool, authority, code, now, now - interval * 0.9)
        if not ours:
            return 0
        references = await statuses.awaited_references(self._pool, authority, code, MOST_AWAITED)
        if not references:
            return 0
        answer = await line.adapter.poll(cursor, references)
        await self.apply(authority, code, answer.updates)
        if answer.cursor != cursor:
            async with self._pool.acquire() as connection:
                await statuses.keep_cursor(connection, authority, code, answer.cursor)
        return len(answer.updates)


def _verdict(waiting: statuses.Waiting | None, mapped: State | None, update: StatusUpdate) -> str:
    if waiting is None:
        return "unknown"
    if mapped is None:
        return "unmapped"
    late = waiting.status_at is not None and update.at < waiting.status_at
    elsewhere = waiting.role != "lead" or waiting.referral_organisation != waiting.organisation
    if late or elsewhere or (mapped is not waiting.state and not may_follow(waiting.state, mapped)):
        return "ignored"
    if waiting.ringing and mapped in ENDED:
        return "held"  # a safeguarding referral ends when a person says so, not when a system does
    return "applied"


def _event(waiting: statuses.Waiting, kind: str, update: StatusUpdate, now: datetime) -> Event:
    return Event(
        authority_id=waiting.authority_id,
        event_id=uuid7(now),
        request_id=waiting.request_id,
        referral_id=waiting.referral_id,
        at=now,
        kind=kind,
        actor=waiting.organisation,
        detail={
            "organisation": waiting.organisation,
            "status": update.status,
            "note": update.note,
            "at": update.at.isoformat(),
        },
    )
