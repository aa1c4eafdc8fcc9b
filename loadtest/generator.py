"""The generator: sends each request when it is meant to start, and measures from then, not from when it could be sent.

A server that stalls holds up what comes after. A client that waits for its answer before it sends the next one would
measure one slow request; the citizens behind it would all have waited. Here they are all counted (no coordinated omission).

Bounded: in connections, in requests that wait for one, and in the time any request may take.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from loadtest.connection import Connection
from loadtest.errors import TargetError
from loadtest.tally import Tally

_TICK: Final = 0.001
"""Seconds: the event loop's timers are no finer, and a finer wait would be a busy one."""
_SWEEP: Final = 0.05
"""Seconds between looks for requests that took too long."""
_MOST_IDLE: Final = 10.0
"""Seconds a connection is kept for nothing. Servers close theirs later, so that no request meets one that is closing."""
_MOST_WAITING: Final = 100_000
"""Requests that may wait for a connection; past it they count as unsent."""


class Requests(Protocol):
    """Where the requests come from."""

    def next(self) -> tuple[int, bytes]:
        """The number of the key it is sent with, and the whole request."""
        ...


class Target(msgspec.Struct, frozen=True):
    """Where to send."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Target:
        """Read `http://host:port`. Raises `TargetError`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            host, port = None, 0
        if parts.scheme != "http" or host is None:
            raise TargetError(f"{url!r} is no address such as http://127.0.0.1:8080")
        return cls(host, port)


class _Ticket:
    """A request that is meant to be under way."""

    __slots__ = ("due", "intended", "key", "request", "timed_out")

    def __init__(self, intended: float, due: float, key: int, request: bytes) -> None:
        self.intended = intended
        """Seconds since the start of the run."""
        self.due = due
        """The same, by the process's clock."""
        self.key = key
        self.request = request
        self.timed_out = False


class Generator:
    """Runs one load against one target. Use once."""

    def __init__(
        self,
        target: Target,
        requests: Requests,
        *,
        connections: int,
        timeout: float,
        keys: int = 1,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        self.tally = Tally(keys)
        self._target = target
        self._requests = requests
        self._most_connections = connections
        self._most_waiting = most_waiting
        self._timeout = timeout
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Ticket] = deque()
        self._idle = asyncio.Event()
        self._refill_until = 0.0
        self._began = 0.0
        self.most_open = 0
        """The most connections that were open at once."""

    async def open_loop(self, starts: Iterator[float]) -> Tally:
        """Send a request at each of `starts` (seconds from now, rising); return when all are answered or given up."""
        self._began = time.perf_counter()
        sweeper = asyncio.create_task(self._sweep())
        try:
            due = next(starts, None)
            while due is not None:
                now = time.perf_counter() - self._began
                while due is not None and due <= now:
                    self._start(due, now)
                    due = next(starts, None)
                if due is not None:
                    await asyncio.sleep(max(due - (time.perf_counter() - self._began), _TICK))
            await self._finish()
        finally:
            await self._close(sweeper)
        return self.tally

    async def closed_loop(self, seconds: float) -> Tally:
        """Keep every connection busy for so long: the most the target takes. The latency is no citizen's latency then."""
        self._began = time.perf_counter()
        self._refill_until = self._began + seconds
        sweeper = asyncio.create_task(self._sweep())
        try:
            for _ in range(self._most_connections):
                self._start_now()
            await asyncio.sleep(seconds)
            await self._finish()
        finally:
            await self._close(sweeper)
        return self.tally

    def _start_now(self) -> None:
        now = time.perf_counter() - self._began
        self._start(now, now)

    def _start(self, intended: float, now: float) -> None:
        key, request = self._requests.next()
        ticket = _Ticket(intended, self._began + intended, key, request)
        self.tally.offered += 1
        self.tally.timeline.offered(intended)
        if self._free:
            self.tally.lateness.record(now - intended)
            self._send(self._free.pop(), ticket)
            return
        if len(self._waiting) >= self._most_waiting:
            self.tally.gave_up(intended, now - intended, "unsent")
            return
        self._waiting.append(ticket)
        if len(self._all) + len(self._opening) < self._most_connections:
            self._open()

    def _send(self, connection: Connection, ticket: _Ticket) -> None:
        connection.ticket = ticket
        self._busy.add(connection)
        connection.send(ticket.request)

    def _open(self) -> None:
        task = asyncio.create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._on_answer, self._on_lost), self._target.host, self._target.port
                )
        except (OSError, TimeoutError):
            # One that waits pays for it; the others may still be served by the connections there are.
            if self._waiting:
                self._give_up(self._waiting.popleft(), "refused")
            self._check_idle()
            return
        if not connection.alive:  # closed again before we heard that it was open
            if self._waiting:
                self._give_up(self._waiting.popleft(), "lost")
            self._check_idle()
            return
        self._all.add(connection)
        self.most_open = max(self.most_open, len(self._all))
        self._use(connection)

    def _use(self, connection: Connection) -> None:
        """Give a connection that has nothing to do the next request, if one waits."""
        if not connection.alive:
            return
        if self._waiting:
            self._send(connection, self._waiting.popleft())
            return
        connection.idle_since = time.perf_counter()
        self._free.append(connection)
        if time.perf_counter() < self._refill_until:
            self._start_now()
        else:
            self._check_idle()

    def _on_answer(self, connection: Connection, status: int, sheds: bool, body: bytes) -> None:  # noqa: FBT001
        ticket = connection.ticket
        if not isinstance(ticket, _Ticket):
            connection.close()  # an answer to nothing
            return
        connection.ticket = None
        self._busy.discard(connection)
        latency = time.perf_counter() - ticket.due
        self.tally.answered(ticket.key, ticket.intended, latency, status, sheds=sheds, body=body)
        self._use(connection)

    def _on_lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._busy.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        ticket, connection.ticket = connection.ticket, None
        if isinstance(ticket, _Ticket):
            self._give_up(ticket, "timeout" if ticket.timed_out else "lost")
        if self._waiting or time.perf_counter() < self._refill_until:
            if not self._waiting:
                self._start_now()
            elif len(self._all) + len(self._opening) < self._most_connections:
                self._open()
        self._check_idle()

    def _give_up(self, ticket: _Ticket, why: str) -> None:
        self.tally.gave_up(ticket.intended, time.perf_counter() - ticket.due, why)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = time.perf_counter()
            late = now - self._timeout
            for connection in [each for each in self._free if each.idle_since < now - _MOST_IDLE]:
                connection.close()
            while self._waiting and self._waiting[0].due < late:
                self._give_up(self._waiting.popleft(), "timeout")
            for connection in [each for each in self._busy if self._is_late(each, late)]:
                connection.close()
            self._check_idle()

    def _is_late(self, connection: Connection, late: float) -> bool:
        ticket = connection.ticket
        if isinstance(ticket, _Ticket) and ticket.due < late:
            ticket.timed_out = True
        return isinstance(ticket, _Ticket) and ticket.timed_out

    def _check_idle(self) -> None:
        if not self._waiting and not self._busy:
            self._idle.set()

    async def _finish(self) -> None:
        """Wait for what is under way; the sweeper ends what takes too long."""
        self._idle.clear()
        self._check_idle()
        await self._idle.wait()

    async def _close(self, sweeper: asyncio.Task[None]) -> None:
        sweeper.cancel()
        for task in self._opening:
            task.cancel()
        for connection in list(self._all):
            connection.close()
        await asyncio.gather(sweeper, *self._opening, return_exceptions=True)
        while self._all:  # noqa: ASYNC110  the transports say so themselves, one turn of the loop later
            await asyncio.sleep(0)
