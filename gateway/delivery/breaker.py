"""A circuit breaker: stop knocking at a door that does not open, and knock once in a while.

    closed ──(failures in a row, or too many of the last)──▶ open ──(cooldown)──▶ half open ──(one probe)──▶ closed
                                                              ▲──────────────(the probe failed)───┘

Kept in the process, by a monotonic clock passed in: what must survive a restart is the queue, not an opinion about it.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Final

_ANSWERED: Final = "answered"


class Position(enum.IntEnum):
    """What the breaker lets through; the number is the metric's value."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Counts one organisation's failures to answer. A refusal is an answer, so it counts as health.

    It opens after `failures` in a row, or when at least half of the last `window` attempts failed (once the window is
    full). Each further opening waits twice as long, up to `longest` seconds. One delivery counts once however often it
    fails: what is wrong with a single hand-over must not keep the door shut for all the others.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        failures: int = 5,
        cooldown: float = 10.0,
        longest: float = 300.0,
        window: int = 20,
    ) -> None:
        self._monotonic = monotonic
        self._failures = failures
        self._cooldown = cooldown
        self._longest = longest
        self._recent: deque[object] = deque(maxlen=window)
        """What failed, or `_ANSWERED`, of the last attempts."""
        self._in_a_row: set[object] = set()
        self._tries_in_a_row = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probing = False
        self._failed_probe: object = None

    @property
    def failing(self) -> bool:
        """Whether nothing says that the organisation answers: not closed, or one delivery after another try failed."""
        return self._open_until is not None or self._tries_in_a_row >= self._failures

    @property
    def position(self) -> Position:
        """Closed, half open (one probe may go) or open."""
        if self._open_until is None:
            return Position.CLOSED
        return Position.OPEN if self._monotonic() < self._open_until else Position.HALF_OPEN

    def allows(self, wanted: int) -> int:
        """How many of `wanted` attempts may begin now."""
        match self.position:
            case Position.CLOSED:
                return wanted
            case Position.HALF_OPEN:
                return 0 if self._probing else min(wanted, 1)
            case Position.OPEN:
                return 0

    def began(self) -> None:
        """An attempt begins; while half open it is the probe."""
        if self.position is Position.HALF_OPEN:
            self._probing = True

    def abandoned(self) -> None:
        """An attempt was given back before it could tell us anything."""
        self._probing = False

    def succeeded(self) -> None:
        """The organisation answered."""
        self._recent.append(_ANSWERED)
        self._in_a_row.clear()
        self._tries_in_a_row = 0
        if self.position is Position.HALF_OPEN:
            self._recent.clear()
            self._openings = 0
            self._open_until = None
        self._probing = False

    def failed(self, retry_after: float | None = None, *, of: object = None) -> None:
        """The organisation did not answer, or asked to be left alone for `retry_after` seconds.

        `of` names the delivery; without it the failure counts as another's than all before.
        """
        name = object() if of is None else of
        known = name in self._recent
        if not known:
            self._recent.append(name)
        self._in_a_row.add(name)
        self._tries_in_a_row += 1
        full = len(self._recent) == self._recent.maxlen
        too_many = full and not known and self._recent.count(_ANSWERED) * 2 <= len(self._recent)
        probe_failed = self.position is Position.HALF_OPEN
        if probe_failed:
            self._failed_probe = name
        if retry_after is not None or probe_failed or len(self._in_a_row) >= self._failures or too_many:
            self._open(retry_after, longer=not known)
        self._probing = False

    def behind_others(self, of: object) -> float:
        """How many seconds a delivery that failed should stand back, so that another is the next probe."""
        wait = self.seconds_until_probe() or 0.0
        return wait + 1.0 if wait and of == self._failed_probe else wait

    def seconds_until_probe(self) -> float | None:
        """How long until the next attempt may begin; `None` while closed."""
        return None if self._open_until is None else max(0.0, self._open_until - self._monotonic())

    def _open(self, retry_after: float | None, *, longer: bool) -> None:
        if self.position is Position.OPEN and retry_after is None:
            return  # attempts that were under way when it opened tell nothing new
        wait = min(self._cooldown * 2**self._openings, self._longest)
        if retry_after is not None:
            wait = min(max(retry_after, 0.1), 3600.0)
        elif longer or not self._openings:
            self._openings += 1
        self._open_until = self._monotonic() + wait
