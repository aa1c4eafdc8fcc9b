"""The histogram agrees with a sorted list."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import Latencies

seconds = st.floats(min_value=1e-6, max_value=599, allow_nan=False)
percents = st.sampled_from([0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0])


def exact(values: list[float], percent: float) -> float:
    """The nearest rank, by sorting."""
    rank = max(math.floor(percent / 100 * len(values) + 0.5), 1)
    return sorted(values)[rank - 1]


def near(found: float, right: float) -> bool:
    """Within three significant digits, and half of the microsecond it counts in."""
    return abs(found - right) <= right * 0.002 + 1e-6


@given(st.lists(seconds, min_size=1, max_size=300), percents)
def test_percentiles_are_those_of_the_sorted_list(values: list[float], percent: float):
    """To three significant digits, whatever the values."""
    latencies = Latencies()
    for value in values:
        latencies.record(value)
    assert near(latencies.at(percent)[0], exact(values, percent))
    summary = latencies.summary()
    assert summary.count == len(values)
    assert near(summary.most, max(values))
    assert near(summary.mean, sum(values) / len(values))


@given(st.lists(seconds, max_size=50), st.lists(seconds, min_size=1, max_size=50), percents)
def test_adding_two_is_recording_all_in_one(one: list[float], other: list[float], percent: float):
    """So several generators, or seconds, can be joined."""
    both, first, second = Latencies(), Latencies(), Latencies()
    for value in one:
        first.record(value)
        both.record(value)
    for value in other:
        second.record(value)
        both.record(value)
    first.add(second)
    assert len(first) == len(both)
    assert first.at(percent) == both.at(percent)


def test_what_is_out_of_range_counts_as_the_nearest():
    """A latency is never silently left out."""
    latencies = Latencies()
    for value in (-1.0, 0.0, 10_000.0):
        latencies.record(value)
    assert len(latencies) == 3
    assert near(latencies.at(100)[0], 600)


def test_nothing_recorded_is_all_zero():
    """No division by nothing."""
    summary = Latencies().summary()
    assert (summary.count, summary.mean, summary.p99, summary.most) == (0, 0, 0, 0)
    assert Latencies().curve() == []


def test_the_curve_shows_no_percentile_that_so_few_values_cannot_know():
    """Of ten values, the 99.9th percentile is a guess."""
    latencies = Latencies()
    for number in range(10):
        latencies.record(number + 1)
    assert max(percent for percent, _ in latencies.curve()) == 90.0
