"""A database elsewhere: cut off in every way, and failing over."""

from __future__ import annotations

import asyncio
import time

from tests.chaos.database import address, primary, standby_of, through
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
                await load.more(30, within=50)  # a command's own limit would be 60 s
                print(f"taking requests again {time.monotonic() - frozen:.1f} s after the primary froze")
                await gateway.ready()
            await here.end()
    finally:
        leader.kill()
        if standby is not None:
            standby.kill()
