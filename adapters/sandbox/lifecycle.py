"""Cases that move along by themselves: acknowledged, in progress, resolved, after chosen delays."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from adapters.sandbox.ledger import RECEIVED, Case, Change, Ledger

STAGES: Final[tuple[tuple[str, float], ...]] = (
    ("acknowledged", 1.0),
    ("in_progress", 2.0),
    ("resolved", 3.0),
)
"""Status and how many seconds after the one before it. Each protocol translates the words into its own."""


class Lifecycle:
    """Moves the cases of one ledger through its stages.

    Time is passed in: `advance(now)` does what is due by then, and `run` calls it with the ledger's clock.
    """

    def __init__(self, ledger: Ledger, *, stages: Sequence[tuple[str, float]] = STAGES) -> None:
        self.ledger = ledger
        self.stages = tuple(stages)
        self._order = {status: place for place, (status, _) in enumerate(self.stages)}
        self._due: list[tuple[datetime, str, int]] = []
        for case in ledger:
            self.begin(case)

    def begin(self, case: Case) -> None:
        """Put a case on its way, or back on it after a restart. One moved elsewhere by hand stays put."""
        if case.status == RECEIVED:
            self._plan(case, 0, case.received_at)
        elif case.status in self._order:
            self._plan(case, self._order[case.status] + 1, case.history[-1].at)

    def advance(self, now: datetime, *, stamp: datetime | None = None) -> list[Change]:
        """Do what is due by `now` and say what changed, oldest first.

        A change is dated when it was due, or `stamp` if given (for a caller that only pretends it is later).
        """
        changed: list[Change] = []
        while self._due and self._due[0][0] <= now:
            due, reference, stage = heapq.heappop(self._due)
            case = self.ledger.get(reference)
            before = self.stages[stage - 1][0] if stage else RECEIVED
            if case is None or case.status != before:
                continue  # the ledger was reset, or somebody moved the case by hand
            change = self.ledger.change(case, self.stages[stage][0], at=stamp or due)
            self._plan(case, stage + 1, due)
            changed.append(change)
        return changed

    def move(
        self, external_reference: str, status: str, *, note: str = "", at: datetime | None = None
    ) -> Change:
        """Set a case's status by hand (`rejected`, `cancelled`, …). Raises `KeyError` if it is unknown."""
        case = self.ledger.get(external_reference)
        if case is None:
            raise KeyError(external_reference)
        change = self.ledger.change(case, status, note=note, at=at)
        self.begin(case)
        return change

    async def run(
        self, publish: Callable[[Sequence[Change]], Awaitable[None]], *, every: float = 0.1
    ) -> None:
        """Advance for ever by the ledger's clock, handing what changed to `publish`. Ends by cancellation."""
        while True:
            now = self.ledger.clock()
            # Dated now, not when due: who polled up to an earlier moment must not miss it.
            changed = self.advance(now, stamp=now)
            if changed:
                await publish(changed)
            await asyncio.sleep(every)

    def _plan(self, case: Case, stage: int, since: datetime) -> None:
        if stage < len(self.stages):
            due = since + timedelta(seconds=self.stages[stage][1])
            heapq.heappush(self._due, (due, case.external_reference, stage))
