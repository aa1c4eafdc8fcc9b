"""Latencies as an HDR histogram: any number of them in a fixed size, each kept to three significant digits."""

from __future__ import annotations

from typing import Final

import msgspec
from hdrh.histogram import HdrHistogram

_MICROSECONDS: Final = 1_000_000
_MOST: Final = 600 * _MICROSECONDS
_DIGITS: Final = 3


class LatencySummary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures people compare. All in seconds; 0 where nothing was recorded."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    most: float


class Latencies:
    """Counts seconds from 1 microsecond to 10 minutes; what is outside counts as the nearest of those."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _MOST, _DIGITS)

    def __len__(self) -> int:
        return int(self._histogram.total_count)

    def record(self, seconds: float) -> None:
        """Count one."""
        self._histogram.record_value(min(max(round(seconds * _MICROSECONDS), 1), _MOST))

    def add(self, other: Latencies) -> None:
        """Count everything the other one counted."""
        self._histogram.add(other._histogram)

    def at(self, *percents: float) -> list[float]:
        """For each percent (0 to 100) the seconds within which that share of all was done."""
        if not len(self):
            return [0.0 for _ in percents]
        found = self._histogram.get_percentile_to_value_dict(list(percents))
        return [found[percent] / _MICROSECONDS for percent in percents]

    def summary(self) -> LatencySummary:
        """The usual figures."""
        p50, p90, p99, p999 = self.at(50, 90, 99, 99.9)
        if not len(self):
            return LatencySummary(count=0, mean=0.0, p50=p50, p90=p90, p99=p99, p999=p999, most=0.0)
        return LatencySummary(
            count=len(self),
            mean=self._histogram.get_mean_value() / _MICROSECONDS,
            p50=p50,
            p90=p90,
            p99=p99,
            p999=p999,
            most=self._histogram.get_max_value() / _MICROSECONDS,
        )

    def curve(self) -> list[tuple[float, float]]:
        """Percent and seconds, finer towards 100: the usual percentile picture."""
        percents = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9, 99.95, 99.99]
        useful = [percent for percent in percents if len(self) * (100 - percent) / 100 >= 1]
        return list(zip(useful, self.at(*useful), strict=True)) if useful else []
