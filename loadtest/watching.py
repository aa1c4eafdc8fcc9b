"""What the gateway says of itself while a load runs: its queue, second by second, from its metrics page."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from loadtest.results import QueuePoint

_SAMPLE: Final = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$")
_EVERY: Final = 1.0
_WAITING: Final = "front_door_deliveries_waiting"
_ATTEMPTS: Final = "front_door_delivery_attempts_total"


def total(page: str, name: str, **labels: str) -> float:
    """The sum of a metric over all its label sets that have these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = (_SAMPLE.match(line) for line in page.splitlines() if line.startswith(name))
    return sum(
        float(each["value"])
        for each in found
        if each and each["name"] == name and all(pair in (each["labels"] or "") for pair in wanted)
    )


class Watch:
    """Reads `/metrics` once a second."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.points: list[QueuePoint] = []
        self._session = session
        self._url = f"{url}/metrics"
        self._before = 0.0

    async def read(self) -> str | None:
        """The page, or nothing if it cannot be had now."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.get(self._url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                if answer.status == 200:
                    return await answer.text()
        return None

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[bool]:
        """Read until left; false, and nothing is read, where the target has no such page."""
        page = await self.read()
        if page is None or _WAITING not in page:
            yield False
            return
        self._before = total(page, _ATTEMPTS, outcome="accepted")
        task = asyncio.create_task(self._run(time.monotonic()))
        try:
            yield True
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def drained(self, within: float) -> float | None:
        """Seconds until two readings in a row say that nothing waits; nothing if that takes longer than `within`."""
        began, seen = time.monotonic(), len(self.points)
        while time.monotonic() - began < within + 2 * _EVERY:
            await asyncio.sleep(_EVERY / 4)
            fresh = self.points[seen:]
            for before, after in itertools.pairwise(fresh):
                if before.waiting == after.waiting == 0:
                    return max(time.monotonic() - began - 2 * _EVERY, 0.0)
        return None

    async def _run(self, began: float) -> None:
        while True:
            page = await self.read()
            if page is not None:
                self.points.append(
                    QueuePoint(
                        at=time.monotonic() - began,
                        waiting=total(page, _WAITING),
                        delivered=total(page, _ATTEMPTS, outcome="accepted") - self._before,
                    )
                )
            await asyncio.sleep(_EVERY)
