"""Many conversations open at once on one process: what each costs in memory, and how soon the other side sees a message.

    python -m loadtest.chat --url http://127.0.0.1:8080 --pid 4711

Each conversation is listened to as its citizen's browser does. Then messages are sent in some of them, spread evenly,
and the time is taken from the moment each was meant to be sent until a listener has it. The front door must allow as many
from one address: FRONT_DOOR_CHAT_STARTS=100000.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import click

from loadtest.errors import LoadTestError


class Party:
    """One conversation with its listeners."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base
        self._token = ""
        self._seen: dict[str, asyncio.Future[float]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Begin and listen."""
        async with self._session.post(f"{self._base}/conversations", json={}) as answer:
            if answer.status != 201:
                raise LoadTestError(
                    f"a conversation was refused with {answer.status}: is FRONT_DOOR_CHAT_STARTS set?"
                )
            self._token = (await answer.json())["token"]
        await self.listen()

    async def listen(self) -> None:
        """One more listener; returns once the stream is open."""
        opened = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._read(opened)))
        await opened.wait()

    async def _read(self, opened: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Last-Event-ID": "1"}
        async with self._session.get(f"{self._base}/conversation/stream", headers=headers) as answer:
            opened.set()
            if answer.status != 200:
                raise LoadTestError(f"a stream was refused with {answer.status}")
            async for line in answer.content:
                if line.startswith(b"data: {") and self._seen:
                    waiting = self._seen.pop(json.loads(line[6:]).get("client_id", ""), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(time.perf_counter())

    async def say(self, number: int, meant: float) -> float:
        """Say something; seconds from when it was meant until a listener had it."""
        client_id = f"load-{number:08d}"
        seen = self._seen[client_id] = asyncio.get_running_loop().create_future()
        body = {"client_id": client_id, "text": f"hello, this is message number {number}"}
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.post(
            f"{self._base}/conversation/messages", json=body, headers=headers
        ) as answer:
            if answer.status != 201:
                raise LoadTestError(f"a message was refused with {answer.status}")
            await answer.read()
        async with asyncio.timeout(30):
            return float(await seen) - meant

    async def end(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def memory_of(pid: int) -> int:
    """Bytes of a process in main memory."""
    line = next(
        line
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        if line.startswith("VmRSS")
    )
    return int(line.split()[1]) * 1024


async def run(
    url: str, authority: str, pid: int | None, many: int, messages: int, rate: float
) -> dict[str, Any]:
    """Open, measure, talk, measure."""
    base = f"{url}/chat/v1/{authority}"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        warm = [Party(session, base) for _ in range(50)]
        for party in warm:  # so that what a process loads once is not counted
            await party.begin()
        before = memory_of(pid) if pid else 0
        parties = [Party(session, base) for _ in range(many)]
        for start in range(0, many, 50):
            await asyncio.gather(*(party.begin() for party in parties[start : start + 50]))
        await asyncio.sleep(2)
        each = (memory_of(pid) - before) / many if pid else 0
        step = max(1, many // 200)
        talking = parties[::step]
        for party in talking:
            await party.listen()
        began = time.perf_counter()
        calls = []
        for number in range(messages):
            meant = began + number / rate
            await asyncio.sleep(max(0.0, meant - time.perf_counter()))
            calls.append(asyncio.create_task(talking[number % len(talking)].say(number, meant)))
        took = sorted(await asyncio.gather(*calls))
        await asyncio.gather(*(party.end() for party in [*warm, *parties]))
    return {
        "conversations_open": many,
        "bytes_each": round(each),
        "messages": messages,
        "messages_a_second": rate,
        "seen_p50_ms": round(took[len(took) // 2] * 1000, 1),
        "seen_p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
        "seen_most_ms": round(took[-1] * 1000, 1),
    }


@click.command()
@click.option("--url", default="http://127.0.0.1:8080", show_default=True)
@click.option("--authority", default="barnet", show_default=True)
@click.option("--pid", type=int, help="The gateway's process, to measure its memory.")
@click.option("--conversations", default=2000, show_default=True)
@click.option("--messages", default=1000, show_default=True)
@click.option("--rate", default=20.0, show_default=True, help="Messages a second, over all conversations.")
def main(url: str, authority: str, pid: int | None, conversations: int, messages: int, rate: float) -> None:
    """Print the figures. Exit code 1: more than 50 kB a conversation, or the other side waits over 100 ms (p99)."""
    found = asyncio.run(run(url.rstrip("/"), authority, pid, conversations, messages, rate))
    click.echo(json.dumps(found, indent=2))
    sys.exit(0 if found["bytes_each"] <= 50_000 and found["seen_p99_ms"] <= 100 else 1)


if __name__ == "__main__":
    main()
