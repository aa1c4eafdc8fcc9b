"""The long run's acts: each a front door of its own under load, broken in its own way, that ends with the checker."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg
import msgspec

from gateway.store.pool import AWAY
from tests.chaos import mishaps
from tests.chaos.checker import Place, Report
from tests.chaos.database import Node, primary, standby_of
from tests.chaos.disk import fill, small_disk
from tests.chaos.gateways import Gateway
from tests.chaos.harness import World, world
from tests.chaos.load import Load
from tests.chaos.proxy import Fault, Kind

STAGES: Final = (("resolved", 0.3),)
"""One step only: what is tested is on the way there."""


BACKLOG: Final = 1000
"""Deliveries that wait, past which callers begin nothing new."""


class Act(msgspec.Struct, kw_only=True):
    """What one act showed."""

    report: Report
    effects: Counter[Place]
    """Cases that each organisation opened."""
    ratios: list[float] = []
    """Others' delivery time with one organisation dead to that without: median and p95."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


async def finish(here: World, patience: float = 300.0) -> Act:
    """Answered, settled, checked; a broken promise is reported and not raised."""
    broken = []
    try:
        for load in here.loads:
            load.must_be_answered(here.what_failed())
    except AssertionError as error:
        broken.append(("not answered", error))
    began = time.monotonic()
    try:
        await here.settled(patience)
    except AssertionError as error:
        broken.append(("not settled in time", error))
    say(f"what still waited was delivered and ended within {time.monotonic() - began:.0f} s")
    report = await here.check(ended=not broken)
    for kind, error in broken:
        report.found(kind, "the whole", str(error)[:2000])
    say(str(report))
    effects: Counter[Place] = Counter()
    for (authority, organisation, _), count in here.effects().items():
        effects[authority, organisation] += count
    return Act(report=report, effects=effects)


async def everything(
    folder: Path, chance: random.Random, *, seconds: float, requests: int, rate: float
) -> Act:
    """Two gateways on one embedded database, and one mishap after another; at least so long and so many requests."""
    async with world(folder, proxies=True, tls={"northamptonshire"}, stages=STAGES, concurrency=5) as here:
        for _ in range(2):
            await here.add_gateway(courier_poll=0.25)
        load = here.load(patience=180, timeout=4)
        began = time.monotonic()
        async with load.running(rate=rate, workers=48), _backlog_bounded(here, load):
            for mishap in mishaps.in_turn(chance):
                what = await mishap(here, chance)
                drained = await _drained(here)
                passed = time.monotonic() - began
                say(
                    f"{load.acknowledged:>7,} requests  {load.acknowledged / passed:5.0f}/s  {what}; {drained}"
                )
                if passed >= seconds and load.acknowledged >= requests:
                    break
        return await finish(here)


@contextlib.asynccontextmanager
async def _backlog_bounded(here: World, load: Load) -> AsyncIterator[None]:
    """Meanwhile nothing new is sent while too much waits: a backlog that only grows shows nothing more."""

    async def watch() -> None:
        while True:
            with contextlib.suppress(*AWAY, asyncpg.PostgresError):
                connection = await asyncio.wait_for(here.connect(), 2)
                try:
                    while True:
                        waiting = await connection.fetchval(_HOW_MANY_WAIT, timeout=5)
                        (load.may_send.set if waiting < BACKLOG else load.may_send.clear)()
                        await asyncio.sleep(0.5)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.5)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        load.may_send.set()


async def _drained(here: World, within: float = 30.0) -> str:
    """How long until all that came before now is out of the courier's hands; under load, other work goes on."""
    connection = await here.connect()
    try:
        now, began = await connection.fetchval("SELECT now()"), time.monotonic()
        while left := await connection.fetchval(_HOW_MANY_OLDER, now):
            if time.monotonic() - began > within:
                return f"{left} of what came before still wait after {within:.0f} s"
            await asyncio.sleep(0.25)
        return f"drained within {time.monotonic() - began:.1f} s"
    finally:
        await connection.close()


