"""Intended starts follow the steps, whatever the server does."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import Step, intended_starts

rates = st.floats(min_value=0, max_value=500)
steps = st.lists(
    st.builds(
        lambda rate, to, seconds: Step(rate=rate, to=to, seconds=seconds),
        rates,
        st.none() | rates,
        st.floats(min_value=0.1, max_value=4),
    ),
    min_size=1,
    max_size=4,
)


@given(steps, st.sampled_from(["even", "poisson"]), st.integers(0, 100))
def test_starts_rise_and_stay_within_the_run(steps: list[Step], spacing, seed: int):
    """No request is meant to start before the one before it, or after the end."""
    starts = list(intended_starts(steps, spacing, Random(seed)))
    assert starts == sorted(starts)
    total = sum(step.seconds for step in steps)
    assert all(0 <= start <= total for start in starts)


@given(steps)
def test_even_arrivals_are_as_many_as_the_rates_say(steps: list[Step]):
    """The area under the rates, rounded."""
    starts = list(intended_starts(steps, "even", Random(1)))
    assert abs(len(starts) - sum(step.expected for step in steps)) <= 1


def test_a_constant_rate_is_evenly_spaced():
    """Ten a second is one each 100 ms."""
    starts = list(intended_starts([Step(rate=10, seconds=1)], "even", Random(1)))
    assert starts == pytest.approx([number / 10 for number in range(10)])


def test_a_rising_rate_rises():
    """From 0 to 100 a second in 10 s, a quarter arrives in the first half."""
    starts = list(intended_starts([Step(rate=0, to=100, seconds=10)], "even", Random(1)))
    assert len(starts) == 500
    assert sum(start < 5 for start in starts) == pytest.approx(125, abs=1)


def test_random_arrivals_have_the_rate_on_average_and_bunch():
    """Independent callers: the spread of counts in equal spans is about the count itself."""
    starts = list(intended_starts([Step(rate=100, seconds=200)], "poisson", Random(7)))
    assert len(starts) == pytest.approx(20_000, rel=0.03)
    counts = [0] * 200
    for start in starts:
        counts[int(start)] += 1
    mean = sum(counts) / 200
    assert sum((count - mean) ** 2 for count in counts) / 200 == pytest.approx(100, rel=0.4)


def test_the_same_seed_gives_the_same_starts():
    """So a run can be repeated."""
    wanted = [Step(rate=50, to=10, seconds=5)]
    first = list(intended_starts(wanted, "poisson", Random(3)))
    assert first == list(intended_starts(wanted, "poisson", Random(3)))
    assert first != list(intended_starts(wanted, "poisson", Random(4)))
