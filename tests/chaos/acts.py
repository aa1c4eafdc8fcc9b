"""The long run's acts: each a front door of its own under load, broken in its own way, that ends with the checker."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
from pathlib import Path

from tests.chaos import mishaps
from tests.chaos.checker import Report
from tests.chaos.database import Node, primary, standby_of
from tests.chaos.disk import fill, small_disk
from tests.chaos.harness import World, world
from tests.chaos.load import Load
from tests.chaos.proxy import Fault, Kind

STAGES = (("resolved", 0.3),)
"""One step only: what is tested is on the way there."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


async def _finish(here: World, patience: float = 300.0) -> Report:
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
    say(f"what still waited was delivered within {time.monotonic() - began:.0f} s")
    report = await here.check(ended=not broken)
    for kind, error in broken:
        report.found(kind, "the whole", str(error)[:2000])
    say(str(report))
    return report


async def everything(
    folder: Path, chance: random.Random, *, seconds: float, requests: int, rate: float
) -> Report:
    """Two gateways on one embedded database, and one mishap after another; at least so long and so many requests."""
    async with world(folder, proxies=True, stages=STAGES) as here:
        for _ in range(2):
            await here.add_gateway()
        load = here.load(patience=180, timeout=4)
        began = time.monotonic()
        async with load.running(rate=rate, workers=96):
            for mishap in mishaps.in_turn(chance):
                what = await mishap(here, chance)
                passed = time.monotonic() - began
                say(f"{load.acknowledged:>7,} requests  {load.acknowledged / passed:5.0f}/s  {what}")
                if passed >= seconds and load.acknowledged >= requests:
                    break
                await asyncio.sleep(1)
        return await _finish(here)


async def failover(folder: Path, *, seconds: float, rate: float) -> Report:
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
            return await _finish(here)
    finally:
        for node in nodes:
            node.kill()


async def full_disk(folder: Path, *, rate: float) -> Report | None:
    """The database's disk is full for a while; `None` where no small file system can be mounted."""
    async with world(folder, stages=STAGES) as here:
        try:
            with small_disk(here.embedded):
                return await _full_disk(here, rate)
        except PermissionError as error:
            say(f"not done, the full disk: {error}")
            return None


async def _full_disk(here: World, rate: float) -> Report:
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
        return await _finish(here)
    finally:
        await gateway.stop()


async def one_down(folder: Path, *, seconds: float, rate: float = 20) -> tuple[Report, float]:
    """One organisation swallows everything: the ratio of the others' median delivery times, with and without it.

    At a `rate` that leaves the machine idle half of the time: what is measured is who waits for whom, not the machine.
    """
    async with world(folder, proxies=True, stages=STAGES) as here:
        await here.add_gateway()
        dead = ("barnet", "council")
        async with here.load().running(rate=rate, workers=16):  # whatever is slow only at first
            await asyncio.sleep(seconds / 4)
        times: dict[bool, list[float]] = {False: [], True: []}
        for broken in (False, True, False, True):
            if broken:
                await here.town.cut(Fault(kind=Kind.TIMEOUT), only=[dead])
            load = here.load()
            async with load.running(rate=rate, workers=16):
                await asyncio.sleep(seconds / 2)
            times[broken] += await _delivery_times(here, load, dead)
            await here.town.heal()
            await here.settled(60, ended=False)
        well, ill = (statistics.median(times[broken]) for broken in (False, True))
        ratio = ill / well
        say(
            f"others' median delivery time {well * 1000:.1f} ms, with {'/'.join(dead)} dead {ill * 1000:.1f} ms:"
            f" ratio {ratio:.3f}"
        )
        return await _finish(here), ratio


async def _delivery_times(here: World, load: Load, without: tuple[str, str]) -> list[float]:
    await asyncio.sleep(3)
    connection = await here.connect()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while await connection.fetchval(_OTHERS_WAIT, *without):
                await asyncio.sleep(0.1)
    references = [sent.reference for sent in load.sent if sent.reference is not None]
    rows = await connection.fetch(_TIMES, *without, references)
    await connection.close()
    return [row["seconds"] for row in rows]


_OTHERS_WAIT = """
SELECT EXISTS (SELECT FROM deliveries WHERE state IN ('waiting', 'claimed') AND (authority_id, organisation) <> ($1, $2))
"""
_TIMES = """
SELECT extract(epoch FROM a.finished_at - d.created_at)::float AS seconds FROM deliveries AS d
JOIN attempts AS a USING (authority_id, delivery_id)
JOIN requests AS q ON q.authority_id = d.authority_id AND q.request_id = d.request_id
WHERE a.outcome = 'accepted' AND (d.authority_id, d.organisation) <> ($1, $2) AND q.reference = ANY ($3)
"""
