"""What is made from each new request right after it was stored: it becomes findable, and its clocks begin.

Off the way of intake, which only notes that a request is new: nobody who calls waits for it, and a process that dies in
between leaves the note to the next one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway.background import Words, repeating
from gateway.model import ENDED
from gateway.store import clocks as clock_store
from gateway.store import search
from gateway.store.scope import scoped
from gateway.work import clocks
from gateway.work.desk import Desk
from gateway.work.words import keys_of

log = structlog.get_logger()

LOOK: Final = 0.5
"""Seconds between looks for what is new."""
SHOW: Final = 10.0
"""Seconds between counts of what is due."""
AT_ONCE: Final = 200
SOON: Final = timedelta(hours=1)


class Keeper:
    """One a process; several share the work."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[Keeper]:
        """Look while the gateway runs."""
        words = Words("search and clocks wait for the database", "search and clocks are behind")
        async with (
            repeating(self.catch_up, LOOK, name="keeper", words=words),
            repeating(self.show, SHOW, name="clocks", words=words),
        ):
            yield self

    async def catch_up(self) -> int:
        """Take in everything that is new; how many requests."""
        taken = 0
        for authority in list(self._desk.understanding.door.authorities):
            while count := await self._take(authority):
                taken += count
                if count < AT_ONCE:
                    break
        return taken

    async def _take(self, authority: str) -> int:
        desk = self._desk
        async with scoped(desk.pool, authority) as connection:
            fresh = await search.take_fresh(connection, authority, AT_ONCE)
            if not fresh:
                return 0
            keys = [(each.request_id, keys_of(each.text, each.citizen, each.postcode)) for each in fresh]
            await search.keep(connection, authority, keys)
            place = desk.authority(authority)
            for each in fresh:
                for referral in each.referrals:
                    if referral["state"] not in ENDED:
                        await clocks.begin(
                            connection,
                            place,
                            UUID(referral["referral_id"]),
                            each.request_id,
                            referral["service"],
                            each.created_at,
                        )
        return len(fresh)

    async def show(self) -> None:
        """Bring the gauges of what is due up to date."""
        desk, now = self._desk, self._desk.clock.now()
        for authority in list(desk.understanding.door.authorities):
            async with scoped(desk.pool, authority, snapshot=True) as connection:
                found = await clock_store.standing(connection, authority, now, now + SOON)
            for standing in ("running", "soon", "breached"):
                desk.metrics.clocks.labels(authority, standing).set(getattr(found, standing))
