"""Where a request stands, told only to who can prove that it is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.chat.facts import read_contact
from gateway.model import ENDED, State
from gateway.store import tracking as store
from gateway.store.pool import Pool, unavailable_is_clear
from gateway.store.scope import scoped
from routing_rules.postcodes import normalise


class StandingPart(msgspec.Struct, frozen=True, kw_only=True):
    """One need and where it stands."""

    referral_id: UUID
    service: str | None
    organisation: str | None
    state: str
    updated_at: datetime


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, as a citizen may know it."""

    at: datetime
    kind: str
    referral_id: UUID | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A request as its citizen may see it. Without proof it has no parts and no history."""

    reference: str
    proved: bool
    request_id: UUID | None = None
    channel: str | None = None
    created_at: datetime | None = None
    parts: list[StandingPart] = []
    history: list[Happened] = []

    @property
    def ended(self) -> bool:
        """Whether nothing more is waited for."""
        return all(State(part.state) in ENDED for part in self.parts)


SHOWN = (
    "received",
    "decided",
    "delivered",
    "in_progress",
    "resolved",
    "rejected",
    "reopen_asked",
    "corrected",
)
"""Kinds of events that citizens are shown; none carries words."""


async def look(
    pool: Pool, authority: str, reference: str, *, proof: str | None, trusted: bool = False
) -> Standing:
    """A request's standing. `trusted`: it was made in this very conversation, so nothing needs to be proved.

    A reference that is not there looks exactly like one whose proof is wrong.
    """
    with unavailable_is_clear():
        async with scoped(pool, authority, snapshot=True) as connection:
            found = await store.request(connection, authority, reference)
            if found is None or not (trusted or is_proof(proof or "", found.citizen, found.postcode)):
                return Standing(reference=reference, proved=False)
            parts = await store.parts(connection, authority, found.request_id)
            history = await store.history(connection, authority, found.request_id, SHOWN)
    return Standing(
        reference=reference,
        proved=True,
        request_id=found.request_id,
        channel=found.channel,
        created_at=found.created_at,
        parts=[StandingPart(**part) for part in parts],
        history=[Happened(**each) for each in history],
    )


def is_proof(proof: str, citizen: Mapping[str, Any], postcode: str | None) -> bool:
    """Whether it is the postcode, e-mail address or phone number that came with the request."""
    if postcode is not None and normalise(proof) == postcode:
        return True
    given = read_contact(proof)
    if "email" in given and given["email"] == str(citizen.get("email", "")).lower():
        return True
    return "phone" in given and _digits(given["phone"]) == _digits(str(citizen.get("phone", "")))


def _digits(phone: str) -> str:
    """A UK phone number in one form: 020 7946 0000 and +44 20 7946 0000 are the same."""
    digits = "".join(character for character in phone if character.isdigit())
    if digits.startswith("0044"):
        digits = digits[4:]
    elif phone.strip().startswith("+44"):
        digits = digits[2:]
    return digits.lstrip("0")
