"""Live updates: each process looks at the events table while somebody watches, and tells all who do.

Events are looked for by id, and ids begin with their time, but a transaction may commit a little after another that began
later. So each look goes back a few seconds and leaves out what was told already: nobody misses what was slow. Nothing is
signalled from inside intake, and processes need not know of each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway.errors import Overloaded, StoreUnavailable
from gateway.store import live as store
from gateway.store.live import Happening
from gateway.store.pool import AWAY
from gateway.store.search import at
from gateway.work.desk import Desk

log = structlog.get_logger()

LOOK: Final = 0.3
"""Seconds between looks."""
SLOW: Final = timedelta(seconds=10)
"""How late a transaction may commit and still be told."""
KEPT: Final = timedelta(hours=1)
"""How far back somebody who comes back is told; after longer they read their lists again."""
BUFFER: Final = 500
"""Events that wait for one who reads slowly; past them they are told to read their lists again."""
MOST_WATCHERS: Final = 2_000
AT_ONCE: Final = 1_000


class Watcher:
    """One who watches one authority."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Happening | None] = asyncio.Queue(BUFFER)
        self.lost = False
        """Whether something was left out because it was not read."""
        self.closed = False

    def tell(self, happening: Happening) -> None:
        """Without waiting: one who does not read loses, the others do not."""
        if self.lost:
            return
        if self._queue.full():
            self.lost = True
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
            return
        self._queue.put_nowait(happening)

    def close(self) -> None:
        """The process ends."""
        self.closed = True
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def next(self, timeout: float) -> Happening | None:
        """The next one; `None` if nothing happened for so long, or it lost or was closed."""
        try:
            async with asyncio.timeout(timeout):
                found = await self._queue.get()
        except TimeoutError:
            return None
        if found is None:
            self.lost, lost = False, self.lost
            if lost:
                raise Lost
        return found


class Lost(Exception):
    """Events were left out: read the lists again."""


class Live:
    """One a process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._watchers: dict[str, set[Watcher]] = {}
        self._told: dict[str, dict[UUID, None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def watch(self, authority: str) -> AsyncIterator[Watcher]:
        """Be told from now on. Raises `Overloaded`."""
        if sum(len(each) for each in self._watchers.values()) >= MOST_WATCHERS:
            raise Overloaded("too many watch already", retry_after=10)
        watcher = Watcher()
        self._watchers.setdefault(authority, set()).add(watcher)
        if authority not in self._tasks:
            self._tasks[authority] = asyncio.create_task(
                self._look_for_ever(authority), name=f"live-{authority}"
            )
        try:
            yield watcher
        finally:
            self._watchers[authority].discard(watcher)
            if not self._watchers[authority]:
                del self._watchers[authority]
                task = self._tasks.pop(authority, None)
                self._told.pop(authority, None)
                if task is not None:
                    task.cancel()

    async def missed(self, authority: str, last: UUID) -> list[Happening] | None:
        """What happened since an event, for who comes back; some may be told twice. `None`: too long ago or too much."""
        now = self._desk.clock.now()
        begin = UUID(int=max(0, last.int - (int(SLOW.total_seconds() * 1000) << 80)))
        if begin < at(now - KEPT):
            return None
        async with self._desk.view(authority) as connection:
            found = await store.since(connection, authority, begin, [last], AT_ONCE + 1)
        return None if len(found) > AT_ONCE else found

    async def close(self) -> None:
        """Let everybody go; they come back elsewhere."""
        for watchers in list(self._watchers.values()):
            for watcher in list(watchers):
                watcher.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_for_ever(self, authority: str) -> None:
        told = self._told.setdefault(authority, {})
        begin = at(self._desk.clock.now())
        while True:
            try:
                begin = await self._look(authority, begin, told)
            except (*AWAY, StoreUnavailable):
                log.info("live updates wait for the database")
            except Exception:
                log.exception("live updates failed")
            await asyncio.sleep(LOOK)

    async def _look(self, authority: str, begin: UUID, told: dict[UUID, None]) -> UUID:
        horizon = max(begin, at(self._desk.clock.now() - SLOW))
        for old in [each for each in told if each < horizon]:
            del told[old]
        async with self._desk.view(authority) as connection:
            found = await store.since(connection, authority, horizon, list(told), AT_ONCE)
        for happening in found:
            told[happening.event_id] = None
            for watcher in self._watchers.get(authority, ()):
                watcher.tell(happening)
        return begin
