"""Runs one scenario against one address: load, faults, watching, and then whether all is there."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from random import Random

import aiohttp
from msgspec.structs import replace

from loadtest.arrivals import intended_starts
from loadtest.errors import ScenarioError, TargetError
from loadtest.generator import Generator, Target
from loadtest.judging import judge
from loadtest.keeping import lost
from loadtest.messages import RequestMaker, load_bank
from loadtest.results import Result
from loadtest.scenario import Fault, Ingredient, Scenario
from loadtest.tally import Tally
from loadtest.watching import Watch


async def run_scenario(
    scenario: Scenario,
    url: str,
    keys: Sequence[str],
    controls: Mapping[str, str] | None = None,
    *,
    look: bool = True,
) -> Result:
    """Run it. `controls` are the stand-ins' control addresses by organisation, for scenarios with faults.

    `look`: whether to read the gateway's metrics meanwhile, and to look for every acknowledged request afterwards.

    Raises `ScenarioError` for faults that cannot be committed, `TargetError` if the target stops telling.
    """
    controls = controls or {}
    unknown = [each.organisation for each in scenario.faults if each.organisation not in controls]
    if unknown:
        raise ScenarioError(
            f"{scenario.name}: no stand-in is known for {', '.join(unknown)}; give --controls with the line that "
            "`python -m adapters.sandbox` prints"
        )
    maker = RequestMaker(
        scenario.mix, load_bank(), keys, seed=scenario.seed, idempotency_keys=scenario.idempotency_keys
    )
    allow_open_files(scenario.connections)
    generator = Generator(
        Target.of(url), maker, connections=scenario.connections, timeout=scenario.timeout, keys=len(keys)
    )
    began, cpu = datetime.now(UTC), cpu_seconds()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        watch = Watch(session, url)
        checked = look and await stack.enter_async_context(watch.watching())
        faults = [asyncio.create_task(_commit(session, controls, each)) for each in scenario.faults]
        random = Random(scenario.seed)
        tally = await generator.open_loop(intended_starts(scenario.steps, scenario.arrivals, random))
        spent = cpu_seconds() - cpu
        await asyncio.gather(*faults)
        within = scenario.expect.drained_within
        drained = await watch.drained(within) if checked and within is not None else None
        missing = await lost(session, url, keys, tally.references) if checked else None
    found = describe(
        tally,
        scenario=scenario.name,
        about=scenario.about,
        began=began,
        seconds=scenario.seconds,
        cpu=spent,
        connections=generator.most_open,
    )
    return replace(
        found,
        queue=watch.points,
        lost=missing,
        drained=drained,
        verdicts=judge(scenario, tally, lost=missing, drained=drained, checked=checked),
    )


async def saturate(
    url: str, key: str, *, connections: int, seconds: float, mix: Sequence[Ingredient], seed: int = 1
) -> Result:
    """The most requests a second the target takes over so many connections."""
    maker = RequestMaker(mix, load_bank(), [key], seed=seed, idempotency_keys=False)
    generator = Generator(Target.of(url), maker, connections=connections, timeout=30.0)
    began, cpu = datetime.now(UTC), cpu_seconds()
    tally = await generator.closed_loop(seconds)
    return describe(
        tally,
        scenario="saturate",
        about="As many as it takes.",
        began=began,
        seconds=seconds,
        cpu=cpu_seconds() - cpu,
        connections=generator.most_open,
    )


def describe(
    tally: Tally, *, scenario: str, about: str, began: datetime, seconds: float, cpu: float, connections: int
) -> Result:
    """A tally as a result, not yet judged."""
    return Result(
        scenario=scenario,
        about=about,
        began_at=began.isoformat(timespec="seconds"),
        seconds=seconds,
        offered=tally.offered,
        accepted=tally.accepted,
        shed=tally.shed,
        failed=tally.failed,
        statuses={str(status): count for status, count in sorted(tally.statuses.items())},
        failures=dict(tally.failures),
        latency=tally.latency.summary(),
        lateness=tally.lateness.summary(),
        curve=tally.latency.curve(),
        client_cpu=cpu,
        connections=connections,
        timeline=tally.timeline.seconds(),
    )


def allow_open_files(connections: int) -> None:
    """Raise this process's own limit, and so that of what it starts. Raises `ScenarioError` if it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 256
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ScenarioError(
            f"{connections} connections want {wanted} open files; this system allows {hard} (ulimit -Hn)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cpu_seconds() -> float:
    """Processor time this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _commit(session: aiohttp.ClientSession, controls: Mapping[str, str], fault: Fault) -> None:
    address = f"{controls[fault.organisation]}/_sandbox/faults"
    await asyncio.sleep(fault.at)
    await _order(session, address, {"mode": fault.mode, "scope": "all"})
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        await _order(session, address, {"mode": "none"})


async def _order(session: aiohttp.ClientSession, address: str, order: dict[str, str]) -> None:
    async with session.post(address, json=order) as answer:
        if answer.status >= 400:
            raise TargetError(f"the stand-in refused the fault {order['mode']!r} with {answer.status}")
