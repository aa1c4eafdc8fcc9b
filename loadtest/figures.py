"""Pictures of what was measured, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from loadtest.comparing import BARE, FREE, FRONT_DOOR, TEXTBOOK, Comparison
from loadtest.results import Result

mpl.use("Agg")

# Four hues that stay apart for the colour-blind (Okabe and Ito), and a mark each for print without colour.
_COLOURS: Final = {FRONT_DOOR: "#0072B2", FREE: "#56B4E9", TEXTBOOK: "#D55E00", BARE: "#555555"}
_MARKS: Final = {FRONT_DOOR: "o", FREE: "^", TEXTBOOK: "s", BARE: "x"}
_AT: Final = 0.7


def draw_highest(comparison: Comparison, file: Path) -> None:
    """The most requests a second, median of the rounds, with the lowest and highest round."""
    figure, axes = _figure(7, 3)
    names = [*comparison.highest]
    for number, name in enumerate(names):
        found = comparison.highest[name]
        low, high = found.median - min(found.rates), max(found.rates) - found.median
        axes.barh(number, found.median, color=_COLOURS[name], xerr=[[low], [high]], capsize=3, height=0.6)
        axes.text(found.median, number - 0.36, f" {found.median:,.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("requests a second at most (median; whiskers: lowest and highest round)")
    _save(figure, file)


def draw_curves(comparison: Comparison, file: Path) -> None:
    """99th percentile against what was really accepted, for rising offered rates."""
    figure, axes = _figure(7, 4)
    for name, points in comparison.points.items():
        axes.plot(
            [point.accepted for point in points],
            [point.latency.p99 * 1000 for point in points],
            color=_COLOURS[name],
            marker=_MARKS[name],
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("requests a second accepted (open loop)")
    axes.set_ylabel("p99 from the intended start, ms")
    axes.axhline(25, color="#999999", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False)
    _save(figure, file)


def draw_percentiles(comparison: Comparison, file: Path) -> None:
    """Latency by percentile at 70 % of each one's highest rate."""
    figure, axes = _figure(7, 4)
    for name, points in comparison.points.items():
        curve = next((point.curve for point in points if point.share == _AT), [])
        places = [1 / (1 - percent / 100) for percent, _ in curve]
        axes.plot(places, [seconds * 1000 for _, seconds in curve], color=_COLOURS[name], label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = [50, 90, 99, 99.9, 99.99]
    axes.set_xticks([1 / (1 - percent / 100) for percent in shown], [f"{percent:g} %" for percent in shown])
    axes.minorticks_off()
    axes.set_xlabel("share of requests")
    axes.set_ylabel("from the intended start, ms")
    axes.set_title(f"at {_AT:.0%} of its own highest rate", fontsize=10)
    axes.legend(frameon=False)
    _save(figure, file)


def draw_run(result: Result, file: Path) -> None:
    """One scenario, second by second: requests, latency, and the queue of deliveries."""
    figure = Figure(figsize=(8, 7.5), layout="constrained")
    requests, latency, queue = figure.subplots(3, 1, sharex=True)
    at = [second.at for second in result.timeline]
    requests.plot(at, [second.offered for second in result.timeline], color="#999999", label="offered")
    requests.plot(at, [second.accepted for second in result.timeline], color="#0072B2", label="accepted")
    if result.shed:
        requests.plot(at, [second.shed for second in result.timeline], color="#E69F00", label="shed (503)")
    if result.failed:
        requests.plot(at, [second.failed for second in result.timeline], color="#D55E00", label="failed")
    requests.set_ylabel("requests a second")
    shown = [second for second in result.timeline if second.accepted]
    latency.plot([s.at for s in shown], [s.p99 * 1000 for s in shown], color="#D55E00", label="p99")
    latency.plot([s.at for s in shown], [s.p50 * 1000 for s in shown], color="#0072B2", label="p50")
    latency.set_yscale("log")
    latency.set_ylabel("from intended start, ms")
    queue.plot(
        [p.at for p in result.queue], [p.waiting for p in result.queue], color="#0072B2", label="waiting"
    )
    queue.set_ylabel("deliveries waiting")
    queue.set_ylim(bottom=0)
    queue.set_xlabel("seconds")
    for axes in (requests, latency, queue):
        _tidy(axes)
        axes.legend(frameon=False, loc="upper right", fontsize=8)
    _save(figure, file)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _tidy(axes)
    return figure, axes


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _save(figure: Figure, file: Path) -> None:
    # Neither date nor version of the library: the same figures make the same file.
    figure.savefig(file, dpi=110, metadata={"Software": None})
