"""The whole product in one process: the gateway on a real socket, real PostgreSQL, and stand-in back ends on sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
from aiohttp import web

from adapters.sandbox.town import TownConfig, start_town
from gateway.app import COURIER, build
from gateway.clock import SystemClock
from gateway.demo.town import Backend, Town
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.store.pool import open_pool

SWIFT = (("acknowledged", 0.02), ("in_progress", 0.02), ("resolved", 0.02))
"""The stand-ins' pace: a case is resolved soon after it came."""


class Front:
    """A gateway to call, and the town behind it."""

    def __init__(self, url, keys, town, app, session):
        self.url, self.keys, self.town, self.app, self.session = url, keys, town, app, session
        self.courier = app[COURIER]

    async def call(self, method, path, *, authority="barnet", status=200, **options):
        """Call the API and return the JSON answer, checking its status."""
        headers = {"Authorization": f"Bearer {self.keys[authority]}", **options.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **options) as answer:
            body = await answer.json(content_type=None)
            assert answer.status == status, body
            return body

    async def send(self, text, *, authority="barnet", **body):
        """Send a request and return the answer."""
        return await self.call(
            "POST", "/api/v1/requests", authority=authority, status=201, json={"text": text, **body}
        )

    async def read(self, reference, *, authority="barnet"):
        """Read a request back."""
        return await self.call("GET", f"/api/v1/requests/{reference}", authority=authority)

    async def until(self, reference, done, *, authority="barnet", within=45.0):
        """Read a request until `done(request)`; fails with how it stands when it is not in time."""
        async with asyncio.timeout(within):
            while True:
                request = await self.read(reference, authority=authority)
                if done(request):
                    return request
                await asyncio.sleep(0.05)

    def backend(self, organisation, authority="barnet"):
        """The stand-in of an organisation."""
        return self.town.backends[f"{authority}_{organisation}"]


def free_port():
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def running_front(door, database_url, folder, *, clock=None, stages=SWIFT, **changes):
    """Start town and gateway; `changes` are settings."""
    plan = Town(folder, door)
    config = plan.configure()
    for organisation in config["organisations"]:
        organisation["stages"] = stages
    config["ledger_folder"] = None
    town = await start_town(_decode(config))
    plan.connect(
        {code: Backend(each.protocol, each.url, each.control_url) for code, each in town.backends.items()},
        poll_interval=0.1,
    )
    settings = Settings(
        database_url=database_url,
        port=free_port(),
        connections_file=plan.connections,
        courier_poll=0.05,
        **changes,
    )
    app = build(settings, door, {}, clock=clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", settings.port).start()
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection:
        now = SystemClock().now()
        keys = {code: await create_key(connection, code, "tests", now) for code in door.authorities}
    async with aiohttp.ClientSession() as session:
        try:
            yield Front(f"http://127.0.0.1:{settings.port}", keys, town, app, session)
        finally:
            await runner.cleanup()
            await town.close()


def _decode(config):
    return msgspec.convert(config, TownConfig)


@pytest.fixture
async def front(door, database_url, tmp_path, no_blocking):
    """The whole product, with the organisations of Barnet and Northamptonshire behind it."""
    async with running_front(door, database_url, tmp_path) as front:
        with no_blocking():
            yield front
