"""What goes wrong in the long run, one thing after another, each over before it returns."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from adapters.base import Deduplication
from adapters.sandbox.faults import Mode
from tests.chaos.gateways import PATIENCE
from tests.chaos.harness import World
from tests.chaos.proxy import Fault, Kind

Mishap = Callable[[World, random.Random], Awaitable[str]]
"""Breaks something and mends it; says what it was."""

CUTS: Final = (
    Fault(kind=Kind.LATENCY, seconds=0.3),
    Fault(kind=Kind.DOWN),
    Fault(kind=Kind.TIMEOUT),
    Fault(kind=Kind.RESET),
    Fault(kind=Kind.SLICE, size=11),
    Fault(kind=Kind.TRUNCATE, size=50),
    Fault(kind=Kind.TLS),
)


async def kill_a_gateway(world: World, chance: random.Random) -> str:
    gateway = chance.choice(world.gateways)
    await gateway.kill()
    await asyncio.sleep(chance.uniform(0, 1))
    seconds = await gateway.start()
    return f"kill -9 of gateway {world.gateways.index(gateway) + 1}; ready again after {seconds:.1f} s"


async def freeze_a_gateway(world: World, chance: random.Random) -> str:
    gateway = chance.choice(world.gateways)
    gateway.freeze()
    await asyncio.sleep(5)
    gateway.thaw()
    return f"gateway {world.gateways.index(gateway) + 1} frozen for 5 s, past its leases"


async def kill_postgresql_twice(world: World, _: random.Random) -> str:
    if world.database_url is not None:
        return "(PostgreSQL is not ours to kill here)"
    file = world.embedded / "postgres" / "postmaster.pid"
    for _again in range(2):
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
        await asyncio.sleep(0.5)
        async with asyncio.timeout(PATIENCE):
            while not await _answers(world):
                await asyncio.sleep(0.1)
    return "kill -9 of PostgreSQL, and again as soon as it was back"


async def _answers(world: World) -> bool:
    try:
        connection = await asyncio.wait_for(world.connect(), 2)
    except Exception:  # noqa: BLE001  whatever it says, it is not there
        return False
    await connection.close()
    return True


def failing(mode: Mode) -> Mishap:
    """Back ends fail so for a while: half of them."""

    async def fail(world: World, chance: random.Random) -> str:
        places = {
            place
            for place, how in world.town.deduplication().items()
            if mode is not Mode.DUPLICATE or how is Deduplication.KEY
        }
        chosen = {place for place in sorted(places) if chance.random() < 0.5}
        count = 1 if mode is Mode.HUGE_BODY else 5
        await world.town.fail(mode.value, only=chosen, count=count, delay=3.0, retry_after=1)
        await asyncio.sleep(3)
        await world.town.heal()
        return f"half the back ends fail: {mode.value}"

    return fail


def cut(fault: Fault) -> Mishap:
    """The network to half of the back ends fails so for a while."""

    async def cut_off(world: World, chance: random.Random) -> str:
        chosen = {place for place in world.town.places if chance.random() < 0.5}
        await world.town.cut(fault, only=chosen)
        await asyncio.sleep(3)
        await world.town.heal()
        return f"the network to half the back ends fails: {fault.kind.value}"

    return cut_off


async def all_down(world: World, _: random.Random) -> str:
    await world.town.cut(Fault(kind=Kind.DOWN))
    await asyncio.sleep(8)
    await world.town.heal()
    return "all back ends down for 8 s"


async def clock_jumps(world: World, chance: random.Random) -> str:
    seconds = chance.choice([-86_400, -3600, 3600, 86_400])
    (world.embedded / "clock").write_text(str(seconds))
    await asyncio.sleep(2)
    (world.embedded / "clock").write_text("0")
    return f"the wall clock jumps by {seconds} s and back"


def in_turn(chance: random.Random) -> Iterator[tuple[str, Mishap]]:
    """All of them, named, again and again; the ones that kill come between those that only hurt."""
    deadly: list[tuple[str, Mishap]] = [
        ("kill -9 of a gateway and its courier", kill_a_gateway),
        ("a gateway frozen past its leases", freeze_a_gateway),
        ("kill -9 of PostgreSQL, twice in a row", kill_postgresql_twice),
        ("all back ends down", all_down),
        ("the clock jumps by an hour or a day", clock_jumps),
    ]
    modes = [(f"half the back ends: {mode.value}", failing(mode)) for mode in Mode if mode is not Mode.NONE]
    cuts = [(f"half the networks: {fault.kind.value}", cut(fault)) for fault in CUTS]
    hurting = [*modes, *cuts]
    while True:
        chance.shuffle(hurting)
        for number, hurt in enumerate(hurting):
            yield deadly[number % len(deadly)]
            yield hurt
