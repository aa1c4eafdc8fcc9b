"""How fast and how often: the rate an organisation bears, and the wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta


class RateLimit:
    """A token bucket: `rate` a second on average, `burst` at once. `rate` of 0 means no limit."""

    def __init__(self, monotonic: Callable[[], float], *, rate: float, burst: int) -> None:
        self._monotonic = monotonic
        self._rate = rate
        self._burst = float(max(burst, 1))
        self._tokens = self._burst
        self._at = monotonic()

    def allows(self, wanted: int) -> int:
        """How many of `wanted` may begin now."""
        if self._rate <= 0:
            return wanted
        self._refill()
        return min(wanted, int(self._tokens))

    def took(self, count: int) -> None:
        """`count` began."""
        if self._rate > 0:
            self._tokens -= count

    def seconds_until_one(self) -> float:
        """How long until one more may begin."""
        if self._rate <= 0:
            return 0.0
        self._refill()
        return max(0.0, (1 - self._tokens) / self._rate)

    def _refill(self) -> None:
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


FIRST_WAIT = 1.0
LONGEST_WAIT = 900.0


def backoff(attempt: int, *, asked: float | None = None, chance: random.Random | None = None) -> timedelta:
    """The wait after failed attempt number `attempt` (from 1): doubling, bounded, and half of it jitter.

    So what failed together does not come back together. `asked`: the organisation's own Retry-After in seconds, a lower
    bound.
    """
    spread = (chance or random).uniform(0.5, 1.0)
    wait = min(FIRST_WAIT * 2 ** min(attempt - 1, 20), LONGEST_WAIT) * spread
    return timedelta(seconds=max(wait, min(asked or 0.0, 86400.0) * (1 + spread / 10)))
