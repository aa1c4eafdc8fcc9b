"""The database killed, cut off, full, and failing over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import pytest

from tests.chaos.database import address, primary, standby_of, through
from tests.chaos.disk import fill, small_disk
from tests.chaos.harness import world
from tests.chaos.proxy import Fault, FaultProxy, Kind

CUTS = [
    Fault(kind=Kind.LATENCY, seconds=0.1),
    Fault(kind=Kind.DOWN),
    Fault(kind=Kind.TIMEOUT),
    Fault(kind=Kind.RESET),
    Fault(kind=Kind.SLICE, size=7),
    Fault(kind=Kind.TRUNCATE, size=30),
]


def server_pid(here):
    """The embedded server's process id, as it says itself."""
    return int((here.embedded / "postgres" / "postmaster.pid").read_text().split()[0])


async def test_postgresql_killed_twice_in_a_row_is_started_again(chaos_folder):
    """The gateway's supervisor brings it back each time, and nothing acknowledged is missing."""
    async with world(chaos_folder) as here:
        gateway = await here.add_gateway()
        first = server_pid(here)
        async with here.load().running(rate=60) as load:
            for _ in range(2):
                await load.more(20)
                killed = server_pid(here)
                os.kill(killed, signal.SIGKILL)
                async with asyncio.timeout(20):
                    while (
                        not (here.embedded / "postgres" / "postmaster.pid").exists()
                        or server_pid(here) == killed
                    ):
                        await asyncio.sleep(0.02)
            await gateway.ready()
            await load.more(20)
        assert server_pid(here) != first
        await here.end()


async def test_the_network_to_the_database_fails_in_every_way(chaos_folder, database_url):
    """Slow, refused, swallowed, reset, in pieces, cut off: callers try again, and it is stored once."""
    async with (
        FaultProxy(address(database_url)).running() as proxy,
        world(chaos_folder, database_url) as here,
    ):
        gateway = await here.add_gateway(database_url=through(database_url, proxy.port))
        async with here.load().running(rate=40) as load:
            for cut in CUTS:
                await load.more(10)
                await proxy.set(cut)
                await asyncio.sleep(2.5 if cut.kind is Kind.TIMEOUT else 1)
                await proxy.heal()
                await gateway.ready()
        await here.end()


async def test_a_full_disk_is_said_and_survived(chaos_folder):
    """503 and nothing half-stored while there is no room; all goes on when there is again."""
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(chaos_folder))
        try:
            stack.enter_context(small_disk(here.embedded))
        except PermissionError as error:
            pytest.skip(str(error))
        gateway = await here.add_gateway()
        stack.push_async_callback(gateway.stop)
        filler = here.embedded / "filler"
        load = here.load()
        await load.send(20)
        async with load.running(rate=60):
            fill(filler)
            await until_told_to_come_back(load)
            acknowledged = load.acknowledged
            await asyncio.sleep(2)
            assert load.acknowledged == acknowledged
            filler.unlink()
            await gateway.ready()
            await load.more(20)
        await here.end()


async def until_told_to_come_back(load, *, within=40):
    """Wait until callers are told 503 and nobody is told anything better for a second."""
    async with asyncio.timeout(within):
        while True:
            before = load.acknowledged
            await asyncio.sleep(1)
            if load.acknowledged == before and (load.answers[503] or load.no_answer):
                return


async def test_a_failover_to_the_synchronous_standby_loses_nothing(chaos_folder):
    """The primary freezes with connections open; the standby, promoted, has all that was acknowledged, and it goes on."""
    chaos_folder.mkdir()
    chaos_folder.chmod(0o755)
    leader = await primary(chaos_folder / "leader")
    standby = None
    try:
        standby = await standby_of(leader, chaos_folder / "standby")
        both = leader.url.replace(f":{leader.port}/", f":{leader.port},127.0.0.1:{standby.port}/")
        async with world(chaos_folder / "world", leader.url) as here:
            gateway = await here.add_gateway(database_url=both)
            load = here.load()
            async with load.running(rate=60):
                await load.more(60)
                leader.freeze()
                frozen = time.monotonic()
                await standby.ask("SELECT pg_promote()")
                here.database_url = standby.url
                await load.more(30, within=30)  # a command's own limit would be 60 s
                print(f"taking requests again {time.monotonic() - frozen:.1f} s after the primary froze")
                await gateway.ready()
            await here.end()
    finally:
        leader.kill()
        if standby is not None:
            standby.kill()
