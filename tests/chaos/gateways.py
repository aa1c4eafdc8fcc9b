"""A gateway as a real process, to be killed, frozen and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from gateway import postgres_cluster

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 150.0
"""Seconds to wait for what must come. A quiet machine needs two or three; giving up soon would only tell of a busy one."""


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Gateway:
    """`python -m tests.chaos.serving serve` on one port for all its lives."""

    def __init__(
        self, environ: Mapping[str, str], log: Path, *, command: tuple[str, ...] = ("tests.chaos.serving",)
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environ = {**os.environ, **environ, "FRONT_DOOR_PORT": str(self.port)}
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id. Raises `RuntimeError` when there is none."""
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process.pid

    async def start(self, within: float = PATIENCE) -> float:
        """Start it and wait until it is ready; the seconds that took."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            # Forked from this thread: the kernel ends the child when the thread that started it ends.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", *self._command, "serve"],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=postgres_cluster.die_with_parent,  # noqa: PLW1509
            )
        await self.ready(within)
        return time.monotonic() - began

    async def ready(self, within: float = PATIENCE) -> None:
        """Return once it answers that it is ready."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session,
            asyncio.timeout(within),
        ):
            while not await self._is_ready(session):
                if self._process is not None and self._process.poll() is not None:
                    raise AssertionError(f"the gateway ended: {self.last_words()}")
                await asyncio.sleep(0.05)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])

    async def kill(self) -> None:
        """`kill -9`."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """An orderly end."""
        self.thaw()
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """As when a virtual machine is paused: it does not run, and does not know it."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)

    async def again(self, **settings: object) -> None:
        """`kill -9`, and start with other settings."""
        await self.kill()
        self._environ |= {f"FRONT_DOOR_{name.upper()}": str(value) for name, value in settings.items()}
        await self.start()

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            await asyncio.to_thread(process.wait, 40)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
