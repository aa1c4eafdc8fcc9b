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

import asyncpg
import msgspec

from gateway.store.pool import AWAY
from tests.chaos import mishaps
from tests.chaos.checker import Place, Report
from tests.chaos.database import Node, primary, standby_of
from tests.chaos.disk import fill, small_disk
from tests.chaos.harness import World, world
from tests.chaos.load import Load

STAGES: Final = (("resolved", 0.3),)
"""One step only: what is tested is on the way there."""


BACKLOG: Final = 300
"""Deliveries that are due, past which callers begin nothing new."""
POLL: Final = 2.0
"""Seconds between polls of an organisation: as seldom as lets a case be seen to end while the act still runs."""


class Act(msgspec.Struct, kw_only=True):
    """What one act showed."""

    report: Report
    effects: Counter[Place]
    """Cases that each organisation opened."""
    shown: dict[str, str] = {}
    """What else it showed, for the figures at the end: a name, and a figure with its unit."""
    slower: float = 1.0
    """Others' median delivery time with one organisation dead to that without."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


async def finish(here: World, patience: float = 120.0) -> Act:
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
    say(f"what still waited was delivered and had ended after {time.monotonic() - began:.0f} s")
    report = await here.check(ended=not broken)
    for kind, error in broken:
        report.found(kind, "the whole", str(error)[:2000])
    say(str(report))
    effects: Counter[Place] = Counter()
    for (authority, organisation, _), count in here.effects().items():
        effects[authority, organisation] += count
    return Act(report=report, effects=effects)


async def everything(
    folder: Path, chance: random.Random, *, seconds: float, requests: int, most: float, rate: float
) -> Act:
    """Two gateways on one embedded database, and one mishap after another.

    For at least `seconds` and, unless `most` seconds have passed before, for at least so many requests.
    """
    happened: Counter[str] = Counter()
    async with world(
        folder,
        proxies=True,
        tls={"northamptonshire"},
        stages=STAGES,
        poll_interval=POLL,
        concurrency=8,
    ) as here:
        for _ in range(2):
            await here.add_gateway(courier_poll=0.25)
        load = here.load(patience=180, timeout=4)
        began = time.monotonic()
        async with load.running(rate=rate, workers=48), _backlog_bounded(here, load):
            for name, mishap in mishaps.in_turn(chance):
                what = await mishap(here, chance)
                happened[name] += 1
                drained = await _drained(here)
                passed = time.monotonic() - began
                say(
                    f"{load.acknowledged:>7,} requests  {load.acknowledged / passed:5.0f}/s  {what}; {drained}"
                )
                if passed >= most or (passed >= seconds and load.acknowledged >= requests):
                    break
        act = await finish(here)
        act.shown = {f"times: {name}": f"{count}" for name, count in happened.items()}
        act.shown["requests a second while all this went on"] = f"{load.acknowledged / passed:.0f}"
        return act


@contextlib.asynccontextmanager
async def _backlog_bounded(here: World, load: Load) -> AsyncIterator[None]:
    """Meanwhile nothing new is sent while too much waits: a backlog that only grows shows nothing more."""

    async def watch() -> None:
        while True:
            with contextlib.suppress(*AWAY, asyncpg.PostgresError):
                connection = await asyncio.wait_for(here.connect(), 2)
                try:
                    while True:
                        waiting = await connection.fetchval(_HOW_MANY_ARE_DUE, timeout=5)
                        (load.may_send.set if waiting < BACKLOG else load.may_send.clear)()
                        await asyncio.sleep(0.25)
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
                took = f"{time.monotonic() - frozen:.1f} s"
                say(
                    f"{load.acknowledged:>7,} requests  the primary froze; taking requests again after {took}"
                )
                await asyncio.sleep(seconds / 2)
            act = await finish(here)
            act.shown = {"taking requests again after the primary froze": took}
            return act
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
            await gateway.ready()
            await asyncio.sleep(5)
        say(f"{load.acknowledged:>7,} requests  the disk was full; {load.answers[503]:,} times 503")
        act = await finish(here)
        act.shown = {"answers 503 while the disk was full": f"{load.answers[503]:,}"}
        return act
    finally:
        await gateway.stop()


_HOW_MANY_ARE_DUE = (
    "SELECT count(*) FROM deliveries WHERE state = 'claimed' OR state = 'waiting' AND due_at <= now()"
)
_HOW_MANY_OLDER = "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'claimed') AND created_at < $1"
