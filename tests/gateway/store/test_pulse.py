"""A database that falls silent is noticed, and nobody waits for it longer than need be."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gateway.store.pool import AWAY, Connector, open_pool
from tests.chaos.database import address, through
from tests.chaos.proxy import Fault, FaultProxy, Kind

COMMAND_LIMIT = 60
"""Seconds after which asyncpg itself would give up."""


@pytest.fixture
async def proxy(database_url):
    """What stands between us and the database."""
    async with FaultProxy(address(database_url)).running() as proxy:
        yield proxy


async def test_a_command_under_way_fails_soon_after_the_server_fell_silent(proxy, database_url):
    """Its outcome is unknown; the caller may try again, long before the command's own limit."""
    async with open_pool(through(database_url, proxy.port), size=2, timeout=1.5) as pool:
        waiting = asyncio.create_task(pool.fetchval("SELECT pg_sleep(30)"))
        await pool.fetchval("SELECT 1")
        await proxy.set(Fault(kind=Kind.TIMEOUT))
        async with asyncio.timeout(COMMAND_LIMIT / 3):
            with pytest.raises(AWAY):
                await waiting
        await proxy.heal()
        assert await pool.fetchval("SELECT 1") == 1


async def test_another_host_is_taken_when_the_first_one_falls_silent(proxy, database_url):
    """Connections that were open to the silent one are given up, new ones go where an answer comes from."""
    async with FaultProxy(proxy.target).running() as other:
        first = through(database_url, proxy.port)
        both = first.replace(f":{proxy.port}/", f":{proxy.port},127.0.0.1:{other.port}/")
        async with open_pool(both, size=2, timeout=1.5) as pool:
            await pool.fetchval("SELECT 1")
            assert (proxy.connections, other.connections) == (1, 0)
            await proxy.set(Fault(kind=Kind.TIMEOUT))
            async with asyncio.timeout(COMMAND_LIMIT / 3):
                while True:
                    try:
                        assert await pool.fetchval("SELECT 1") == 1
                    except AWAY:
                        continue
                    break
            assert other.connections > 0


async def test_a_server_that_takes_no_writes_any_more_is_left(database_url):
    """As when the primary was made a standby: reading still works there, and a queue that only reads is no use."""
    connector = Connector(database_url, 1.0)
    connection = await connector()
    assert connector.drop_all() == 1
    with pytest.raises(asyncpg.InterfaceError):
        await connection.fetchval("SELECT 1")
