"""Seconds that have passed, the time in which the machine slept among them."""

from __future__ import annotations

import time
from typing import Final

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The monotonic clock stands still while a virtual machine is suspended; leases and breakers do not."""


def elapsed() -> float:
    """Seconds from an arbitrary start; never goes back."""
    return time.clock_gettime(_CLOCK)
