"""An authority's own system that is told what happens: checks each message with the public library, and keeps it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

from aiohttp import web
from standardwebhooks import Webhook


class Listener:
    """Where it listens, what it answers, and what it was told."""

    def __init__(self):
        self.url = ""
        self.secret = None
        """Every message must be signed with it; the first ones may come before it is known."""
        self.raw = []
        """Headers and body, as they came: repeats too."""
        self.status = 200
        self.lose = 0
        """So many answers are lost: it was told, and hangs up."""
        self.hang = None
        """An event to wait for before answering."""

    @property
    def told(self):
        """What it was told, each id once, by id."""
        return {headers["webhook-id"]: self.read(headers, body) for headers, body in self.raw}

    def times(self):
        """How often each id came."""
        return Counter(headers["webhook-id"] for headers, _ in self.raw)

    def read(self, headers, body):
        """Check the signature and decode. Raises `WebhookVerificationError`."""
        return Webhook(self.secret).verify(body, dict(headers))

    def types(self):
        """How often it was told each type."""
        return Counter(event["type"] for event in self.told.values())

    async def until(self, done, within=20.0):
        """Wait until `done(self)`."""
        async with asyncio.timeout(within):
            while not done(self):
                await asyncio.sleep(0.02)

    async def _take(self, request):
        self.raw.append((request.headers.copy(), await request.read()))
        if self.lose > 0:
            self.lose -= 1
            request.transport.abort()
        if self.hang is not None:
            await self.hang.wait()
        return web.Response(status=self.status, text="thank you")


@asynccontextmanager
async def listening():
    """A listener on a socket."""
    listener = Listener()
    app = web.Application()
    app.router.add_post("/hook", listener._take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield listener
    finally:
        if listener.hang is not None:
            listener.hang.set()
        await runner.cleanup()
