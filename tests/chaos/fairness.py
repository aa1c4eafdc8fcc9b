"""Whether one organisation that is down slows the others: the long run's only question about time.

The same load goes to the same organisations in every round. In every other round one more organisation is called for,
and it is dead: whatever that costs the others shows. So what the dead one would have cost alive (its answers, its
polls) makes neither kind of round look better. Rounds take turns, well, ill, ill, well: what drifts cancels out.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.chaos.acts import STAGES, Act, finish, say
from tests.chaos.harness import World, world
from tests.chaos.load import Load, Needs
from tests.chaos.proxy import Fault, Kind

DEAD: Final = ("barnet", "council")
"""The one with the most services; polled, and with a look-up: it has the most ways of holding somebody up."""


async def one_down(folder: Path, *, rounds: int = 10, seconds: float = 4, rate: float = 30) -> Act:
    """One organisation swallows everything: the others' delivery times with and without that, in turns.

    At a `rate` that leaves the machine idle half of the time: what is measured is who waits for whom, not the machine.
    The dead one is called for at a sixth of that.
    """
    async with world(folder, proxies=True, stages=STAGES, poll_interval=1.0) as here:
        await here.add_gateway()
        others: Needs = {place: needs for place, needs in here.needs.items() if place != DEAD}
        dead: Needs = {DEAD: here.needs[DEAD]}
        async with _calls(here, others, rate), _calls(here, dead, rate / 6):  # whatever is slow only at first
            await asyncio.sleep(seconds)
        await here.settled(60, ended=False)
        times: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(2 * rounds):
            ill = turn % 4 in {1, 2}
            async with contextlib.AsyncExitStack() as stack:
                if ill:
                    await here.town.cut(Fault(kind=Kind.TIMEOUT), only=[DEAD])
                    await stack.enter_async_context(_calls(here, dead, rate / 6))
                load = await stack.enter_async_context(_calls(here, others, rate))
                await asyncio.sleep(seconds)
            times[ill] += await _delivery_times(here, load)
            await here.town.heal()
            await here.settled(60, ended=False)
        act = await finish(here)
        act.slower, act.shown = _compare(times[False], times[True])
        return act


@contextlib.asynccontextmanager
async def _calls(here: World, needs: Needs, rate: float) -> AsyncIterator[Load]:
    load = here.load(needs=needs)
    async with load.running(rate=rate, workers=16):
        yield load


def _compare(well: list[float], ill: list[float]) -> tuple[float, dict[str, str]]:
    """The ratio of the medians, and what to print."""
    median = statistics.median(ill) / statistics.median(well)
    p95 = _percentile(ill, 0.95) / _percentile(well, 0.95)
    name = "others' delivery time with one organisation dead"
    shown = {
        f"{name}: median": f"{1000 * statistics.median(well):.1f} → {1000 * statistics.median(ill):.1f} ms",
        f"{name}: ratio of medians": f"{median:.3f}",
        f"{name}: ratio of 95th percentiles": f"{p95:.3f}",
        f"{name}: deliveries compared": f"{len(well):,} and {len(ill):,}",
    }
    say("; ".join(f"{what} {figure}" for what, figure in shown.items()))
    return median, shown


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


async def _delivery_times(here: World, load: Load) -> list[float]:
    """Accepted to delivered, of what this load sent; those that are not delivered soon count as late as that."""
    references = [sent.reference for sent in load.sent if sent.reference is not None]
    connection = await here.connect()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while await connection.fetchval(_SOME_WAIT, references):
                    await asyncio.sleep(0.1)
        return [row["seconds"] for row in await connection.fetch(_TIMES, references, *DEAD)]
    finally:
        await connection.close()


_OF_THESE = (
    "FROM requests AS q JOIN deliveries AS d USING (authority_id, request_id) WHERE q.reference = ANY ($1)"
)
_SOME_WAIT = f"SELECT EXISTS (SELECT {_OF_THESE} AND d.state IN ('waiting', 'claimed'))"
_TIMES = f"""
SELECT extract(epoch FROM coalesce((
    SELECT min(a.finished_at) FROM attempts AS a WHERE a.authority_id = d.authority_id
    AND a.delivery_id = d.delivery_id AND a.outcome = 'accepted'), now()) - d.created_at)::float AS seconds
{_OF_THESE} AND (d.authority_id, d.organisation) <> ($2, $3)
"""
