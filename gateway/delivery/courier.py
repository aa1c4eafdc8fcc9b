"""The courier: claims due deliveries in batches and hands each to its organisation's adapter.

Each organisation has its own line with its own limits, so one that hangs or is down holds only its own slots.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final

import structlog
from msgspec.structs import replace

from adapters.base import Handover
from adapters.elapsed import elapsed
from adapters.text import plain
from gateway.clock import Clock
from gateway.delivery import escalation
from gateway.delivery.attempt import Result, attempt, due_again
from gateway.delivery.handover import build
from gateway.delivery.health import Health
from gateway.delivery.limits import backoff
from gateway.delivery.line import Line
from gateway.delivery.subscribers import Subscribers, notice
from gateway.errors import StoreUnavailable
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import DeliveryState
from gateway.store.claims import Claim, claim, release, take_back_expired
from gateway.store.group import GroupCommit
from gateway.store.outcomes import Ended, HandedOn, hand_on, write_ended
from gateway.store.pool import AWAY, Pool
from gateway.understanding import Understanding

log = structlog.get_logger()

LOOK_FOR_EXPIRED: Final = 2.0
"""Seconds between looks for leases that ran out."""


class Courier:
    """One a process. Use `running`."""

    def __init__(
        self,
        pool: Pool,
        lines: Mapping[tuple[str, str], Line],
        understanding: Understanding,
        clock: Clock,
        metrics: Metrics,
        *,
        worker: str,
        poll: float,
        callback_base: str,
        subscribers: Subscribers | None = None,
    ) -> None:
        self._subscribers = subscribers
        self._pool = pool
        self._lines = lines
        self._understanding = understanding
        self._clock = clock
        self._metrics = metrics
        self._worker = worker
        self._poll = poll
        self._callback_base = callback_base
        self._wake = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._expired_looked_at = clock.monotonic()
        self._health = Health(lines)
        self._endings = GroupCommit[Ended, bool](pool, write_ended, batch=128, most_waiting=100_000)

    def wake(self) -> None:
        """Something may be due now."""
        self._wake.set()

    @contextlib.asynccontextmanager
    async def running(self, drain: float) -> AsyncIterator[Courier]:
        """Claim and deliver; on the way out stop claiming, and give what is under way `drain` seconds to finish."""
        async with self._endings.running(2):
            loop = asyncio.create_task(self._run(), name="courier")
            try:
                yield self
            finally:
                self._stopping = True
                self.wake()
                await loop
                if self._attempts:
                    await asyncio.wait(self._attempts, timeout=drain)
                for task in self._attempts:
                    task.cancel()  # its lease runs out and the next attempt checks first
                await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            more = False
            try:
                await self.take_round()
                more = any(line.filled and line.slot() for line in self._all_lines().values())
            except (*AWAY, StoreUnavailable) as error:
                log.warning("courier waits for the database", error=type(error).__name__)
            except Exception:
                log.exception("courier round failed")
            if not more and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._poll)
            self._wake.clear()

    async def take_round(self) -> bool:
        """Claim once for every line that has room, and begin what was claimed; whether there was anything."""
        if self._clock.monotonic() - self._expired_looked_at >= LOOK_FOR_EXPIRED:
            self._expired_looked_at = self._clock.monotonic()
            if freed := await take_back_expired(self._pool, self._clock.now()):
                log.warning("leases ran out", deliveries=freed)
        lines = self._all_lines()
        slots = [slot for line in lines.values() if (slot := line.slot())]
        if not slots:
            return False
        asked = self._clock.monotonic()
        claims = await claim(self._pool, slots, self._clock.now(), self._worker)
        taken = Counter((claimed.authority_id, claimed.organisation) for claimed in claims)
        for slot in slots:
            place = slot.authority_id, slot.organisation
            lines[place].filled = taken[place] >= slot.free
        if self._stopping:
            await release(self._pool, claims, self._clock.now())
            return False
        for claimed in claims:
            line = lines[claimed.authority_id, claimed.organisation]
            line.began()
            ends = asked + line.lease.total_seconds()
            task = asyncio.create_task(self._carry(line, claimed, ends))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
        return bool(claims)

    def _all_lines(self) -> dict[tuple[str, str], Line]:
        """As they are now: a subscriber may go while the database answers."""
        return {**self._lines, **(self._subscribers.lines if self._subscribers else {})}

    async def settled(self) -> None:
        """Return once no attempt is under way."""
        while self._attempts:
            await asyncio.wait(self._attempts)

    async def _carry(self, line: Line, claimed: Claim, lease_ends: float) -> None:
        try:
            started_at, started = self._clock.now(), self._clock.monotonic()
            left = lease_ends - started
            if left <= 0:  # this process was frozen, or the database slow: it may be another's by now
                line.breaker.abandoned()
                await release(self._pool, [claimed], started_at)
                return
            handover = replace(self._handover(line, claimed), send_by=elapsed() + left)
            result = await attempt(line, claimed, handover, within=left)
            labels = (claimed.authority_id, claimed.organisation)
            self._metrics.deliveries.labels(*labels, result.outcome).inc()
            if result.fault is not None:
                self._metrics.delivery_faults.labels(*labels, result.fault).inc()
            self._metrics.attempt_seconds.labels(*labels).observe(self._clock.monotonic() - started)
            if (
                result.state is DeliveryState.DEAD
                and claimed.notice is None
                and self._health.everybody_is_down(claimed.authority_id)
            ):
                # The fault is likelier ours: nothing is shifted, everything is kept.
                result = replace(
                    result, state=DeliveryState.WAITING, wait=max(backoff(claimed.attempt), line.settles)
                )
            ended = self._ended(line, claimed, result, started_at)
            await self._write_while_leased(line, claimed, ended, result)
            if result.outcome == "accepted":
                waited = (ended.finished_at - claimed.queued_at).total_seconds()
                self._metrics.queue_wait.labels(*labels).observe(waited)
            log.info(
                "delivery attempted",
                reference=claimed.reference,
                trace_id=claimed.traceparent[3:35],
                authority=claimed.authority_id,
                organisation=claimed.organisation,
                attempt=claimed.attempt,
                outcome=result.outcome,
                state=result.state.value,
                detail=result.detail,
            )
        except (*AWAY, StoreUnavailable):
            # The lease runs out, and the next attempt checks first.
            log.warning("an ending could not be written", reference=claimed.reference)
        except Exception:
            line.breaker.abandoned()
            log.exception("delivery failed", reference=claimed.reference)
        finally:
            line.ended()
            if line.filled:  # else nothing more was due, and whatever comes wakes us itself
                self.wake()

    def _handover(self, line: Line, claimed: Claim) -> Handover:
        if claimed.notice is not None:
            return notice(claimed)
        callback = f"{self._callback_base}/callbacks/{claimed.authority_id}/{claimed.organisation}"
        return build(claimed, line.organisation, self._understanding.door.catalogue, callback)

    def _ended(self, line: Line, claimed: Claim, result: Result, started_at: datetime) -> Ended:
        now = self._clock.now()
        acknowledge_by = None
        if (
            result.state is DeliveryState.DELIVERED
            and claimed.role == "lead"
            and line.waits_for_acknowledgement
        ):
            hours = self._understanding.door.authorities[claimed.authority_id].hours_of(claimed.organisation)
            acknowledge_by = line.organisation.acknowledge.due(now, hours)
        receipt = (
            result.receipt if claimed.notice is None else None
        )  # a subscriber has no reference of its own
        return Ended(
            claim=claimed,
            started_at=started_at,
            finished_at=now,
            outcome=result.outcome,
            status=result.status,
            detail=plain(result.detail, 500),
            state=result.state,
            due_at=due_again(result, now),
            check_first=result.check_first,
            external_reference=plain(receipt.external_reference, 500) if receipt else None,
            external_status=plain(receipt.status, 500) if receipt and receipt.status else None,
            event_id=uuid7(now),
            acknowledge_by=acknowledge_by,
        )

    async def _write_while_leased(self, line: Line, claimed: Claim, ended: Ended, result: Result) -> None:
        """Write an ending, trying again while the database is away: what we know must not be forgotten with the lease."""
        give_up = self._clock.monotonic() + line.lease.total_seconds()
        while True:
            try:
                return await self._write(claimed, ended, result)
            except (*AWAY, StoreUnavailable):
                if self._stopping or self._clock.monotonic() >= give_up:
                    raise
                await asyncio.sleep(self._poll)

    async def _write(self, claimed: Claim, ended: Ended, result: Result) -> None:
        if result.state in {DeliveryState.DELIVERED, DeliveryState.WAITING}:
            ours = await self._endings.submit(ended)
        else:
            if claimed.notice is not None and result.outcome == "refused" and self._subscribers is not None:
                await self._subscribers.gone(claimed)
            ours = await hand_on(self._pool, ended, result.state, self._next(claimed, ended))
            self.wake()  # the next in the chain is due at once
        if not ours:
            log.warning("a claim was no longer ours", reference=claimed.reference, fence=claimed.fence)

    def _next(self, claimed: Claim, ended: Ended) -> HandedOn | None:
        if claimed.role != "lead" or claimed.referral_id is None or claimed.request_id is None:
            return None
        held = escalation.Held(
            authority_id=claimed.authority_id,
            referral_id=claimed.referral_id,
            request_id=claimed.request_id,
            organisation=claimed.organisation,
            priority=claimed.priority,
            chain=claimed.chain,
            traceparent=claimed.traceparent,
        )
        why = {"because": ended.detail, "attempts": claimed.attempt}
        authority = self._understanding.door.authorities[claimed.authority_id]
        match ended.state:
            case DeliveryState.UNCERTAIN:
                return escalation.await_person(held, why, ended.finished_at)
            case DeliveryState.REFUSED:
                return escalation.hand_on(held, authority, "rejected", why, ended.finished_at)
            case _:
                return escalation.hand_on(held, authority, "undeliverable", why, ended.finished_at)
