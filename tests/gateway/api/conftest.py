"""The gateway on a real socket with a database of its own; organisations are not connected, so all goes to worklists."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from gateway.app import build
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.store.pool import open_pool


class Api:
    """Calls the gateway as one authority's software."""

    def __init__(self, app, url, keys, session):
        self.app, self.url, self.keys, self.session = app, url, keys, session

    async def call(self, method, path, *, authority="barnet", key=None, **options):
        """Call and return status, headers and decoded body."""
        headers = {"Authorization": f"Bearer {key or self.keys[authority]}", **options.pop("headers", {})}
        return await self.bare(method, path, headers=headers, **options)

    async def bare(self, method, path, **options):
        """Call without a key."""
        async with self.session.request(method, self.url + path, **options) as answer:
            kind = answer.content_type
            body = await answer.json(content_type=None) if "json" in kind else await answer.text()
            return answer.status, answer.headers, body


@pytest.fixture
async def api(door, database_url, no_blocking):
    """A gateway to call."""
    app = build(Settings(database_url=database_url, courier_poll=0.05), door, {})
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection:
        now = SystemClock().now()
        keys = {code: await create_key(connection, code, "tests", now) for code in door.authorities}
    async with aiohttp.ClientSession() as session:
        try:
            with no_blocking():
                yield Api(app, f"http://127.0.0.1:{port}", keys, session)
        finally:
            await runner.cleanup()


@pytest.fixture
async def people(api, pool):
    """API keys of two more members of staff, by name."""
    async with pool.acquire() as connection:
        now = SystemClock().now()
        return {name: await create_key(connection, "barnet", name, now) for name in ("ann", "bob")}
