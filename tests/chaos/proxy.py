"""A TCP proxy that fails on demand, to stand between the gateway and a back end or its database.

    proxy = FaultProxy(("127.0.0.1", 5432))          # or the path of a Unix socket
    async with proxy.running():
        proxy.set(Fault(kind=Kind.LATENCY, seconds=0.2))
        proxy.set(Fault(kind=Kind.DOWN))
        proxy.heal()

A fault holds for connections that are open as well as for new ones, from the moment it is set until `heal`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from adapters.sandbox.tls import self_signed, server_context

_CHUNK: Final = 64 * 1024


class Kind(enum.StrEnum):
    """How a network fails."""

    NONE = "none"
    LATENCY = "latency"
    """Everything takes `seconds` longer, each way."""
    DOWN = "down"
    """Open connections are reset, new ones refused: nobody listens."""
    TIMEOUT = "timeout"
    """A black hole: connections stay open and are accepted, but no byte goes through either way."""
    RESET = "reset"
    """Connections are reset as soon as the caller sends something."""
    SLICE = "slice"
    """Bytes arrive `size` at a time."""
    TRUNCATE = "truncate"
    """The answer ends after `size` bytes, and so does the connection."""
    TLS = "tls"
    """The certificate is another one, that nobody trusts; for proxies that speak TLS."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way of failing."""

    kind: Kind = Kind.NONE
    seconds: float = 0.0
    size: int = 16


NO_FAULT: Final = Fault()


class Certificates:
    """What a proxy that speaks TLS shows: one that its callers trust, and one that they do not."""

    def __init__(self, folder: Path) -> None:
        (folder / "strange").mkdir(parents=True)
        self.trusted = self_signed(folder)
        self.strange = self_signed(folder / "strange")


class FaultProxy:
    """Passes bytes on between whoever connects and `target`: a host and port, or the path of a Unix socket.

    With `certificates` it speaks TLS with its callers, and none with the target.
    """

    def __init__(self, target: tuple[str, int] | Path, *, certificates: Certificates | None = None) -> None:
        self.target = target
        self._certificates = certificates
        self._tls = None if certificates is None else server_context(certificates.trusted)
        self.port = 0
        self.connections = 0
        """How many were ever accepted."""
        self.fault = NO_FAULT
        self._server: asyncio.Server | None = None
        self._open: set[_Pair] = set()
        self._healed = asyncio.Event()
        self._healed.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FaultProxy]:
        """Listen on a port of its own (`port`), the same one through all faults."""
        await self.start()
        try:
            yield self
        finally:
            await self.close()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and let go of every connection."""
        self._stop_listening()
        self.heal_held()
        for pair in list(self._open):
            pair.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def set(self, fault: Fault) -> None:
        """Fail so from now on."""
        was_down = self.fault.kind is Kind.DOWN
        if Kind.TLS in {fault.kind, self.fault.kind}:
            self._show(strange=fault.kind is Kind.TLS)
        self.fault = fault
        if fault.kind is Kind.TIMEOUT:
            self._healed.clear()
        else:
            self.heal_held()
        if fault.kind is Kind.DOWN:
            self._stop_listening()
            for pair in list(self._open):
                pair.reset()
        elif was_down:
            await self.start()

    async def heal(self) -> None:
        """Pass everything on again. Bytes that a black hole held back arrive now, as after a route came back."""
        await self.set(NO_FAULT)

    def heal_held(self) -> None:
        """Let held bytes go."""
        self._healed.set()

    def _show(self, *, strange: bool) -> None:
        if self._tls is not None and self._certificates is not None:
            self._tls.load_cert_chain(self._certificates.strange if strange else self._certificates.trusted)
            for pair in list(self._open):
                pair.reset()

    def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        pair = _Pair(writer)
        self._open.add(pair)
        try:
            await self._healed.wait()
            their_reader, pair.theirs = await self._connect()
            await asyncio.gather(
                self._pump(pair, reader, pair.theirs, answers=False),
                self._pump(pair, their_reader, writer, answers=True),
            )
        except (OSError, asyncio.CancelledError):
            pair.reset()
        finally:
            pair.close()
            self._open.discard(pair)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _pump(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await reader.read(_CHUNK):
            match self.fault.kind:
                case Kind.LATENCY:
                    await asyncio.sleep(self.fault.seconds)
                case Kind.TIMEOUT:
                    await self._healed.wait()
                case Kind.RESET if not answers:
                    pair.reset()
                    return
                case Kind.TRUNCATE if answers:
                    writer.write(data[: self.fault.size])
                    await writer.drain()
                    pair.close()
                    return
                case Kind.SLICE:
                    await self._slice(writer, data)
                    continue
                case _:
                    pass
            writer.write(data)
            await writer.drain()
        if not writer.is_closing() and writer.can_write_eof():
            writer.write_eof()
        elif answers:  # TLS knows no half that is closed
            pair.close()

    async def _slice(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = max(self.fault.size, 1)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)


class _Pair:
    """The two ends of one connection."""

    def __init__(self, ours: asyncio.StreamWriter) -> None:
        self.ours = ours
        self.theirs: asyncio.StreamWriter | None = None

    def reset(self) -> None:
        """End both sides with RST."""
        for writer in (self.ours, self.theirs):
            if writer is None:
                continue
            with contextlib.suppress(AttributeError):  # TLS that has ended forgets its socket
                sock = writer.get_extra_info("socket")
                if sock is not None and sock.family != socket.AF_UNIX and sock.fileno() >= 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def close(self) -> None:
        """End both sides in order."""
        for writer in (self.ours, self.theirs):
            if writer is not None:
                writer.close()
