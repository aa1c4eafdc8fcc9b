"""Who calls too often waits a little; whoever may be in danger never does."""

from __future__ import annotations

import math
from typing import Final

import msgspec
from aiohttp import web

from gateway.api.endpoint import CALLER
from gateway.api.problems import ProblemError, problem
from gateway.callers import Caller
from gateway.clock import Clock

WINDOW: Final = 60
"""Seconds of a window."""
_MOST: Final = 50_000


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a caller stands after this call."""

    quota: int
    left: int
    """Below 0: over."""
    seconds: int
    """Until the window is new."""

    @property
    def over(self) -> bool:
        """Whether this call is one too many."""
        return self.left < 0

    @property
    def headers(self) -> dict[str, str]:
        """The RateLimit headers (IETF draft)."""
        return {
            "RateLimit-Policy": f'"default";q={self.quota};w={WINDOW}',
            "RateLimit": f'"default";r={max(0, self.left)};t={self.seconds}',
        }


class Limits:
    """Counts calls by caller, in windows that begin with the first call. Per process: a guard, not an account."""

    def __init__(self, clock: Clock, *, person: int, key: int) -> None:
        self._clock = clock
        self._person = person
        self._key = key
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def count(self, caller: Caller) -> Standing:
        """Count one call."""
        now = self._clock.monotonic()
        quota = caller.per_minute or (self._key if caller.kind == "key" else self._person)
        name = caller.authority, caller.subject
        began, calls = self._windows.get(name, (now, 0))
        if now - began >= WINDOW:
            began, calls = now, 0
        if name not in self._windows and len(self._windows) >= _MOST:
            self._forget(now)
        self._windows[name] = began, calls + 1
        return Standing(quota=quota, left=quota - calls - 1, seconds=max(1, math.ceil(began + WINDOW - now)))

    def _forget(self, now: float) -> None:
        self._windows = {name: each for name, each in self._windows.items() if now - each[0] < WINDOW}
        if len(self._windows) >= _MOST:
            self._windows.clear()


LIMITS = web.AppKey("limits", Limits)
STANDING = web.RequestKey("standing", Standing)


def too_many(standing: Standing) -> ProblemError:
    """The answer to one call too many."""
    return problem(
        429,
        "too-many",
        "Too many calls",
        f"{standing.quota} a minute are fine; try again in {standing.seconds} s",
        headers={**standing.headers, "Retry-After": str(standing.seconds)},
    )


def refuse_if_over(request: web.Request) -> None:
    """For handlers of `Limit.UNLESS_DANGER`: refuse one call too many, now that nobody is in danger."""
    if CALLER in request and (standing := request.get(STANDING)) is not None and standing.over:
        raise too_many(standing)
