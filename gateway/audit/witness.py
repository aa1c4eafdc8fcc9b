"""Writes down who saw a citizen's details, before they are shown."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from gateway.callers import Caller
from gateway.clock import Clock
from gateway.store.audit import Entry, record
from gateway.store.group import GroupCommit
from gateway.store.pool import Connection, Pool


class Witness:
    """One a process. What several see at the same time is one commit, so that looking stays cheap."""

    def __init__(self, pool: Pool, clock: Clock, *, batch: int = 256, most_waiting: int = 4096) -> None:
        self._clock = clock
        self._group = GroupCommit[Entry, None](pool, _write, batch=batch, most_waiting=most_waiting)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Witness]:
        """Write in the background; on the way out, what still waits."""
        async with self._group.running(1):
            yield self

    async def saw(
        self,
        caller: Caller,
        action: str,
        *,
        request_id: UUID | None = None,
        fields: Sequence[str] = (),
        detail: dict[str, Any] | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Return once it is durable: call it before the answer leaves.

        `fields` are the names of what was shown; `detail` holds ids and codes. Raises `StoreUnavailable` and `Overloaded`:
        then nothing may be shown.
        """
        await self._group.submit(
            Entry.of(
                caller,
                action,
                self._clock.now(),
                request_id=request_id,
                fields=fields,
                detail=detail,
                trace_id=trace_id,
            )
        )


async def _write(connection: Connection, batch: Sequence[Entry]) -> list[None]:
    await record(connection, batch)
    return [None] * len(batch)
