"""What a run found, as kept in JSON beside the report."""

from __future__ import annotations

import msgspec

from loadtest.histogram import LatencySummary
from loadtest.tally import Second


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation and what was found."""

    name: str
    expected: str
    found: str
    ok: bool


class QueuePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway said of its own queue at one moment."""

    at: float
    """Seconds since the start of the run."""
    waiting: float
    """Deliveries not yet taken by an organisation."""
    delivered: float
    """Deliveries taken since the start of the run."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times are in seconds."""

    scenario: str
    about: str
    began_at: str
    seconds: float
    """How long requests arrived."""
    offered: int
    accepted: int
    shed: int
    failed: int
    statuses: dict[str, int]
    failures: dict[str, int]
    latency: LatencySummary
    """Of what was acknowledged, from the intended start."""
    lateness: LatencySummary
    """The generator's own part in it."""
    curve: list[tuple[float, float]]
    client_cpu: float
    """Seconds of processor time the generator itself used, reading the queue's figures included."""
    connections: int
    """The most that were open at once."""
    timeline: list[Second]
    queue: list[QueuePoint] = []
    lost: int | None = None
    """Acknowledged requests that were not there afterwards; nothing if it was not checked."""
    drained: float | None = None
    """Seconds after the last request until nothing waited; nothing if it did not end, or was not looked at."""
    verdicts: list[Verdict] = []

    @property
    def ok(self) -> bool:
        """Whether every expectation was met."""
        return all(verdict.ok for verdict in self.verdicts)
