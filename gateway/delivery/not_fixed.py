"""A citizen says that it is not fixed: what was said to be done is opened again.

The first time it goes back to whom the rules name, with what the citizen says now; after that a person here decides, so that
nothing goes round for ever between a citizen and an organisation. Words that speak of danger are a request of their own,
too: danger is looked for in everything that citizens say.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Final
from uuid import UUID

import msgspec

from gateway.callers import Caller
from gateway.clock import Clock
from gateway.delivery.corrected import Wanted
from gateway.delivery.correction import Correcting
from gateway.errors import InvalidInput, Stale
from gateway.identifiers import uuid7
from gateway.intake import Answer, Incoming, Intake
from gateway.model import ENDED, Event, State
from gateway.store import reopening
from gateway.store.outcomes import add_event
from gateway.store.pool import Pool, unavailable_is_clear
from gateway.store.reopening import Need
from gateway.store.scope import scoped
from gateway.understanding import Understanding

TRIES: Final = 5
"""How often a need that changes at this very moment is looked at again."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    reopened: list[UUID] = []
    """The needs that are open again."""
    still_open: bool = False
    """Whether some need had not been said to be done: it is being worked on."""
    danger: str | None = None
    """The reference of the request that was made because the words speak of danger."""

    @property
    def in_hand(self) -> bool:
        """Whether somebody has it now; otherwise it had ended in another way, and nothing was changed."""
        return bool(self.reopened) or self.still_open


class NotFixed:
    """Opens again what a citizen, who has proved that it is theirs, says is not fixed."""

    def __init__(
        self, pool: Pool, understanding: Understanding, correcting: Correcting, intake: Intake, clock: Clock
    ) -> None:
        self._pool = pool
        self._understanding = understanding
        self._correcting = correcting
        self._intake = intake
        self._clock = clock

    async def say(self, authority: str, request_id: UUID, words: str | None = None) -> Heard:
        """Open the resolved needs of a request again. Saying it twice opens them once.

        Raises `StoreUnavailable`, after which it can be said again.
        """
        with unavailable_is_clear():
            async with scoped(self._pool, authority, snapshot=True) as connection:
                needs = await reopening.needs(connection, authority, request_id)
        citizen = Caller(authority=authority, name="citizen", subject="citizen", kind="citizen")
        reason = words or "the citizen says so"
        danger = await self._danger(citizen, request_id, words) if words else None
        reopened = [
            need.referral_id
            for need in needs
            if need.state is State.RESOLVED and await self._reopen(citizen, need, reason)
        ]
        still_open = any(need.state not in ENDED for need in needs)
        if reopened:
            await self._tell(citizen, request_id)
        return Heard(reopened=reopened, still_open=still_open, danger=danger)

    async def _reopen(self, citizen: Caller, need: Need, reason: str) -> bool:
        """Whether it was opened by this; somebody else may have been quicker."""
        people = need.times > 0 or need.service is None
        for _ in range(TRIES):
            wanted = Wanted(service=None, reason=reason, reopen=True, not_fixed=True, people=people)
            try:
                await self._correcting.correct(citizen, need.referral_id, wanted)
            except InvalidInput:
                if people:
                    raise
                people = True  # the rules leave it to people, or do not know this service any more
            except Stale:
                if not await self._is_resolved(citizen.authority, need):
                    return False
            else:
                return True
        return False

    async def _is_resolved(self, authority: str, need: Need) -> bool:
        with unavailable_is_clear():
            async with scoped(self._pool, authority, snapshot=True) as connection:
                found = await reopening.needs(connection, authority, need.request_id)
        return any(each.referral_id == need.referral_id and each.state is State.RESOLVED for each in found)

    async def _danger(self, citizen: Caller, request_id: UUID, words: str) -> str | None:
        if await asyncio.to_thread(self._understanding.door.find_danger, words) is None:
            return None
        with unavailable_is_clear():
            async with scoped(self._pool, citizen.authority, snapshot=True) as connection:
                first = await reopening.sender(connection, citizen.authority, request_id)
        if first is None:
            return None
        outcome = await self._intake.accept(
            citizen.authority,
            Incoming(text=words, channel="web", citizen=first.citizen, postcode=first.postcode),
            actor=citizen.actor,
            trace_id=os.urandom(16).hex(),
            key=f"not fixed {request_id} {hashlib.sha256(words.encode()).hexdigest()}",
        )
        return msgspec.json.decode(outcome.answer, type=Answer).reference

    async def _tell(self, citizen: Caller, request_id: UUID) -> None:
        now = self._clock.now()
        event = Event(
            authority_id=citizen.authority,
            event_id=uuid7(now),
            request_id=request_id,
            referral_id=None,
            at=now,
            kind="reopen_asked",
            actor=citizen.actor,
            detail={},
        )
        with unavailable_is_clear():
            async with scoped(self._pool, citizen.authority) as connection:
                await add_event(connection, event)
