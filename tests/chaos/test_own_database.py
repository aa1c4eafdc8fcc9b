"""A gateway that runs its database itself: either of them killed, its disk full, its clock jumping."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid

import pytest

from tests.chaos.disk import fill, small_disk
from tests.chaos.gateways import PATIENCE
from tests.chaos.harness import world


@pytest.fixture(scope="module")
async def house(open_folder):
    """One front door for all of these, its database on a small disk of its own where one can be mounted."""
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(open_folder / f"own-{uuid.uuid4().hex[:8]}"))
        try:
            stack.enter_context(small_disk(here.embedded))
            here.can_be_filled = ""
        except PermissionError as error:
            here.can_be_filled = str(error)
        gateway = await here.add_gateway()
        stack.push_async_callback(gateway.kill)  # before its disk goes
        yield here


async def test_a_gateway_killed_under_load_loses_nothing(house):
    """What was acknowledged before is delivered after, once; callers whose answer was lost get it on their next try."""
    (gateway,) = house.gateways
    async with house.load().running(rate=60) as load:
        for _ in range(2):
            await load.more(40)
            await gateway.kill()
            await gateway.start()
        await load.more(20)
    await house.end()
    assert load.acknowledged >= 100


async def test_postgresql_killed_twice_in_a_row_is_started_again(house):
    """The gateway's supervisor brings it back each time, and nothing acknowledged is missing."""
    (gateway,) = house.gateways
    first = server_pid(house)
    async with house.load().running(rate=60) as load:
        for _ in range(2):
            await load.more(20)
            killed = server_pid(house)
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(PATIENCE):
                while server_pid(house) in {None, killed}:
                    await asyncio.sleep(0.02)
        await gateway.ready()
        await load.more(20)
    assert server_pid(house) not in {None, first}
    await house.end()


def server_pid(here):
    """The embedded server's process id, as it says itself; `None` while there is none."""
    try:
        return int((here.embedded / "postgres" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None


async def test_a_jump_of_the_clock_neither_expires_leases_nor_puts_deliveries_off(house):
    """A day forwards, two days back: what is claimed stays claimed, what is due is delivered."""
    (gateway,) = house.gateways
    await gateway.again(lease_margin=120)  # so that no lease runs out because this machine is slow
    connection = await house.connect()
    expired = await connection.fetchval("SELECT count(*) FROM attempts WHERE outcome = 'expired'")
    wrong = house.embedded / "clock"
    async with house.load().running(rate=40) as load:
        for seconds in (0, 86_400, -86_400, 0):
            wrong.write_text(str(seconds))
            await load.more(20)
    await house.end()
    assert await connection.fetchval("SELECT count(*) FROM attempts WHERE outcome = 'expired'") == expired
    await connection.close()
    await gateway.again(lease_margin=0.5)


async def test_a_full_disk_is_said_and_survived(house):
    """503 and nothing half-stored while there is no room; all goes on when there is again."""
    if house.can_be_filled:
        pytest.skip(house.can_be_filled)
    (gateway,) = house.gateways
    filler = house.embedded / "filler"
    load = house.load()
    await load.send(20)
    async with load.running(rate=60):
        fill(filler)
        await until_told_to_come_back(load)
        acknowledged = load.acknowledged
        await asyncio.sleep(1)
        assert load.acknowledged == acknowledged
        filler.unlink()
        await gateway.ready()
        await load.more(20)
    await house.end()


async def until_told_to_come_back(load):
    """Wait until callers are told 503 and nobody is told anything better for a second."""
    async with asyncio.timeout(PATIENCE):
        while True:
            before = load.acknowledged
            await asyncio.sleep(1)
            if load.acknowledged == before and (load.answers[503] or load.no_answer):
                return
