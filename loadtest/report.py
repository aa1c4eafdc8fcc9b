"""The report: one page of markdown that says what was measured, on what, and how it compares."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from loadtest.comparing import BARE, FREE, FRONT_DOOR, TEXTBOOK, Comparison, Point
from loadtest.machine import Machine
from loadtest.results import Result

AIMS: Final = (
    (FRONT_DOOR, TEXTBOOK, 3.5, "service given"),
    (FRONT_DOOR, BARE, 0.5, "service given"),
    (FREE, BARE, 0.25, "free text, understood on the way"),
)
"""Highest rate of the one, of the other, the ratio aimed at, and what is sent."""
AIM_P99: Final = 0.025
AIM_SHARE: Final = 0.7


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one suite measured; kept as JSON beside the report."""

    machine: Machine
    began_at: str
    scale: float
    """How much shorter than written the scenarios ran."""
    comparison: Comparison | None = None
    runs: list[Result] = []

    @property
    def ok(self) -> bool:
        """Whether every scenario's expectations were met."""
        return all(run.ok for run in self.runs)


def write(suite: Suite) -> str:
    """The page; pictures are named as `loadtest.suite` writes them."""
    parts = [_head(suite)]
    if suite.comparison is not None:
        parts += [_highest(suite.comparison), _ratios(suite.comparison), _latency(suite.comparison)]
    if suite.runs:
        parts += [_runs(suite), *(_run(run) for run in suite.runs)]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _head(suite: Suite) -> str:
    machine = suite.machine
    packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    return (
        "# Load test\n\n"
        f"{suite.began_at}, commit `{machine.commit}`. {machine.cores} cores ({machine.processor}), "
        f"{machine.memory_gb} GB, {machine.system}, Python {machine.python}; {packages}"
        f"{'; ' + machine.database if machine.database else ''}. Generator, servers and database share the machine. "
        f"Load average in the minute before: {machine.load_before}"
        f"{' — something else was running, so read ratios rather than figures' if machine.load_before > 0.5 else ''}.\n\n"
        "Latency counts from the moment a request was meant to start, so a stall shows in everything behind it."
    )


def _highest(comparison: Comparison) -> str:
    rows = [
        [
            name,
            f"**{found.median:,.0f}**",
            ", ".join(f"{rate:,.0f}" for rate in found.rates),
            *(f"{median(each):,.0f}" for each in (found.server_cpu, found.database_cpu, found.client_cpu)),
            str(found.failed),
        ]
        for name, found in comparison.highest.items()
    ]
    head = (
        "",
        "requests/s at most (median)",
        "rounds",
        "server µs/request",
        "database µs/request",
        "generator µs/request",
        "not accepted",
    )
    return (
        "## How much at most\n\n"
        f"{comparison.connections} connections, each sending its next request when the last was answered; rounds "
        "interleaved. Durably stored, but for the bare handler, which stores nothing. No back ends: deliveries stay queued. "
        "The microseconds are processor time, which a busy machine changes less than it changes rates.\n\n"
        f"{table(head, rows)}\n\n![Highest rates](highest.png)"
    )


def _ratios(comparison: Comparison) -> str:
    rows = [
        [
            f"{one} / {other}, {what}",
            f"{comparison.ratio(one, other):.2f}",
            f"≥ {aim:g}",
            _mark(comparison.ratio(one, other) >= aim),
        ]
        for one, other, aim, what in AIMS
    ]
    for name in (FRONT_DOOR, FREE):
        point = _point_at(comparison, name)
        if point is not None:
            p99 = point.latency.p99
            ok = p99 <= AIM_P99 and not point.failed
            said = f"{p99 * 1000:.1f} ms"
            rows.append([f"{name}: p99 at {AIM_SHARE:.0%} of its highest rate", said, "≤ 25 ms", _mark(ok)])
    return f"## Against the aims\n\n{table(('', 'found', 'aim', ''), rows)}"


def _latency(comparison: Comparison) -> str:
    rows = [
        [
            name,
            f"{point.share:.0%}",
            f"{point.offered:,.0f}",
            f"{point.accepted:,.0f}",
            *(f"{seconds * 1000:.1f}" for seconds in _figures(point)),
            str(point.shed + point.failed),
        ]
        for name, points in comparison.points.items()
        for point in points
    ]
    head = (
        *("", "of its highest", "offered/s", "accepted/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms"),
        *("most ms", "generator late p99 ms", "not accepted"),
    )
    return (
        f"## Latency against load, open loop\n\n{table(head, rows)}\n\n"
        "![p99 against throughput](curves.png)\n\n![Latency by percentile](percentiles.png)"
    )


def _figures(point: Point) -> list[float]:
    latency = point.latency
    return [latency.p50, latency.p90, latency.p99, latency.p999, latency.most, point.lateness.p99]


def _point_at(comparison: Comparison, name: str) -> Point | None:
    return next((point for point in comparison.points[name] if point.share == AIM_SHARE), None)


def _runs(suite: Suite) -> str:
    rows = [
        [
            f"[{run.scenario}](#{run.scenario})",
            f"{run.offered / run.seconds:,.0f}",
            f"{max((second.offered for second in run.timeline), default=0):,}",
            f"{run.accepted:,}",
            str(run.shed),
            str(run.failed),
            "not checked" if run.lost is None else str(run.lost),
            f"{run.latency.p50 * 1000:.1f}",
            f"{run.latency.p99 * 1000:.1f}",
            f"{max((point.waiting for point in run.queue), default=0):,.0f}",
            "not known" if run.drained is None else f"{run.drained:.1f}",
            _mark(run.ok),
        ]
        for run in suite.runs
    ]
    head = (
        *(
            "scenario",
            "offered/s",
            "busiest second",
            "accepted",
            "shed",
            "failed",
            "lost",
            "p50 ms",
            "p99 ms",
        ),
        *("most waiting", "drained s", ""),
    )
    shorter = (
        ""
        if suite.scale == 1
        else f" Each ran {suite.scale:g} times as long as its file says, at the same rates."
    )
    return (
        "## Scenarios, all the way to the stand-in back ends\n\n"
        "The whole way: the door understands, stores, and hands over to stand-ins of every organisation, which run on the "
        f"same machine and answer with status. Every acknowledged reference was looked for afterwards.{shorter}\n\n"
        f"{table(head, rows)}"
    )


def _run(run: Result) -> str:
    verdicts = [[each.name, each.expected, each.found, _mark(each.ok)] for each in run.verdicts]
    return (
        f"### {run.scenario}\n\n{run.about}\n\n{table(('', 'expected', 'found', ''), verdicts)}\n\n"
        f"Generator: late by {run.lateness.p99 * 1000:.1f} ms (p99), "
        f"{run.client_cpu / max(run.offered, 1) * 1e6:,.0f} µs of processor time a request, "
        f"{run.connections} connections at most.\n\n"
        f"![{run.scenario}]({run.scenario}.png)"
    )


def _mark(ok: bool) -> str:  # noqa: FBT001
    return "met" if ok else "**missed**"
