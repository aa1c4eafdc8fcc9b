"""Status messages of a stand-in back end to the front door: in order for each case, until they arrive."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import aiohttp
import msgspec

TRIES: Final = 60
PAUSE_MOST: Final = 10.0
"""Seconds between tries at most: a front door that was killed and restarted still hears what it missed."""


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """One message to the front door."""

    url: str
    body: bytes
    headers: Mapping[str, str] = {}
    sign: Callable[[bytes], Mapping[str, str]] | None = None
    """Makes more headers of the body, anew for each try: a signature may be good for minutes only."""


class CallbackSender:
    """Sends callbacks, one case's in their order, several cases at once."""

    def __init__(self, *, pause: float = 0.2, tries: int = TRIES, at_once: int = 16) -> None:
        self._pause = pause
        self._tries = tries
        self._slots = asyncio.Semaphore(at_once)
        self._queues: dict[str, deque[Callback]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.given_up = 0
        """Messages that were never accepted."""

    def send(self, case: str, callback: Callback) -> None:
        """Queue a message behind the ones already queued for the same case."""
        queue = self._queues.get(case)
        if queue is not None:
            queue.append(callback)
            return
        self._queues[case] = deque([callback])
        task = asyncio.create_task(self._drain(case))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Wait until everything queued was accepted or given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Give up whatever is left and let go of connections."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _drain(self, case: str) -> None:
        queue = self._queues[case]
        try:
            while queue:
                await self._deliver(queue[0])
                queue.popleft()
        finally:
            del self._queues[case]

    async def _deliver(self, callback: Callback) -> None:
        pause = self._pause
        for _ in range(self._tries):
            async with self._slots:
                if await self._post(callback):
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_MOST)
        self.given_up += 1

    async def _post(self, callback: Callback) -> bool:
        """Say whether trying again is pointless: it was accepted, or understood and turned down for good."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        signed = callback.sign(callback.body) if callback.sign is not None else {}
        headers = {**callback.headers, **signed}
        try:
            async with self._session.post(
                callback.url, data=callback.body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return False
        if answer.status < 300:
            return True
        if 400 <= answer.status < 500 and answer.status not in (404, 408, 425, 429):
            self.given_up += 1
            return True
        return False
