"""Time, passed in wherever it matters so that tests never sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from adapters.elapsed import elapsed


class Clock(Protocol):
    """Wall time for what is written down, monotonic seconds for what is measured."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's time, read once and carried on by the clock that counts what has passed, asleep or awake.

    A step of the wall clock (an operator, a bad NTP server) therefore neither expires every lease at once nor
    puts off every delivery in a process that is running.
    """

    def __init__(self) -> None:
        self._wall = datetime.now(UTC)
        self._start = elapsed()

    def now(self) -> datetime:
        """Aware UTC."""
        return self._wall + timedelta(seconds=elapsed() - self._start)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return elapsed()
