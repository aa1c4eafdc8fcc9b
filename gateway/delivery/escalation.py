"""Who has it next. The council stays accountable: the chain always ends at its own worklist."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.identifiers import uuid7
from gateway.model import Delivery, Event, Priority, State
from gateway.store.outcomes import HandedOn
from routing_rules.authority import Authority


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A referral that one organisation will not see through."""

    authority_id: str
    referral_id: UUID
    request_id: UUID
    organisation: str
    priority: str
    chain: list[str]
    traceparent: str


def hand_on(held: Held, authority: Authority, kind: str, why: dict[str, Any], now: datetime) -> HandedOn:
    """Give it to the next organisation in its chain, else to the authority's worklist, and say why.

    `kind` is what happened: `rejected`, `undeliverable`, `not_acknowledged`.
    """
    next_up = [code for code in held.chain if code in authority.organisations and code != held.organisation]
    if held.organisation == authority.settings.worklist:
        return _leave_to_a_person(held, State.UNDELIVERABLE, kind, why, now)
    organisation = next_up[0] if next_up else authority.settings.worklist
    return HandedOn(
        state=State.ROUTED,
        organisation=organisation,
        chain=next_up[1:],
        delivery=Delivery(
            authority_id=held.authority_id,
            delivery_id=uuid7(now),
            referral_id=held.referral_id,
            request_id=held.request_id,
            organisation=organisation,
            role="lead",
            priority=Priority.named(held.priority),
            due_at=now,
            traceparent=held.traceparent,
        ),
        event=_event(held, kind, {**why, "by": held.organisation, "sent_to": organisation}, now),
    )


def await_person(held: Held, why: dict[str, Any], now: datetime) -> HandedOn:
    """It may have arrived and nobody can be asked: a person finds out before anything is sent again."""
    return _leave_to_a_person(held, State.UNCERTAIN, "uncertain", why, now)


def _leave_to_a_person(held: Held, state: State, kind: str, why: dict[str, Any], now: datetime) -> HandedOn:
    return HandedOn(
        state=state,
        organisation=held.organisation,
        chain=held.chain,
        delivery=None,
        event=_event(held, kind, {**why, "by": held.organisation}, now),
    )


def _event(held: Held, kind: str, detail: dict[str, Any], now: datetime) -> Event:
    return Event(
        authority_id=held.authority_id,
        event_id=uuid7(now),
        request_id=held.request_id,
        referral_id=held.referral_id,
        at=now,
        kind=kind,
        actor="front-door",
        detail=detail,
    )
