"""Whether one organisation that is down slows the others: the long run's only question about time."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tests.chaos.acts import STAGES, Act, finish, say
from tests.chaos.harness import World, world
from tests.chaos.load import Load
from tests.chaos.proxy import Fault, Kind


async def one_down(folder: Path, *, rounds: int = 8, seconds: float = 4, rate: float = 20) -> Act:
    """One organisation swallows everything: the others' delivery times with and without that, in turns.

    At a `rate` that leaves the machine idle half of the time: what is measured is who waits for whom, not the machine.
    """
    async with world(folder, proxies=True, stages=STAGES) as here:
        await here.add_gateway()
        dead = ("barnet", "council")
        async with here.load().running(rate=rate, workers=16):  # whatever is slow only at first
            await asyncio.sleep(seconds)
        times: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(2 * rounds):
            broken = turn % 4 in {1, 2}  # well, ill, ill, well: what drifts cancels out
            if broken:
                await here.town.cut(Fault(kind=Kind.TIMEOUT), only=[dead])
            load = here.load()
            async with load.running(rate=rate, workers=16):
                await asyncio.sleep(seconds)
            times[broken] += await _delivery_times(here, load, dead)
            await here.town.heal()
            await here.settled(60, ended=False)
        well, ill = ([_percentile(times[broken], part) for part in (0.5, 0.95)] for broken in (False, True))
        ratios = [after / before for before, after in zip(well, ill, strict=True)]
        say(
            f"others' delivery time, accepted to delivered: median {well[0] * 1000:.1f} ms, p95 {well[1] * 1000:.1f} ms;"
            f" with {'/'.join(dead)} dead {ill[0] * 1000:.1f} and {ill[1] * 1000:.1f} ms:"
            f" ratios {ratios[0]:.3f} and {ratios[1]:.3f} ({len(times[False])} and {len(times[True])} deliveries)"
        )
        act = await finish(here)
        act.ratios = ratios
        return act


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


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
