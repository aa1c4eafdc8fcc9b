"""Status that comes back: one way to apply it, whether it was called in or polled for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from adapters.base import DeliveryError, StatusUpdate
from gateway.clock import Clock
from gateway.delivery import escalation
from gateway.delivery.incoming import clean
from gateway.delivery.line import Line
from gateway.errors import StoreUnavailable
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import ENDED, Event, State, may_follow
from gateway.store import links, statuses
from gateway.store.outcomes import add_event, move_on
from gateway.store.pool import AWAY, Connection, Pool, unavailable_is_clear
from gateway.understanding import Understanding

log = structlog.get_logger()

MOST_AWAITED: Final = 100_000
"""References asked after in one poll: all that are open, since an adapter drops what it was not asked after."""
KNOWN_SINCE: Final = timedelta(days=1)
"""How long a status of an unknown case is looked at again by itself."""
_SAYS_MOST: Final = ("applied", "held", "unmapped", "ignored")
_UNTAKEN: Final = frozenset({State.ROUTED, State.UNDELIVERABLE, State.UNCERTAIN})
"""What a referral is whose organisation is not known to have it."""
LOOK: Final = 5.0
"""Seconds between looks for unknown cases that have become known."""
AGAIN: Final = 1.0
"""Seconds until a poll is tried again that our own database, not the organisation, kept from its turn."""


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
        self._polls = False
        self._pollers: dict[int, asyncio.Task[None]] = {}
        """By the line's `id`: its task holds the line, so that no other can have it meanwhile."""
        self._stopped: set[asyncio.Task[None]] = set()

    async def apply(self, authority: str, organisation: str, updates: Sequence[StatusUpdate]) -> None:
        """Apply updates in the order of their time, each once. Raises `StoreUnavailable`."""
        cleaned = [clean(update) for update in updates]
        with unavailable_is_clear():
            known: set[str] = set()
            if (
                len(cleaned) > 1
            ):  # a poll's answer, most of which came before; a single one is found out as it is kept
                known = await statuses.already_known(self._pool, authority, organisation, cleaned)
            fresh = [update for update in cleaned if statuses.update_key(update) not in known]
            for update in sorted(fresh, key=lambda update: update.at):
                await self._apply_alone(authority, organisation, update)

    async def _apply_alone(self, authority: str, organisation: str, update: StatusUpdate) -> None:
        """In a transaction of its own; again where it and the courier's endings waited for each other's rows."""
        for last in (False, False, True):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await self._apply(connection, authority, organisation, update)
                    return
            except asyncpg.DeadlockDetectedError:
                if last:
                    raise

    async def catch_up(self) -> int:
        """Apply statuses that came before their hand-over had been written down; how many."""
        applied = 0
        for authority in {authority for authority, _ in self._lines}:
            since = self._clock.now() - KNOWN_SINCE
            found = await statuses.now_known(self._pool, authority, since, 1000)
            for organisation, update in found:
                if (authority, organisation) in self._lines:
                    await self.apply(authority, organisation, [update])
                    applied += 1
        return applied

    async def _apply(
        self, connection: Connection, authority: str, organisation: str, update: StatusUpdate
    ) -> None:
        now = self._clock.now()
        spoken_of = await statuses.find(connection, authority, organisation, update)
        mapped = self._map(authority, organisation, update.status)
        verdicts = [(_verdict(waiting, mapped, update), waiting) for waiting in spoken_of]
        applied, delivery_id = "unknown", None
        if verdicts:  # one row for the update, whatever it is to each: what moved something says most
            applied, waiting = min(verdicts, key=lambda each: _SAYS_MOST.index(each[0]))
            delivery_id = waiting.delivery_id
        if not await statuses.is_new(connection, authority, organisation, update, delivery_id, applied, now):
            return
        self._metrics.statuses.labels(authority, organisation, applied).inc()
        for number, (_, before) in enumerate(verdicts):
            # What was merged with another moves with it.
            waiting = await statuses.as_it_is_now(connection, before) if number else before
            verdict = _verdict(waiting, mapped, update)
            if verdict != "ignored" and _current(waiting, update):
                await self._tell(connection, waiting, update, mapped, verdict, now)

    async def _tell(
        self,
        connection: Connection,
        waiting: statuses.Waiting,
        update: StatusUpdate,
        mapped: State | None,
        verdict: str,
        now: datetime,
    ) -> None:
        """What an update is to one delivery, written down with its event."""
        moves = mapped if verdict == "applied" and mapped is not waiting.state else None
        if moves is None and waiting.state in _UNTAKEN:
            moves = State.DELIVERED  # whoever speaks of it has it, whatever the word means
        await statuses.write_status(connection, waiting, update, moves, now)
        if moves is State.RESOLVED or (moves is not None and waiting.state is State.RESOLVED):
            follow = links.end_together if moves is State.RESOLVED else links.open_together
            await follow(connection, waiting.authority_id, waiting.referral_id, waiting.organisation, now)
        if moves is State.REJECTED:
            await self._hand_on(connection, waiting, update, now)
            return
        told = [moves.value] if moves else ["status"] if verdict == "applied" else []
        told += [f"{mapped}_reported"] if verdict == "held" else []
        for kind in told:
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
        line = self._lines.get((authority, organisation))  # the rules may have been loaded anew meanwhile
        name = line.organisation.state_of(status) if line is not None else None
        return State(name) if name is not None else None

    @contextlib.asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        """Poll every organisation that needs it, each at its own interval."""
        catching_up = asyncio.create_task(self._catch_up_for_ever(), name="statuses-catch-up")
        self._polls = True
        self.follow()
        try:
            yield
        finally:
            self._polls = False
            self.follow()
            catching_up.cancel()
            await asyncio.gather(*self._stopped, catching_up, return_exceptions=True)

    def follow(self) -> None:
        """Poll by the lines there are now: those that are new begin, those that are gone stop."""
        wanted = {id(line): line for line in self._lines.values() if line.adapter.polls and self._polls}
        for gone in self._pollers.keys() - wanted.keys():
            task = self._pollers.pop(gone)
            task.cancel()
            self._stopped.add(task)
            task.add_done_callback(self._stopped.discard)
        for new in wanted.keys() - self._pollers.keys():
            line = wanted[new]
            name = f"poll-{line.authority}-{line.organisation.code}"
            self._pollers[new] = asyncio.create_task(self._poll_for_ever(line), name=name)

    async def _poll_for_ever(self, line: Line) -> None:
        interval = line.organisation.delivery.poll_interval
        while True:
            wait = interval
            try:
                await self.poll(line)
            except DeliveryError as error:
                log.info("status poll failed", organisation=line.organisation.code, detail=error.detail)
            except (*AWAY, StoreUnavailable):
                log.info("status poll waits for the database", organisation=line.organisation.code)
                wait = min(interval, AGAIN)
            except Exception:
                log.exception("status poll failed", organisation=line.organisation.code)
            await asyncio.sleep(wait)

    async def _catch_up_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.catch_up()
            except (*AWAY, StoreUnavailable):
                log.info("statuses of unknown cases wait for the database")
            except Exception:
                log.exception("statuses of unknown cases were not looked at")

    async def poll(self, line: Line) -> int:
        """Ask one organisation once, if no other process just did; how many updates it had."""
        authority, code = line.authority, line.organisation.code
        now = self._clock.now()
        interval = timedelta(seconds=line.organisation.delivery.poll_interval)
        # In one transaction: whoever cannot say what to ask after has not had its turn.
        async with self._pool.acquire() as connection, connection.transaction():
            ours, cursor = await statuses.begin_poll(connection, authority, code, now, now - interval * 0.9)
            references = (
                await statuses.awaited_references(connection, authority, code, MOST_AWAITED) if ours else []
            )
        if not references:
            return 0
        answer = await line.adapter.poll(cursor, references)
        await self.apply(authority, code, answer.updates)
        if answer.cursor != cursor:
            async with self._pool.acquire() as connection:
                await statuses.keep_cursor(connection, authority, code, answer.cursor)
        return len(answer.updates)


def _verdict(waiting: statuses.Waiting, mapped: State | None, update: StatusUpdate) -> str:
    if mapped is None:
        return "unmapped"
    if not _current(waiting, update) or (
        mapped is not waiting.state and not may_follow(waiting.state, mapped)
    ):
        return "ignored"
    if waiting.ringing and mapped in ENDED:
        return "held"  # a safeguarding referral ends when a person says so, not when a system does
    return "applied"


def _current(waiting: statuses.Waiting, update: StatusUpdate) -> bool:
    """Whether it tells something new of a referral that this organisation still has."""
    late = waiting.status_at is not None and update.at < waiting.status_at
    return not late and waiting.role == "lead" and waiting.referral_organisation == waiting.organisation


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
