"""What every piece of staff's work needs: the store, the rules in use, the time, and a way to wake the courier."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.clock import Clock
from gateway.errors import Conflict, NotFound
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import ENDED, State, may_follow
from gateway.store import work
from gateway.store.pool import Connection, Pool, unavailable_is_clear
from gateway.store.scope import scoped, searching
from gateway.store.versions import Whole, lock_request
from gateway.store.work import Item
from gateway.understanding import Understanding
from gateway.work.seen import ANY, Seen
from routing_rules.authority import Authority


class Desk:
    """One a process."""

    def __init__(
        self,
        pool: Pool,
        understanding: Understanding,
        clock: Clock,
        metrics: Metrics,
        *,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.pool = pool
        self.understanding = understanding
        self.clock = clock
        self.metrics = metrics
        self.wake = wake

    def authority(self, code: str) -> Authority:
        """The rules of an authority as they are now."""
        return self.understanding.door.authority(code)

    @contextlib.asynccontextmanager
    async def change(self, authority: str) -> AsyncIterator[Connection]:
        """A transaction of one authority; what the database may say while it is away is `StoreUnavailable`."""
        with unavailable_is_clear():
            async with scoped(self.pool, authority) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def view(self, authority: str) -> AsyncIterator[Connection]:
        """The same, reading alone: all its statements see the same moment."""
        with unavailable_is_clear():
            async with scoped(self.pool, authority, snapshot=True) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def search(self, authority: str) -> AsyncIterator[Connection]:
        """Where ids are found by likeness; what they are is then read within `view`."""
        with unavailable_is_clear():
            async with searching(self.pool, authority) as connection:
                yield connection

    async def take(
        self,
        connection: Connection,
        authority: str,
        referral_id: UUID,
        *,
        seen: Seen = ANY,
        actor: str | None = None,
        deliveries: bool = False,
    ) -> Item:
        """Lock a referral to change it. With `actor`, only if nobody else works on it.

        Raises `NotFound`, `Stale`, and `Conflict` where a colleague has claimed it.
        """
        item = await work.lock(connection, authority, referral_id, deliveries=deliveries)
        if item is None:
            raise NotFound(f"there is no referral {referral_id}")
        seen.check(item.version)
        if actor is not None:
            self.check_free(item, actor)
        return item

    def check_free(self, item: Item, actor: str) -> None:
        """Raise `Conflict` if somebody else works on it now."""
        holder = item.holder(self.clock.now())
        if holder is not None and holder != actor:
            raise Conflict(f"{holder} works on it until {item.claimed_until:%Y-%m-%d %H:%M} UTC")

    async def take_request(
        self, connection: Connection, authority: str, reference: str, *, seen: Seen = ANY
    ) -> Whole:
        """Lock a request to change it. Raises `NotFound` and `Stale`."""
        whole = await lock_request(connection, authority, reference)
        if whole is None:
            raise NotFound(f"there is no request {reference}")
        seen.check(whole.version)
        return whole

    async def tell(
        self,
        connection: Connection,
        authority: str,
        item: Item,
        kind: str,
        actor: str,
        detail: dict[str, Any] | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Write down what a person did, in the transaction in which they do it."""
        now = now or self.clock.now()
        await work.tell(connection, authority, item, kind, actor, detail or {}, uuid7(now), now)


def check_moves(item: Item, state: State) -> None:
    """Raise `Conflict` unless the referral may go to `state`: by the one table of transitions, and no alarm rings."""
    if not may_follow(item.state, state):
        raise Conflict(f"a referral that is {item.state} cannot become {state}")
    if item.ringing and state in ENDED:
        raise Conflict("its safeguarding alarm still rings: a named person answers that first")
