"""Chains what happened, in the background: nobody who writes waits for it, and no two do it at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from msgspec.structs import replace

from gateway.audit.chain import FIRST, SOURCES, Batch, Head, Source, next_batch, row_id, sign
from gateway.background import Words, repeating
from gateway.clock import Clock
from gateway.metrics import Metrics
from gateway.store import chain
from gateway.store.pool import Connection, Pool

log = structlog.get_logger()

LOOK: Final = 5.0
SETTLE: Final = timedelta(seconds=90)
"""How old a row must be. Ids are made before the commit: older than a command may take, none is still to come in between."""
AT_ONCE: Final = 256
"""Rows in a batch: hashing them holds the event loop for about 3 ms."""
SWEEP: Final = 3600.0
"""Seconds between looks for rows that came later than they should have."""
SWEEP_BACK: Final = timedelta(days=2)


class Chainer:
    """One a process; they take turns."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        metrics: Metrics,
        authorities: Callable[[], Iterable[str]],
        *,
        key: bytes | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._authorities = authorities
        self._key = key
        self._swept_at = -SWEEP

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Chainer]:
        """Chain while the gateway runs."""
        async with repeating(
            self._look,
            LOOK,
            name="audit-chain",
            words=Words("the audit chain waits for the database", "chaining the audit failed"),
        ):
            yield self

    async def _look(self) -> None:
        await self.chain()
        for authority in self._authorities():
            self._metrics.audit_complete_at.labels(authority).set(self._clock.now().timestamp())
        if self._clock.monotonic() - self._swept_at >= SWEEP:
            self._swept_at = self._clock.monotonic()
            await self.sweep()

    async def chain(self) -> int:
        """Chain all that has settled; how many rows."""
        chained = 0
        for authority in self._authorities():
            for source in SOURCES:
                while count := await self._step(authority, source, late=False):
                    chained += count
                    if count < AT_ONCE:
                        break
        return chained

    async def sweep(self) -> int:
        """Chain what came later than the chain had gone, by a clock that was wrong or a commit that hung; how many rows."""
        chained = 0
        for authority in self._authorities():
            for source in SOURCES:
                if count := await self._step(authority, source, late=True):
                    chained += count
                    log.warning("late rows chained", authority=authority, source=source, rows=count)
        return chained

    async def _step(self, authority: str, source: Source, *, late: bool) -> int:
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            if not await chain.take_turn(connection, authority):
                return 0
            head = await chain.head(connection, authority) or _before_the_first(authority, now)
            settled = UUID(head.settled.get(source, str(UUID(int=0))))
            if late:
                rows = await chain.left_out(connection, authority, source, now - SWEEP_BACK, settled, AT_ONCE)
            else:
                before = chain.id_at(now - SETTLE)
                rows = await chain.waiting(connection, authority, source, settled, before, AT_ONCE)
            if not rows:
                return 0
            batch = next_batch(authority, head.number + 1, head.hash, source, rows, now)
            if not late:
                settled = row_id(source, rows[-1])
            head = replace(
                head,
                number=batch.number,
                entries=head.entries + len(rows),
                hash=batch.hash,
                at=now,
                settled={**head.settled, source: str(settled)},
            )
            await self._append(connection, batch, head)
        self._metrics.audit_entries.labels(authority).set(head.entries)
        self._metrics.audit_chained_at.labels(authority).set(now.timestamp())
        return len(rows)

    async def _append(self, connection: Connection, batch: Batch, head: Head) -> None:
        signature = sign(self._key, head.authority_id, head.number, head.entries, head.hash)
        await chain.append(connection, batch, replace(head, signature=signature))


def _before_the_first(authority: str, now: datetime) -> Head:
    return Head(
        authority_id=authority,
        number=0,
        entries=0,
        hash=FIRST,
        at=now,
        settled={},
        signature=None,
    )
