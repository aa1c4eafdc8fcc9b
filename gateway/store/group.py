"""Group commit: everything that queued while the last commit ran goes into the next one, together.

No timer: a lone item is written at once, and under load the batches grow by themselves. A batch is one statement, so it
is stored whole or not at all; if it fails because of one item, each is tried alone, so that one bad row hurts nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

import asyncpg

from gateway.errors import Overloaded, StoreUnavailable
from gateway.meters import Level, Spread
from gateway.store.pool import AWAY, Connection, Pool

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    __slots__ = ("done", "item")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Held:
    """A writer's own connection, opened when it is needed and again when it was lost."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    async def connection(self) -> Connection:
        """The connection. Raises what the pool raises while the database is away."""
        if self._connection is None or _is_lost(self._connection):
            self.drop()
            fresh = await self._pool.acquire()
            # Planning one of these statements takes longer than running it, and its plan never depends on the values.
            self._connection = fresh  # ours from here, so that `drop` gives it back if the next line fails
            await fresh.execute("SET plan_cache_mode = force_generic_plan")
        return self._connection

    def drop(self) -> None:
        """Give up a connection that may be broken."""
        lost, self._connection = self._connection, None
        if lost is not None:
            with contextlib.suppress(asyncpg.InterfaceError):  # the pool has taken it back already
                lost.terminate()


def _is_lost(connection: Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back
        return True


@dataclasses.dataclass(frozen=True)
class BatchMeters:
    """What is noted of batches that were committed."""

    sizes: Spread
    seconds: Spread
    waiting: Level


class GroupCommit(Generic[Item, Result]):
    """Writes items in batches with `write`, which returns one result an item, in order.

    `apart` names what two items in one batch may not share (`None`: nothing); such an item waits for the next batch.
    """

    def __init__(
        self,
        pool: Pool,
        write: Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        batch: int,
        most_waiting: int,
        meters: BatchMeters | None = None,
        apart: Callable[[Item], Hashable | None] = lambda _: None,
    ) -> None:
        self._pool = pool
        self._write = write
        self._batch = batch
        self._most_waiting = most_waiting
        self._meters = meters
        self._apart = apart
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._wake = asyncio.Event()
        self._closing = False

    async def submit(self, item: Item) -> Result:
        """Return once the item is durable.

        Raises `Overloaded` when too many wait, `StoreUnavailable` when the database is away or the commit's outcome is
        unknown, and asyncpg's error when this very item cannot be written.
        """
        if self._closing or len(self._queue) >= self._most_waiting:
            raise Overloaded
        waiting = _Waiting[Item, Result](item)
        self._queue.append(waiting)
        if self._meters is not None:
            self._meters.waiting.set(len(self._queue))
        self._wake.set()
        return await waiting.done

    @contextlib.asynccontextmanager
    async def running(self, writers: int) -> AsyncIterator[GroupCommit[Item, Result]]:
        """Run `writers` committing tasks; on the way out, write what still waits."""
        tasks = [asyncio.create_task(self._run(), name=f"writer-{number}") for number in range(writers)]
        try:
            yield self
        finally:
            self._closing = True
            self._wake.set()
            await asyncio.gather(*tasks)

    async def _run(self) -> None:
        """Commit batch after batch, each writer on a connection of its own that keeps its prepared statement."""
        held = _Held(self._pool)
        try:
            while True:
                while not self._queue:
                    if self._closing:
                        return
                    self._wake.clear()
                    await self._wake.wait()
                if batch := self._take():
                    await self._commit_or_tell(held, batch)
        finally:
            held.drop()

    async def _commit_or_tell(self, held: _Held, batch: list[_Waiting[Item, Result]]) -> None:
        began = time.perf_counter()
        try:
            await self._commit(await held.connection(), batch)
            if self._meters is not None:
                self._meters.sizes.observe(len(batch))
                self._meters.seconds.observe(time.perf_counter() - began)
                self._meters.waiting.set(len(self._queue))
        except AWAY as error:
            held.drop()  # its state is unknown
            _outcome_unknown(batch, error)
        except asyncio.CancelledError as error:
            # Of the command, if not of us: a writer that died of it would leave everyone who comes after waiting.
            held.drop()
            _outcome_unknown(batch, error)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
        except Exception as error:  # noqa: BLE001  whatever it was, everyone who waits must hear of it
            for waiting in batch:
                waiting.fail(error)

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        seen: set[Hashable] = set()
        put_back: list[_Waiting[Item, Result]] = []
        while self._queue and len(batch) < self._batch:
            waiting = self._queue.popleft()
            if waiting.done.done():  # the caller went away before it was begun
                continue
            name = self._apart(waiting.item)
            if name is not None and name in seen:
                put_back.append(waiting)
                continue
            seen.add(name)
            batch.append(waiting)
        self._queue.extendleft(reversed(put_back))
        return batch

    async def _commit(self, connection: Connection, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            await self._settle(connection, batch)
        except AWAY:
            raise
        except asyncpg.PostgresError:
            for waiting in batch:
                await self._commit_alone(connection, waiting)

    async def _commit_alone(self, connection: Connection, waiting: _Waiting[Item, Result]) -> None:
        try:
            await self._settle(connection, [waiting])
        except asyncpg.PostgresError as error:
            if isinstance(error, AWAY):
                raise
            waiting.fail(error)

    async def _settle(self, connection: Connection, batch: list[_Waiting[Item, Result]]) -> None:
        results = await self._write(connection, [waiting.item for waiting in batch])
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.done.done():
                waiting.done.set_result(result)


def _outcome_unknown(batch: Sequence[_Waiting[Any, Any]], error: BaseException) -> None:
    for waiting in batch:
        unavailable = StoreUnavailable()
        unavailable.__cause__ = error
        waiting.fail(unavailable)
