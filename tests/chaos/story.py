"""What a request's events tell, replayed: where each referral must stand now if nothing is missing from them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.model import State, may_follow

FIRST: Final = {
    "route": State.ROUTED,
    "emergency": State.ROUTED,
    "triage": State.TRIAGE,
    "clarify": State.TRIAGE,
    "signpost": State.SIGNPOSTED,
}
"""The decision's action → where the referral begins."""
_GIVEN_UP: Final = frozenset({"rejected", "undeliverable", "not_acknowledged"})
_STATES: Final = frozenset(state.value for state in State)
_UNTAKEN: Final = frozenset({State.ROUTED, State.UNDELIVERABLE, State.UNCERTAIN})


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as stored."""

    event_id: UUID
    referral_id: UUID | None
    at: datetime
    kind: str
    actor: str
    detail: dict[str, Any]


class Standing(msgspec.Struct):
    """Where the events say that a referral stands."""

    state: State
    organisation: str | None


class Gap(Exception):
    """The events do not follow from one another; the message says where."""


def replay(events: Iterable[Told]) -> dict[UUID, Standing]:
    """Where each referral of one request stands after its events, given in the order of their ids. Raises `Gap`."""
    standings: dict[UUID, Standing] = {}
    received = False
    for event in events:
        if event.event_id.int >> 80 != int(event.at.timestamp() * 1000):
            raise Gap(f"the id of {event.kind!r} is of another time than the event")
        if not received and event.kind != "received":
            raise Gap(f"the first event is {event.kind!r}, not 'received'")
        received = True
        if event.referral_id is None:
            continue
        standing = standings.get(event.referral_id)
        if event.kind == "decided":
            if standing is not None:
                raise Gap("it was decided twice")
            standings[event.referral_id] = _decided(event)
        elif standing is None:
            raise Gap(f"{event.kind!r} comes before 'decided'")
        else:
            _follow(standing, event)
    if not received:
        raise Gap("there is no event at all")
    return standings


def _decided(event: Told) -> Standing:
    state = FIRST.get(event.detail.get("action", ""))
    if state is None:
        raise Gap(f"decided on {event.detail.get('action')!r}, which begins no referral")
    organisation = event.detail.get("organisation") if state is not State.TRIAGE else None
    return Standing(state, organisation)


def _follow(standing: Standing, event: Told) -> None:
    detail = event.detail
    if "sent_to" in detail:
        _move(standing, State.ROUTED, event)
        standing.organisation = detail["sent_to"]
    elif "state" in detail:
        _move(standing, State(detail["state"]), event)
        standing.organisation = detail.get("organisation", standing.organisation)
    elif event.kind == "delivered" and "role" in detail:
        lead = detail["role"] == "lead" and detail["organisation"] == standing.organisation
        if lead and standing.state in _UNTAKEN:
            standing.state = State.DELIVERED
    elif event.actor == "front-door" and event.kind in _GIVEN_UP:
        _move(standing, State.UNDELIVERABLE, event)
    elif event.kind in _STATES:
        _move(standing, State(event.kind), event)


def _move(standing: Standing, state: State, event: Told) -> None:
    if state is not standing.state and not may_follow(standing.state, state):
        raise Gap(f"{event.kind!r} cannot take it from {standing.state.value} to {state.value}")
    standing.state = state
