"""Rates and waits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.limits import LONGEST_WAIT, RateLimit, backoff


def test_a_burst_goes_at_once_and_then_the_rate(clock):
    """Five at once, then two a second."""
    limit = RateLimit(clock.monotonic, rate=2, burst=5)
    assert limit.allows(9) == 5
    limit.took(5)
    assert limit.allows(9) == 0
    assert limit.seconds_until_one() == pytest.approx(0.5)
    clock.pass_(1)
    assert limit.allows(9) == 2


def test_unused_allowance_does_not_pile_up(clock):
    """An hour of quiet does not make a flood."""
    limit = RateLimit(clock.monotonic, rate=2, burst=5)
    clock.pass_(3600)
    assert limit.allows(1000) == 5


@given(st.integers(1, 200), st.integers())
def test_a_wait_is_bounded_and_never_nothing(attempt, seed):
    """However often it failed, it is tried again, and not at once."""
    wait = backoff(attempt, chance=random.Random(seed)).total_seconds()
    assert 0.5 <= wait <= LONGEST_WAIT


@given(st.integers(1, 20), st.floats(0, 86400), st.integers())
def test_retry_after_is_a_lower_bound(attempt, asked, seed):
    """An organisation is never asked again before it said."""
    assert backoff(attempt, asked=asked, chance=random.Random(seed)).total_seconds() >= asked


def test_what_failed_together_does_not_come_back_together():
    """Waits are spread over half their length."""
    chance = random.Random(1)
    waits = [backoff(5, chance=chance).total_seconds() for _ in range(200)]
    assert max(waits) - min(waits) > 7
