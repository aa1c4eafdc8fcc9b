"""Couriers that die or freeze in the middle of a delivery: another one takes over, and nothing is done twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.gateways import PATIENCE
from tests.chaos.harness import world

MIDDLE = {"mode": "hang_after_accept", "delay": 5.0}
"""The organisation has it and does not say so: the worst moment for its courier to go."""


async def until_it_holds(here, gateway, *, arrived=False):
    """Wait until a gateway's courier holds claims; with `arrived`, until a back end has one of them, too."""
    connection = await here.connect()
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                rows = await connection.fetch(
                    "SELECT authority_id, organisation, delivery_id::text FROM deliveries"
                    " WHERE state = 'claimed' AND claimed_by LIKE '%:' || $1",
                    str(gateway.pid),
                )
                there = here.effects() if arrived else {}
                if len(rows) >= 3 and (not arrived or any(tuple(row) in there for row in rows)):
                    return
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def until_taken_over(here):
    """Wait until a claim that ran out was freed."""
    connection = await here.connect()
    try:
        async with asyncio.timeout(PATIENCE):
            while not await connection.fetchval("SELECT count(*) FROM attempts WHERE outcome = 'expired'"):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


@pytest.mark.parametrize("mode", ["hang_before_accept", "hang_after_accept"])
async def test_what_a_killed_courier_held_is_taken_over(chaos_folder, database_url, mode):
    """Whether or not it had arrived: the other courier asks or sends again after the lease, and there is one effect."""
    async with world(chaos_folder, database_url) as here:
        await here.add_gateway()
        load = here.load()
        doomed = await here.add_gateway()
        await here.town.fail(mode, delay=5.0)
        sending = asyncio.create_task(load.send(60))
        await until_it_holds(here, doomed)
        await doomed.kill()
        await until_taken_over(here)
        await here.town.heal()
        await sending
        await here.end()


async def test_a_courier_that_slept_past_its_lease_changes_nothing(chaos_folder, database_url):
    """Frozen with claims in hand and thawed when they are another's: its late endings are fenced off."""
    async with world(chaos_folder, database_url) as here:
        await here.add_gateway()
        load = here.load()
        sleeper = await here.add_gateway()
        await here.town.fail("hang_after_accept", delay=1.0)
        sending = asyncio.create_task(load.send(60))
        await until_it_holds(here, sleeper, arrived=True)
        sleeper.freeze()
        await until_taken_over(here)
        await here.town.heal()
        await sending
        await here.settled(ended=False)
        sleeper.thaw()
        async with asyncio.timeout(PATIENCE):
            while "a claim was no longer ours" not in sleeper.log.read_text():
                await asyncio.sleep(0.05)
        await here.end()
