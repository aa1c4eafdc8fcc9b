"""Back ends that fail in every way they can, and networks to them that do."""

from __future__ import annotations

import asyncio

import pytest

from adapters.base import Deduplication
from adapters.sandbox.faults import Mode
from tests.chaos.harness import world
from tests.chaos.proxy import Fault, Kind

MODES = [mode for mode in Mode if mode is not Mode.NONE]
CUTS = [
    Fault(kind=Kind.LATENCY, seconds=0.2),
    Fault(kind=Kind.DOWN),
    Fault(kind=Kind.TIMEOUT),
    Fault(kind=Kind.RESET),
    Fault(kind=Kind.SLICE, size=5),
    Fault(kind=Kind.TRUNCATE, size=40),
]


@pytest.fixture(scope="module")
async def failing(open_folder, module_database_url):
    """One front door for all of these: the checker goes over everything that happened so far each time."""
    async with world(open_folder / "failing", module_database_url, proxies=True) as here:
        await here.add_gateway()
        yield here


@pytest.mark.parametrize("mode", MODES)
async def test_every_back_end_fails_once_and_gets_everything_in_the_end(failing, mode):
    """Whatever it answers, or does not: one effect for each delivery, and every referral with somebody."""
    places = failing.town.deduplication()
    if mode is Mode.DUPLICATE:  # only those that recognise a delivery can say that they have it already
        places = {place for place, how in places.items() if how is Deduplication.KEY}
    await failing.town.fail(mode.value, only=places, count=1, delay=3.0, retry_after=1)
    await failing.load().send(2 * len(failing.needs), workers=16)
    await failing.settled(ended=False)
    await failing.town.heal()
    await failing.end()


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.kind.value)
async def test_the_network_to_every_back_end_fails(failing, cut):
    """Cut off while work comes in, and mended: all of it arrives, once."""
    await failing.town.cut(cut)
    async with failing.load().running(rate=40) as load:
        await load.more(2 * len(failing.needs))
    await failing.town.heal()
    await failing.end()


async def test_all_down_at_once_shifts_nothing(chaos_folder, database_url):
    """When nobody answers, the fault is likelier ours: all is kept for whom it was meant, though attempts run out."""
    limits = {"max_attempts": 3, "breaker_threshold": 1}
    async with world(chaos_folder, database_url, proxies=True, **limits) as here:
        here.needs = {place: needs[:1] for place, needs in here.needs.items()}
        await here.add_gateway()
        load = here.load()
        await load.send(len(here.needs))
        await here.settled()
        await here.town.cut(Fault(kind=Kind.DOWN))
        await load.send(len(here.needs))
        connection = await here.connect()
        async with asyncio.timeout(40):
            while await connection.fetchval("SELECT max(attempt) FROM deliveries") <= limits["max_attempts"]:
                await asyncio.sleep(0.1)
        await here.town.heal()
        await here.end()
        shifted = await connection.fetch("SELECT kind, detail FROM events WHERE detail ? 'sent_to'")
        await connection.close()
        assert [dict(row) for row in shifted] == []
