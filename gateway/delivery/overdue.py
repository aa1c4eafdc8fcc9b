"""Deliveries that were taken but never acknowledged in working time: the council does not leave them there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from gateway.background import Words, repeating
from gateway.clock import Clock
from gateway.delivery import escalation
from gateway.delivery.health import Health
from gateway.store import overdue
from gateway.store.outcomes import move_on
from gateway.store.pool import Pool
from gateway.understanding import Understanding

log = structlog.get_logger()

LOOK: Final = 5.0


class Overdue:
    """Hands on what its organisation did not acknowledge in time."""

    def __init__(
        self,
        pool: Pool,
        understanding: Understanding,
        clock: Clock,
        health: Health,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._understanding = understanding
        self._clock = clock
        self._health = health
        self._wake = wake

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[Overdue]:
        """Look while the gateway runs."""
        async with repeating(
            self.hand_on_due,
            LOOK,
            name="overdue",
            words=Words(
                "overdue deliveries wait for the database",
                "handing on overdue deliveries failed",
                urgent=True,
            ),
        ):
            yield self

    async def hand_on_due(self) -> int:
        """Hand on every delivery past its acknowledgement time; how many. None while everybody is down."""
        now = self._clock.now()
        moved = 0
        authorities = self._understanding.door.authorities
        awake = [code for code in authorities if not self._health.everybody_is_down(code)]
        async with self._pool.acquire() as connection, connection.transaction():
            for late in await overdue.due(connection, awake, now, 100):
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
