"""What leases and breakers count: all that passes, also while the machine is suspended."""

from __future__ import annotations

import sys
import time

import pytest

from adapters.elapsed import elapsed
from gateway.clock import SystemClock


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such clock")
def test_time_asleep_counts() -> None:
    """It is the clock since the machine was started, not the one that stands still while it sleeps."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    counted = SystemClock().monotonic(), elapsed()
    assert before <= min(counted)
    assert max(counted) <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_wall_clock_is_carried_on_by_it() -> None:
    """What is written down passes as fast as what is measured."""
    clock = SystemClock()
    walls, ticks = zip(*((clock.now().timestamp(), clock.monotonic()) for _ in range(100)), strict=True)
    assert list(walls) == sorted(walls)
    assert list(ticks) == sorted(ticks)
