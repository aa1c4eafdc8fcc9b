"""What came of a load: statuses, latencies, a line for each second, and every reference that was acknowledged."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from loadtest.histogram import Latencies


class References:
    """Acknowledged references, one after the other in one block of bytes: about 14 bytes each."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept.decode().split())

    def keep(self, reference: bytes) -> None:
        """Keep one."""
        self._kept += reference + b"\n"
        self._count += 1


def reference_in(body: bytes) -> bytes | None:
    """The reference of an acknowledgement, found without reading the rest of it."""
    start = body.find(b'"reference":')
    if start < 0:
        return None
    start = body.find(b'"', start + 12) + 1
    end = body.find(b'"', start)
    return body[start:end] if start and end > start else None


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the requests that were meant to start within one second."""

    at: int
    """Whole seconds since the start."""
    offered: int
    accepted: int
    shed: int
    failed: int
    p50: float
    p99: float
    most: float


class Timeline:
    """Counts by the second of the intended start."""

    def __init__(self) -> None:
        self._offered: Counter[int] = Counter()
        self._shed: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()
        self._latencies: defaultdict[int, array[float]] = defaultdict(lambda: array("f"))

    def offered(self, intended: float) -> None:
        """One more is due."""
        self._offered[int(intended)] += 1

    def accepted(self, intended: float, latency: float) -> None:
        """One was acknowledged."""
        self._latencies[int(intended)].append(latency)

    def shed(self, intended: float) -> None:
        """One was told to come back."""
        self._shed[int(intended)] += 1

    def failed(self, intended: float) -> None:
        """One failed."""
        self._failed[int(intended)] += 1

    def seconds(self) -> list[Second]:
        """The lines, oldest first."""
        return [self._line(at) for at in range(max(self._offered, default=-1) + 1)]

    def _line(self, at: int) -> Second:
        latencies = sorted(self._latencies[at])
        count = len(latencies)
        return Second(
            at=at,
            offered=self._offered[at],
            accepted=count,
            shed=self._shed[at],
            failed=self._failed[at],
            p50=latencies[count // 2] if count else 0.0,
            p99=latencies[min(int(count * 0.99), count - 1)] if count else 0.0,
            most=latencies[-1] if count else 0.0,
        )


class Tally:
    """Everything counted in one run."""

    def __init__(self, keys: int = 1) -> None:
        self.offered = 0
        self.shed = 0
        """Answered 503 with Retry-After: the server protects itself."""
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        """Without an answer, by why: `timeout`, `lost`, `refused`, `unsent`."""
        self.latency = Latencies()
        """Of what was acknowledged, from the intended start."""
        self.other_latency = Latencies()
        """Of everything else, failures included: until it was given up."""
        self.lateness = Latencies()
        """How late the generator itself was, where a connection was free: its own part in the latencies."""
        self.references = [References() for _ in range(keys)]
        """By key."""
        self.unreadable = 0
        """Acknowledgements without a reference."""
        self.timeline = Timeline()

    @property
    def accepted(self) -> int:
        """How many were acknowledged."""
        return len(self.latency)

    @property
    def failed(self) -> int:
        """How many were neither acknowledged nor shed."""
        return self.offered - self.accepted - self.shed

    def answered(
        self, key: int, intended: float, latency: float, status: int, *, sheds: bool, body: bytes
    ) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        if status == 201:
            self.latency.record(latency)
            self.timeline.accepted(intended, latency)
            reference = reference_in(body)
            if reference is None:
                self.unreadable += 1
            else:
                self.references[key].keep(reference)
            return
        self.other_latency.record(latency)
        if status == 503 and sheds:
            self.shed += 1
            self.timeline.shed(intended)
        else:
            self.timeline.failed(intended)

    def gave_up(self, intended: float, latency: float, why: str) -> None:
        """Count a request that got no answer."""
        self.failures[why] += 1
        self.other_latency.record(latency)
        self.timeline.failed(intended)
