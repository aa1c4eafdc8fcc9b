"""How often somebody may call: small buckets that fill with time. Where a person may be in danger no bucket is asked."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.clock import Clock

_MOST: Final = 50_000


class Buckets:
    """One bucket for each name: `burst` at once, and `rate` a second after that."""

    def __init__(self, clock: Clock, *, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one; 0 if there was one, else the seconds until there is."""
        now = self._clock.monotonic()
        left, at = self._buckets.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[name] = (left - 1 if wait == 0 else left, now)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return wait

    def give_back(self, name: str) -> None:
        """One that was taken was no abuse."""
        if name in self._buckets:
            left, at = self._buckets[name]
            self._buckets[name] = (min(self._burst, left + 1), at)
