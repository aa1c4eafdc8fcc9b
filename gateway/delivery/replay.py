"""A person decides about a delivery that the courier gave up: send it again, or say that it arrived; with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.clock import Clock
from gateway.errors import Conflict, NotFound
from gateway.identifiers import uuid7
from gateway.model import ENDED, Event, State
from gateway.store import letters
from gateway.store.letters import Letter
from gateway.store.outcomes import add_event
from gateway.store.pool import Connection, Pool, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.store.subscriptions import is_live


class Replay:
    """Replays and settles, each in one transaction with its event."""

    def __init__(self, pool: Pool, clock: Clock, *, wake: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._clock = clock
        self._wake = wake

    async def again(self, authority: str, delivery_id: UUID, *, actor: str, reason: str) -> Letter:
        """Send one again. For an uncertain one this says that it did not arrive.

        Raises `NotFound`, and `Conflict` unless it is dead or uncertain and its referral is still open.
        """
        with unavailable_is_clear():
            async with scoped(self._pool, authority) as connection:
                letter = await self._lock(connection, authority, delivery_id)
                await self._send_again(connection, authority, letter, actor, reason)
        self._wake()
        return letter

    async def all_again(self, authority: str, organisation: str, *, actor: str, reason: str) -> int:
        """Send all dead deliveries of an organisation again, when it is back; how many. Uncertain ones need a look each.

        What somebody else works on already stays with them.
        """
        replayed = 0
        after: UUID | None = None
        while True:
            with unavailable_is_clear():
                page = await letters.letters(
                    self._pool, authority, states=["dead"], organisation=organisation, after=after, limit=200
                )
                for found in page:
                    async with scoped(self._pool, authority) as connection:
                        letter = await letters.lock_letter(connection, authority, found.delivery_id)
                        if letter is None or letter.state != "dead" or _needs_nothing(letter):
                            continue
                        await self._send_again(connection, authority, letter, actor, reason)
                        replayed += 1
            if not page:
                break
            after = page[-1].delivery_id
        self._wake()
        return replayed

    async def arrived(
        self, authority: str, delivery_id: UUID, *, external_reference: str | None, actor: str, reason: str
    ) -> Letter:
        """A person asked the organisation: it has it. Raises as `again` does."""
        now = self._clock.now()
        with unavailable_is_clear():
            async with scoped(self._pool, authority) as connection:
                letter = await self._lock(connection, authority, delivery_id)
                await letters.it_arrived(connection, authority, letter, external_reference, now)
                detail = {
                    "organisation": letter.organisation,
                    "reason": reason,
                    "external_reference": external_reference,
                }
                await _note(connection, authority, letter, "found_delivered", actor, detail, now)
        return letter

    async def _lock(self, connection: Connection, authority: str, delivery_id: UUID) -> Letter:
        letter = await letters.lock_letter(connection, authority, delivery_id)
        if letter is None:
            raise NotFound(f"there is no delivery {delivery_id}")
        if letter.state not in {"dead", "uncertain"}:
            raise Conflict(f"the delivery is {letter.state}; only dead and uncertain ones wait for a person")
        if letter.referral_state is not None and State(letter.referral_state) in ENDED:
            raise Conflict(f"its referral is {letter.referral_state}; reopen it first")
        return letter

    async def _send_again(
        self, connection: Connection, authority: str, letter: Letter, actor: str, reason: str
    ) -> None:
        if letter.role == "notice" and not await is_live(connection, authority, letter.organisation):
            raise Conflict("its subscription is disabled; enable it first")
        now = self._clock.now()
        await letters.send_again(connection, authority, letter, now)
        detail = {"organisation": letter.organisation, "reason": reason, "was": letter.state}
        await _note(connection, authority, letter, "replayed", actor, detail, now)


def _needs_nothing(letter: Letter) -> bool:
    if letter.referral_state is None:
        return False
    state = State(letter.referral_state)
    elsewhere = letter.role == "lead" and letter.referral_organisation != letter.organisation
    return state in ENDED or (elsewhere and state is State.IN_PROGRESS)


async def _note(
    connection: Connection,
    authority: str,
    letter: Letter,
    kind: str,
    actor: str,
    detail: dict[str, Any],
    now: datetime,
) -> None:
    """Write the event. One about a notice is named so that no subscriber is told of it: that would never end."""
    if letter.request_id is None:  # a test event: about nobody
        return
    event = Event(
        authority_id=authority,
        event_id=uuid7(now),
        request_id=letter.request_id,
        referral_id=letter.referral_id,
        at=now,
        kind=f"notice_{kind}" if letter.role == "notice" else kind,
        actor=actor,
        detail=detail,
    )
    await add_event(connection, event)
