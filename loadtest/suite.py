"""The standard set: the comparison, then every scenario all the way to the stand-ins, then the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from loadtest import machine, report
from loadtest.comparing import Comparison, compare
from loadtest.product import Product, set_up
from loadtest.report import Suite
from loadtest.results import Result
from loadtest.running import allow_open_files, run_scenario
from loadtest.scenario import load_scenario

SCENARIOS: Final = ("calls", "coded", "chat", "one-provider-down", "mixed-day", "storm")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long the standard set takes."""

    compared: bool = True
    rounds: int = 3
    seconds: float = 8.0
    """Of each round."""
    connections: int = 64
    curve_seconds: float = 5.0
    """Of each point of the latency curves."""
    scenarios: tuple[str, ...] = SCENARIOS
    scale: float = 0.25
    """Of each scenario's own length."""


async def run_suite(plan: Plan, folder: Path, say: Callable[[str], None]) -> Suite:
    """Run it and write `report.md`, `results.json` and the pictures into `folder`.

    Raises `LoadTestError` if something cannot be run at all; what is measured is never an error.
    """
    suite = Suite(
        machine=machine.look(), began_at=datetime.now(UTC).isoformat(timespec="minutes"), scale=plan.scale
    )
    scenarios = [load_scenario(name).scaled(time=plan.scale) for name in plan.scenarios]
    # Before anything is started, so that the gateway may have as many connections as the generator.
    allow_open_files(max([plan.connections, *(scenario.connections for scenario in scenarios)]))
    async with set_up() as product:
        if plan.compared:
            comparison = await _compare(product, plan, say)
            known = replace(suite.machine, database=comparison.database)
            suite = replace(suite, comparison=comparison, machine=known)
        for scenario in scenarios:
            async with product.stand_ins() as controls, product.gateway(f"gateway-{scenario.name}") as front:
                result = await run_scenario(scenario, front.url, [front.key], controls)
            say(f"{scenario.name}: {outcome(result)}")
            suite = replace(suite, runs=[*suite.runs, result])
    write(suite, folder)
    return suite


async def _compare(product: Product, plan: Plan, say: Callable[[str], None]) -> Comparison:
    return await compare(
        product,
        say,
        rounds=plan.rounds,
        seconds=plan.seconds,
        connections=plan.connections,
        curve_seconds=plan.curve_seconds,
    )


def write(suite: Suite, folder: Path) -> None:
    """Write everything; without matplotlib (extra `figures`) there is no picture, and nothing else is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report.write(suite), encoding="utf-8")
    (folder / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(suite)))
    try:
        from loadtest import figures  # noqa: PLC0415  an extra
    except ImportError:
        return
    if suite.comparison is not None:
        figures.draw_highest(suite.comparison, folder / "highest.png")
        figures.draw_curves(suite.comparison, folder / "curves.png")
        figures.draw_percentiles(suite.comparison, folder / "percentiles.png")
    for run in suite.runs:
        figures.draw_run(run, folder / f"{run.scenario}.png")


def outcome(result: Result) -> str:
    """One line of what a run found."""
    missed: Sequence[str] = [f"{v.name}: {v.found}, not {v.expected}" for v in result.verdicts if not v.ok]
    return (
        f"{result.accepted:,} of {result.offered:,} accepted, {result.shed} shed, {result.failed} failed, "
        f"{'loss not checked' if result.lost is None else f'{result.lost} lost'}, "
        f"p50 {result.latency.p50 * 1000:.1f} ms, p99 {result.latency.p99 * 1000:.1f} ms: "
        f"{'MISSED ' + '; '.join(missed) if missed else 'all met'}"
    )
