"""Processes under test, started by their command lines and ended by us."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from loadtest.errors import ProductError

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PRCTL: Final = ctypes.CDLL(None).prctl
_SET_DEATH_SIGNAL: Final = 1
_QUIET: Final = 0.15
"""Seconds of processor time a second that a server may use while nobody asks anything."""


class Child:
    """A running `python -m …`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def cpu(self) -> float:
        """Seconds of processor time it used so far, without its children."""
        return _stat(self.pid)[2]

    @property
    def database(self) -> int | None:
        """The process id of the PostgreSQL it started, if it did."""
        found = (
            own
            for name, parent, _, own in map(_known, _processes())
            if (name, parent) == ("postgres", self.pid)
        )
        return next(found, None)

    async def first_line(self, within: float = 60.0) -> str:
        """What it says once it is ready. Raises `ProductError`."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within):
                line = await asyncio.to_thread(self._process.stdout.readline)
        except TimeoutError:
            line = b""
        if not line:
            raise ProductError(f"{self.log.stem} did not start: {last_line(self.log)}")
        return line.decode().strip()

    async def stop(self, within: float = 40.0) -> None:
        """Let it end in order; if it does not, end it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _end_with_us() -> None:
    """Have the kernel end it (SIGTERM) if we die without doing so ourselves."""
    _PRCTL(_SET_DEATH_SIGNAL, signal.SIGTERM)


def family_cpu(pid: int) -> float:
    """Seconds of processor time of a process and its children that still run: PostgreSQL with all its connections."""
    return sum(cpu for name, parent, cpu, own in map(_known, _processes()) if pid in {parent, own} and name)


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _known(pid: int) -> tuple[str, int, float, int]:
    try:
        return (*_stat(pid), pid)
    except OSError:  # it ended meanwhile
        return "", 0, 0.0, pid


def _stat(pid: int) -> tuple[str, int, float]:
    """Name, parent and seconds of processor time."""
    name, _, rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.asynccontextmanager
async def running(
    name: str, *command: str, folder: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """`python -m command` until left; what it says on standard error is in `folder/name.log`."""
    log = folder / f"{name}.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603, ASYNC220  our own commands; it only forks
            [sys.executable, "-m", *command],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            preexec_fn=_end_with_us,  # noqa: PLW1509  nothing but a system call
        )
    child = Child(process, log)
    try:
        yield child
    finally:
        await child.stop()


async def output(*command: str, environ: Mapping[str, str] | None = None, within: float = 240.0) -> str:
    """What `python -m command` prints. Raises `ProductError` with its last words if it fails."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", *command],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=within,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise ProductError(f"`python -m {' '.join(command)}` failed: {words[-1] if words else 'no word'}")
    return done.stdout.decode()


async def until_ready(child: Child, url: str, within: float = 120.0) -> None:
    """Return once `/readyz` says so. Raises `ProductError`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    async with aiohttp.ClientSession() as session:
        while loop.time() < deadline and not child.ended:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
    raise ProductError(f"{child.log.stem} did not become ready: {last_line(child.log)}")


async def until_quiet(child: Child, within: float = 120.0) -> None:
    """Return once it has little to do of its own accord: what a server does at its start is not its usual work.

    Raises `ProductError` if it never rests.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while loop.time() < deadline:
        before = child.cpu()
        await asyncio.sleep(1.0)
        if child.cpu() - before < _QUIET:
            return
    raise ProductError(f"{child.log.stem} never rests: it used more than {_QUIET:.0%} of a core all the time")


def last_line(log: Path) -> str:
    """Its last words."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "no word in its log"


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])
