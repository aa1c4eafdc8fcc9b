"""A gateway on a real socket, with settings and grants of the test's choosing."""

from __future__ import annotations

import copy
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp import web

from gateway.app import build
from gateway.callers import Role
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.store.pool import open_pool
from routing_rules.people import Grant, People
from tests.gateway.api.conftest import Api

GRANTS = (
    Grant(claim="groups", value="agent", roles=("agent",)),
    Grant(claim="groups", value="supervisor", roles=("supervisor",)),
    Grant(claim="groups", value="auditor", roles=("auditor",)),
    Grant(claim="realm_access.roles", value="pct-desk", roles=("agent",), organisation="pct"),
)


def with_grants(door, grants=GRANTS, authority="barnet"):
    """The same door, in which an authority grants roles so."""
    other = copy.copy(door)
    place = door.authorities[authority]
    settings = msgspec.structs.replace(place.settings, people=People(grants=grants))
    other.authorities = {**door.authorities, authority: msgspec.structs.replace(place, settings=settings)}
    return other


@asynccontextmanager
async def gateway(door, database_url, *, clock=None, **settings):
    """Run it, with an API key for each authority."""
    chosen = Settings(**{"database_url": database_url, "courier_poll": 0.05, **settings})
    app = build(chosen, door, {}, clock=clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        keys = {code: await key(database_url, code) for code in door.authorities}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Api(app, f"http://127.0.0.1:{runner.addresses[0][1]}", keys, session)
    finally:
        await runner.cleanup()


async def key(database_url, authority, role=Role.MACHINE, **options):
    """A fresh API key."""
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection:
        now = await connection.fetchval("SELECT now()")
        return await create_key(connection, authority, f"{role.value} of tests", now, role=role, **options)
