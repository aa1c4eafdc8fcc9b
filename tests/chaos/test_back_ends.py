"""Back ends that fail in every way they can, and networks to them that do."""

from __future__ import annotations

import asyncio

import pytest

from adapters.base import Deduplication
from adapters.sandbox.faults import Mode
from tests.chaos.gateways import PATIENCE
from tests.chaos.harness import world
from tests.chaos.proxy import Fault, Kind

_HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.due_at = ''2100-01-01''; RETURN NEW; END';
CREATE TRIGGER hold BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION hold();
"""
_LET_GO = "DROP TRIGGER hold ON deliveries; UPDATE deliveries SET due_at = now() WHERE due_at > '2099-01-01'"
TIMEOUT = 1.0
LONGER = 1.6
"""Seconds that a slow one takes: past the time limit, and before a look-up's no would be believed."""
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
    async with world(
        open_folder / "failing",
        module_database_url,
        proxies=True,
        tls={"barnet", "northamptonshire"},
        timeout=TIMEOUT,
    ) as here:
        await here.add_gateway()
        yield here


@pytest.mark.parametrize("mode", Mode)
async def test_every_back_end_fails_once_and_gets_everything_in_the_end(failing, mode):
    """Whatever it answers, or does not: one effect for each delivery, and every referral with somebody."""
    places = failing.town.deduplication()
    if mode is Mode.DUPLICATE:  # only those that recognise a delivery can say that they have it already
        places = {place for place, how in places.items() if how is Deduplication.KEY}
    await failing.town.fail(mode.value, only=places, count=1, delay=LONGER, retry_after=1)
    await failing.load().send(2 * len(failing.needs), workers=16)
    await failing.settled(ended=False)
    await failing.town.heal()
    await failing.end()


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.kind.value)
async def test_the_network_to_every_back_end_fails(failing, cut):
    """Cut off while work comes in, and mended: all of it arrives, once."""
    connection = await failing.connect()
    before = await connection.fetchval("SELECT count(*) FROM attempts")
    await failing.town.cut(cut)
    async with failing.load().running(rate=40) as load:
        await load.more(2 * len(failing.needs))
        async with asyncio.timeout(PATIENCE):
            while await connection.fetchval("SELECT count(*) FROM attempts") < before + len(failing.needs):
                await asyncio.sleep(0.05)
    await connection.close()
    await failing.town.heal()
    await failing.end()


async def test_without_trust_nothing_is_handed_over(failing):
    """A certificate that nobody vouches for: every attempt says so, and no back end hears a word."""
    await failing.town.cut(Fault(kind=Kind.TLS))
    connection = await failing.connect()
    before = await connection.fetchval("SELECT count(*) FROM attempts WHERE detail = 'TLS failed'")
    effects = failing.effects()
    await failing.load().send(len(failing.needs))
    async with asyncio.timeout(PATIENCE):
        while (
            await connection.fetchval("SELECT count(*) FROM attempts WHERE detail = 'TLS failed'") == before
        ):
            await asyncio.sleep(0.05)
    await connection.close()
    assert failing.effects() == effects
    await failing.town.heal()
    await failing.end()


async def test_all_down_at_once_shifts_nothing(chaos_folder, database_url):
    """When nobody answers, the fault is likelier ours: all is kept for whom it was meant, though attempts run out."""
    limits = {"max_attempts": 2, "breaker_threshold": 1}
    async with world(chaos_folder, database_url, proxies=True, **limits) as here:
        here.needs = {place: needs[:1] for place, needs in here.needs.items()}
        await here.add_gateway()
        await here.load().send(len(here.needs))
        await here.settled()
        connection = await here.connect()
        await here.town.cut(Fault(kind=Kind.DOWN))
        await connection.execute(_HOLD)
        await here.load().send(len(here.needs))
        await connection.execute(
            _LET_GO
        )  # all are tried at once, so that all are known to be down before any gives up
        async with asyncio.timeout(PATIENCE):
            while await connection.fetchval("SELECT max(attempt) FROM deliveries") <= limits["max_attempts"]:
                await asyncio.sleep(0.1)
        await here.town.heal()
        await here.end()
        shifted = await connection.fetch("SELECT kind, detail FROM events WHERE detail ? 'sent_to'")
        await connection.close()
        assert [dict(row) for row in shifted] == []
