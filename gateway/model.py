"""A request's parts and what may happen to them.

request ──┬── referral (one need, one organisation) ──┬── delivery (one handing over) ── attempts
          └── referral …                              └── delivery to the next in the chain …
"""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any, Final

import msgspec

from routing_rules.decision import Decision


class State(enum.StrEnum):
    """Where a referral stands."""

    TRIAGE = "triage"
    ROUTED = "routed"
    DELIVERED = "delivered"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNDELIVERABLE = "undeliverable"
    UNCERTAIN = "uncertain"
    SIGNPOSTED = "signposted"


_OPEN: Final = frozenset({State.CANCELLED, State.TRIAGE, State.ROUTED, State.SIGNPOSTED})
"""What people may make of any referral that has not ended."""

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.TRIAGE: frozenset({State.ROUTED, State.SIGNPOSTED, State.RESOLVED, State.CANCELLED}),
    State.ROUTED: _OPEN
    | {
        State.DELIVERED,
        State.IN_PROGRESS,
        State.RESOLVED,
        State.REJECTED,
        State.UNDELIVERABLE,
        State.UNCERTAIN,
    },
    State.DELIVERED: _OPEN | {State.IN_PROGRESS, State.RESOLVED, State.REJECTED},
    State.IN_PROGRESS: _OPEN | {State.RESOLVED, State.REJECTED},
    State.REJECTED: _OPEN | {State.RESOLVED},
    State.UNDELIVERABLE: _OPEN | {State.DELIVERED, State.RESOLVED},
    State.UNCERTAIN: _OPEN | {State.DELIVERED, State.IN_PROGRESS, State.RESOLVED, State.REJECTED},
    State.RESOLVED: frozenset({State.ROUTED, State.IN_PROGRESS, State.TRIAGE}),
    State.CANCELLED: frozenset({State.ROUTED}),
    State.SIGNPOSTED: frozenset({State.ROUTED, State.TRIAGE}),
}
"""What may follow what. A resolved referral may be reopened; nothing else leaves an end by itself."""

ENDED: Final = frozenset({State.RESOLVED, State.CANCELLED, State.SIGNPOSTED})
"""Nothing more is waited for."""


def may_follow(before: State, after: State) -> bool:
    """Whether a referral in `before` may go to `after`."""
    return after in TRANSITIONS[before]


class DeliveryState(enum.StrEnum):
    """Where the handing over to one organisation stands; apart from the case's own state."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    """It may have arrived and the back end cannot be asked: a person decides."""
    DEAD = "dead"
    """Out of attempts. Kept, listed, replayable."""
    WITHDRAWN = "withdrawn"
    """Not sent after all: the referral went elsewhere first."""


class Priority(enum.IntEnum):
    """The order in which the courier takes what is due."""

    SAFEGUARDING = 0
    URGENT = 1
    NORMAL = 2

    @classmethod
    def named(cls, name: str) -> Priority:
        """The priority a decision names: `normal`, `urgent`, `safeguarding`."""
        return cls[name.upper()]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a citizen sent, once, over one channel."""

    authority_id: str
    request_id: uuid.UUID
    reference: str
    channel: str
    text: str
    citizen: dict[str, Any]
    postcode: str | None
    decision: Decision
    created_at: datetime
    created_by: str
    trace_id: str


class Referral(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a request, for one service, with one organisation at a time."""

    authority_id: str
    referral_id: uuid.UUID
    request_id: uuid.UUID
    part: int
    text: str
    service: str | None
    organisation: str | None
    state: State
    priority: Priority
    chain: list[str]
    created_at: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The handing over of a referral to one organisation."""

    authority_id: str
    delivery_id: uuid.UUID
    referral_id: uuid.UUID
    request_id: uuid.UUID
    organisation: str
    role: str
    """`lead`, `notify` for an organisation that is told as well, `alarm`, or `former` for a lead of before a correction."""
    priority: Priority
    due_at: datetime
    traceparent: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: who, when, what, why. Written in the transaction of what it tells."""

    authority_id: str
    event_id: uuid.UUID
    request_id: uuid.UUID
    referral_id: uuid.UUID | None
    at: datetime
    kind: str
    actor: str
    detail: dict[str, Any]


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A safeguarding alarm as it is raised: told to the first rungs of the ladder at once."""

    authority_id: str
    referral_id: uuid.UUID
    request_id: uuid.UUID
    service: str | None
    opened_at: datetime
    rung: int
    """How many rungs have been told."""
    next_at: datetime


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one commit writes for one request."""

    request: Request
    referrals: list[Referral]
    deliveries: list[Delivery]
    events: list[Event]
    alarms: list[Alarm] = []
