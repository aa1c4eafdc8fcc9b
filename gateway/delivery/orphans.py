"""Nothing waits for an organisation that is gone: what its file's removal leaves behind goes to the next in line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.delivery import escalation
from gateway.store import orphans
from gateway.store.orphans import Orphan
from gateway.store.outcomes import move_on, withdraw
from gateway.store.pool import AWAY, Connection, Pool
from gateway.understanding import Understanding

log = structlog.get_logger()

LOOK: Final = 30.0
"""Seconds between looks, when no reload asks for one."""
PATIENCE: Final = timedelta(hours=1)
"""How long an organisation that this process never knew is taken for one that other processes know already."""
AT_ONCE: Final = 100


class Orphans:
    """Hands on what waits for organisations that are not in the files."""

    def __init__(
        self, pool: Pool, understanding: Understanding, clock: Clock, *, wake: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._understanding = understanding
        self._clock = clock
        self._wake = wake
        self._known = {
            (code, organisation)
            for code, authority in understanding.door.authorities.items()
            for organisation in authority.organisations
        }
        """Every organisation there has been since the start: of these, one that is missing is gone."""
        self._look = asyncio.Event()

    def look(self) -> None:
        """Look soon: the rules have changed."""
        self._look.set()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[Orphans]:
        """Look while the gateway runs."""
        task = asyncio.create_task(self._run(), name="orphans")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK)
            self._look.clear()
            try:
                while await self.hand_on():
                    pass
            except AWAY:
                log.info("deliveries to organisations that are gone wait for the database")
            except Exception:
                log.exception("handing on what waits for organisations that are gone failed")

    async def hand_on(self) -> int:
        """Hand on some of what waits for nobody; how many."""
        moved = 0
        for code, authority in self._understanding.door.authorities.items():
            self._known |= {(code, organisation) for organisation in authority.organisations}
            waited_for = await orphans.waited_for(self._pool, code)
            missing = [
                each
                for each in waited_for
                if each not in authority.organisations and not each.startswith("subscription:")
            ]
            gone = [each for each in missing if (code, each) in self._known]
            strange = [each for each in missing if (code, each) not in self._known]
            moved += await self._take(code, gone, timedelta())
            moved += await self._take(code, strange, PATIENCE)
        if moved:
            self._wake()
        return moved

    async def _take(self, authority: str, organisations: list[str], patience: timedelta) -> int:
        if not organisations:
            return 0
        async with self._pool.acquire() as connection, connection.transaction():
            since = self._clock.now() - patience
            found = await orphans.take(connection, authority, organisations, since, AT_ONCE)
            for orphan in found:
                await self._hand_on(connection, orphan)
        if found:
            log.warning(
                "the organisation is gone: its work goes on",
                authority=authority,
                organisations=organisations,
                deliveries=len(found),
            )
        return len(found)

    async def _hand_on(self, connection: Connection, orphan: Orphan) -> None:
        now = self._clock.now()
        await withdraw(connection, orphan.authority_id, orphan.delivery_id, now)
        if not orphan.holds:
            return
        held = escalation.Held(
            authority_id=orphan.authority_id,
            referral_id=orphan.referral_id,
            request_id=orphan.request_id,
            organisation=orphan.organisation,
            priority=orphan.priority,
            chain=orphan.chain,
            traceparent=orphan.traceparent,
        )
        authority = self._understanding.door.authorities[orphan.authority_id]
        why = {"because": "the organisation is not behind this door any more"}
        then = escalation.hand_on(held, authority, "undeliverable", why, now)
        await move_on(connection, orphan.authority_id, orphan.referral_id, then, now)
