"""A database that falls silent is noticed, and nobody waits for it longer than need be."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

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


async def test_whoever_is_cut_off_meets_a_lost_connection_and_nothing_else(database_url):
    """At whatever moment: between preparing and running, in a transaction, or idle in the pool."""
    connector = Connector(database_url, 5.0)
    met = Counter()

    stop = asyncio.Event()  # not a cancellation, which asyncpg loses when it is cut off while being cancelled

    async def work(pool):
        while not stop.is_set():
            try:
                async with pool.acquire() as connection, connection.transaction():
                    await connection.fetchval(f"SELECT {next(numbers)}")  # a new statement each time
            except AWAY as error:
                met[type(error).__name__] += 1

    numbers = itertools.count()
    async with asyncpg.create_pool(database_url, connect=connector, min_size=0, max_size=4) as pool:
        working = [asyncio.create_task(work(pool)) for _ in range(6)]
        for _ in range(60):
            await asyncio.sleep(0.005)
            connector.drop_all()
        stop.set()
        await asyncio.gather(*working)
        assert await pool.fetchval("SELECT 1") == 1
    assert met


async def test_dropped_connections_are_of_no_more_use(database_url):
    """And the connector opens others."""
    connector = Connector(database_url, 5.0)
    connection = await connector()
    assert connector.drop_all() == 1
    with pytest.raises(AWAY):
        await connection.fetchval("SELECT 1")
    fresh = await connector()
    assert await fresh.fetchval("SELECT 1") == 1
    await fresh.close()
