"""When requests are meant to start. Open loop: fixed before the run, whatever the server does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Annotated, Literal

import msgspec

Rate = Annotated[float, msgspec.Meta(ge=0, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Spacing = Literal["even", "poisson"]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of time with one rate, or a rate that changes evenly."""

    rate: Rate
    """Requests a second, at its start."""
    seconds: Seconds
    to: Rate | None = None
    """Requests a second at its end, if that is another rate."""
    name: str = ""
    """For pictures and expectations: `usual`, `storm` …"""

    @property
    def last(self) -> float:
        """Requests a second at its end."""
        return self.rate if self.to is None else self.to

    @property
    def expected(self) -> float:
        """How many requests fall into it."""
        return (self.rate + self.last) / 2 * self.seconds

    def when(self, share: float) -> float:
        """Seconds after its start at which `share` (0 to `expected`) requests have begun."""
        if share <= 0:
            return 0.0
        slope = (self.last - self.rate) / self.seconds
        root = math.sqrt(max(self.rate * self.rate + 2 * slope * share, 0.0))
        return min(2 * share / (self.rate + root), self.seconds)


def intended_starts(steps: Sequence[Step], spacing: Spacing, random: Random) -> Iterator[float]:
    """Seconds since the start of the run, rising. `poisson` is how independent people call; `even` repeats exactly."""
    begun, offset, due = 0.0, 0.0, 0.0 if spacing == "even" else random.expovariate(1.0)
    for step in steps:
        while due < begun + step.expected - 1e-9:
            yield offset + step.when(due - begun)
            due += 1.0 if spacing == "even" else random.expovariate(1.0)
        begun += step.expected
        offset += step.seconds