async def failover(folder: Path, *, seconds: float, rate: float) -> Act:
    """The primary freezes in the middle and the synchronous standby takes its place."""
    folder.mkdir()
    folder.chmod(0o755)
    nodes: list[Node] = []
    try:
        leader = await primary(folder / "leader")
        nodes.append(leader)
        standby = await standby_of(leader, folder / "standby")
        nodes.append(standby)
        both = leader.url.replace(f":{leader.port}/", f":{leader.port},127.0.0.1:{standby.port}/")
        async with world(folder / "world", leader.url, stages=STAGES) as here:
            for _ in range(2):
                await here.add_gateway(database_url=both)
            load = here.load(patience=180)
            async with load.running(rate=rate, workers=32):
                await asyncio.sleep(seconds / 2)
                leader.freeze()
                frozen = time.monotonic()
                await standby.ask("SELECT pg_promote()")
                here.database_url = standby.url
                before = load.acknowledged
                while load.acknowledged < before + 100:
                    await asyncio.sleep(0.05)
                took = time.monotonic() - frozen
                say(
                    f"{load.acknowledged:>7,} requests  the primary froze; taking requests again after {took:.1f} s"
                )
                await asyncio.sleep(seconds / 2)
            return await finish(here)
    finally:
        for node in nodes:
            node.kill()


async def full_disk(folder: Path, *, rate: float) -> Act | None:
    """The database's disk is full for a while; `None` where no small file system can be mounted."""
    async with world(folder, stages=STAGES) as here:
        try:
            with small_disk(here.embedded):
                return await _full_disk(here, rate)
        except PermissionError as error:
            say(f"not done, the full disk: {error}")
            return None


async def _full_disk(here: World, rate: float) -> Act:
    gateway = await here.add_gateway()
    load = here.load(patience=180)
    filler = here.embedded / "filler"
    try:
        async with load.running(rate=rate, workers=16):
            await asyncio.sleep(5)
            fill(filler)
            await asyncio.sleep(8)
            filler.unlink()
            await gateway.ready(90)
            await asyncio.sleep(5)
        say(f"{load.acknowledged:>7,} requests  the disk was full; {load.answers[503]:,} times 503")
        return await finish(here)
    finally:
        await gateway.stop()


async def safeguarding(folder: Path) -> Act:
    """The organisation that answers for children is dead: a person's worklist has it at once, and the alarm rings on."""
    async with world(folder, proxies=True, stages=STAGES, quick_ladder=True) as here:
        gateway = await here.add_gateway()
        place, need = next(
            (place, need)
            for place, needs in here.needs.items()
            for need in needs
            if need.service == "child-protection"
        )
        here.needs = {place: [need]}
        await here.town.cut(Fault(kind=Kind.DOWN))
        began = time.monotonic()
        load = here.load()
        await load.send(1)
        connection = await here.connect()
        async with asyncio.timeout(60):
            while not (row := await connection.fetchrow(_AT_A_PERSON)):
                await asyncio.sleep(0.05)
        say(f"with every other way dead, it is on a person's worklist after {time.monotonic() - began:.1f} s")
        rings = []
        while len(rings) < 4:
            seconds = await connection.fetch(_RINGS)
            rings += [f"{time.monotonic() - began:.0f} s ({each['told']})" for each in seconds[len(rings) :]]
            await asyncio.sleep(0.2)
        say(f"unanswered (quarters of an hour last 9 s here), it was raised again after {', '.join(rings)}")
        await _answer(here, gateway, place[0], str(row["referral_id"]))
        rung = len(await connection.fetch(_RINGS))
        await asyncio.sleep(25)
        again = len(await connection.fetch(_RINGS)) - rung
        say(f"answered by a named person: raised {again} times in the 25 s after that")
        await connection.close()
        await here.town.heal()
        act = await finish(here)
        if again:
            act.report.found("rings on", "safeguarding", "an alarm that was answered was raised again")
        return act


async def _answer(here: World, gateway: Gateway, authority: str, referral_id: str) -> None:
    headers = {"Authorization": f"Bearer {here.keys[authority]}"}
    url = f"{gateway.url}/api/v1/alarms/{referral_id}/acknowledge"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"name": "Ruth Ellis"}) as answer,
    ):
        answer.raise_for_status()


_HOW_MANY_WAIT = "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'claimed')"
_HOW_MANY_OLDER = _HOW_MANY_WAIT + " AND created_at < $1"
_AT_A_PERSON = (
    "SELECT referral_id FROM deliveries WHERE organisation = 'worklist' AND state = 'delivered' LIMIT 1"
)
_RINGS = "SELECT detail ->> 'told' AS told FROM events WHERE kind = 'alarm_raised' ORDER BY event_id"
