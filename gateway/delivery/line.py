"""One organisation's line: its adapter, its limits, and how much of it is in use in this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from adapters.base import Adapter, Deduplication
from gateway.clock import Clock
from gateway.delivery.breaker import Breaker
from gateway.delivery.limits import RateLimit, backoff
from gateway.metrics import Metrics
from gateway.store.claims import Slot
from routing_rules.organisation import Organisation


class Line:
    """What the courier asks before it claims, and tells when an attempt begins and ends."""

    def __init__(
        self,
        authority: str,
        organisation: Organisation,
        adapter: Adapter,
        clock: Clock,
        metrics: Metrics,
        *,
        lease_margin: float,
        connected: bool = True,
    ) -> None:
        settings = organisation.delivery
        self.authority = authority
        self.organisation = organisation
        self.adapter = adapter
        self.connected = connected
        """Whether the organisation's own back end is behind it, or the worklist in its place."""
        self.breaker = Breaker(
            clock.monotonic, failures=settings.breaker_threshold, cooldown=settings.breaker_cooldown
        )
        self.rate = RateLimit(clock.monotonic, rate=settings.rate, burst=settings.concurrency)
        self.running = 0
        self.filled = False
        """Whether the last claim took as many as it might: there may be more that is due."""
        self.tried = False
        """Whether anything was ever handed to it in this process."""
        self.backoff: Callable[..., timedelta] = backoff
        """The wait after failed attempt number n, with `asked` as `limits.backoff` has it."""
        self.settles = timedelta()
        """How long a hand-over without an answer may still be at work there: a look-up before says nothing."""
        if adapter.deduplication is Deduplication.LOOKUP:
            self.settles = timedelta(seconds=settings.lookup_after or settings.timeout)
        self.lease = timedelta(seconds=settings.timeout) + max(timedelta(seconds=lease_margin), self.settles)
        self._metrics = metrics
        self._labels = (authority, organisation.code)
        metrics.connected.labels(*self._labels).set(connected)
        metrics.begin_line(*self._labels)
        self.show()

    @property
    def waits_for_acknowledgement(self) -> bool:
        """Whether its taking a referral is not enough: it must say that it has begun. People on a worklist need not."""
        return self.adapter.protocol != "worklist"

    def slot(self) -> Slot | None:
        """What may be claimed now; `None` when nothing may."""
        free = self.organisation.delivery.concurrency - self.running
        free = self.breaker.allows(self.rate.allows(free))
        if free <= 0:
            return None
        return Slot(
            authority_id=self.authority, organisation=self.organisation.code, free=free, lease=self.lease
        )

    def began(self) -> None:
        """An attempt was claimed."""
        self.running += 1
        self.tried = True
        self.rate.took(1)
        self.breaker.began()

    def ended(self) -> None:
        """An attempt is over, whatever came of it."""
        self.running -= 1
        self.show()

    def show(self) -> None:
        """Bring the breaker's gauge up to date."""
        self._metrics.breaker.labels(*self._labels).set(int(self.breaker.position))
