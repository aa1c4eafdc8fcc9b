"""A far end that answers whatever a test wants, over a real socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakeServer:
    """Where it listens and what arrived."""

    url: str = ""
    requests: list[Seen] = field(default_factory=list)


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Callable[[], web.Response]:
    """Say what to answer: bytes as they are, anything else as JSON."""
    if isinstance(body, bytes):
        return lambda: web.Response(status=status, body=body, headers=headers)
    raw = msgspec.json.encode(body)
    return lambda: web.Response(status=status, body=raw, headers=headers, content_type="application/json")


@contextlib.asynccontextmanager
async def serve(reply: Callable[[Seen], web.Response]) -> AsyncIterator[FakeServer]:
    """Listen on loopback and answer every request by `reply`."""
    server = FakeServer()

    async def handle(request: web.Request) -> web.Response:
        seen = Seen(
            request.method, request.path, dict(request.query), request.headers.copy(), await request.read()
        )
        server.requests.append(seen)
        return reply(seen)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
