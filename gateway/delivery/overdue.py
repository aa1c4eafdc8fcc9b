"""What an organisation did not take up within its acknowledgement time: the council does not leave it there.

Two ways of not taking it up: it was handed over and nobody there said that they had begun, or it could not even be
handed over in all that time, behind a breaker that stays open or in a queue that is too long.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Final

import structlog

from gateway.background import Words, repeating
from gateway.clock import Clock
from gateway.delivery import escalation
from gateway.delivery.health import Health
from gateway.delivery.line import Line
from gateway.store import orphans, overdue
from gateway.store.outcomes import move_on, withdraw
from gateway.store.pool import Connection, Pool
from gateway.understanding import Understanding

log = structlog.get_logger()

LOOK: Final = 5.0
"""Seconds between looks for what was not acknowledged."""
LOOK_FOR_UNTAKEN: Final = 30.0
"""Seconds between looks through what waits: acknowledgement times are hours, and a queue may be long."""
AFTER_ALL_WERE_DOWN: Final = 600.0
"""Seconds in which organisations come back one by one, each in its breaker's time: nothing is taken from them."""
AT_ONCE: Final = 100


class Overdue:
    """Hands on what its organisation did not acknowledge in time."""

    def __init__(
        self,
        pool: Pool,
        lines: Mapping[tuple[str, str], Line],
        understanding: Understanding,
        clock: Clock,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._lines = lines
        self._understanding = understanding
        self._clock = clock
        self._health = Health(lines)
        self._wake = wake
        self._all_were_down: dict[str, float] = {}
        """By authority, when that was last seen."""

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[Overdue]:
        """Look while the gateway runs."""
        words = Words(
            "overdue deliveries wait for the database",
            "handing on overdue deliveries failed",
            urgent=True,
        )
        async with (
            repeating(self.hand_on_due, LOOK, name="overdue", words=words),
            repeating(self.hand_on_untaken, LOOK_FOR_UNTAKEN, name="untaken", words=words, at_once=False),
        ):
            yield self

    async def hand_on_due(self) -> int:
        """Hand on every delivery past its acknowledgement time; how many. None while everybody is down."""
        now = self._clock.now()
        moved = 0
        authorities = self._understanding.door.authorities
        awake = [code for code in authorities if not self._health.everybody_is_down(code)]
        async with self._pool.acquire() as connection, connection.transaction():
            for late in await overdue.due(connection, awake, now, AT_ONCE):
                authority = authorities[late.authority_id]
                held = escalation.Held(
                    authority_id=late.authority_id,
                    referral_id=late.referral_id,
                    request_id=late.request_id,
                    organisation=late.organisation,
                    priority=late.priority,
                    chain=late.chain,
                    traceparent=late.traceparent,
                )
                why = {"because": f"not acknowledged by {late.acknowledge_by:%Y-%m-%d %H:%M} UTC"}
                then = escalation.hand_on(held, authority, "not_acknowledged", why, now)
                await move_on(connection, late.authority_id, late.referral_id, then, now)
                await overdue.no_longer_waited_for(connection, late)
                moved += 1
        if moved:
            self._wake()
        return moved

    async def hand_on_untaken(self) -> int:
        """Hand on every lead that could not be handed over within the acknowledgement time; how many.

        None while everybody is down or only coming back: the fault was likelier ours then.
        """
        moved = 0
        now = self._clock.now()
        for code, authority in self._understanding.door.authorities.items():
            if self._nobody_answers(code):
                continue
            for organisation in await orphans.waited_for(self._pool, code):
                line = self._lines.get((code, organisation))
                if line is None or not line.waits_for_acknowledgement:
                    continue
                since = line.organisation.acknowledge.passed_since(now, authority.hours_of(organisation))
                while count := await self._hand_on_untaken(line, since, now):
                    moved += count
        if moved:
            self._wake()
        return moved

    def _nobody_answers(self, authority: str) -> bool:
        """Whether everybody is down, or was a moment ago."""
        now = self._clock.monotonic()
        if self._health.everybody_is_down(authority):
            self._all_were_down[authority] = now
        return now - self._all_were_down.get(authority, -AFTER_ALL_WERE_DOWN) < AFTER_ALL_WERE_DOWN

    async def _hand_on_untaken(self, line: Line, since: datetime, now: datetime) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            found = await overdue.untaken(connection, line.authority, line.organisation.code, since, AT_ONCE)
            for late in found:
                await self._move(connection, late, now)
        if found:
            log.warning(
                "not taken in time: it goes on",
                authority=line.authority,
                organisation=line.organisation.code,
                deliveries=len(found),
            )
        return len(found)

    async def _move(self, connection: Connection, late: overdue.Untaken, now: datetime) -> None:
        held = escalation.Held(
            authority_id=late.authority_id,
            referral_id=late.referral_id,
            request_id=late.request_id,
            organisation=late.organisation,
            priority=late.priority,
            chain=late.chain,
            traceparent=late.traceparent,
        )
        because = f"it could not be handed over since {late.since:%Y-%m-%d %H:%M} UTC"
        if late.check_first:
            because += "; an earlier attempt may have arrived"
        authority = self._understanding.door.authorities[late.authority_id]
        then = escalation.hand_on(held, authority, "undeliverable", {"because": because}, now)
        await withdraw(connection, late.authority_id, late.delivery_id, now)
        await move_on(connection, late.authority_id, late.referral_id, then, now)
