"""Reading requests back: one whole, or a page of many."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store import call_backs, clocks, links, messages
from gateway.store.call_backs import CallBack
from gateway.store.clocks import ClockRow
from gateway.store.links import Link, Same
from gateway.store.messages import Message
from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped
from gateway.store.versions import version_of


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One try at handing over, and what came back."""

    attempt: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    status: int | None
    detail: str


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """The handing over to one organisation."""

    delivery_id: UUID
    organisation: str
    role: str
    state: str
    attempt: int
    due_at: datetime
    external_reference: str | None
    external_status: str | None
    last_outcome: str | None
    updated_at: datetime
    attempts: list[AttemptRow] = []


class ReferralRow(msgspec.Struct, frozen=True, kw_only=True):
    """One need of the request and where it stands."""

    referral_id: UUID
    part: int
    text: str
    service: str | None
    organisation: str | None
    state: str
    priority: str
    created_at: datetime
    updated_at: datetime
    version: int
    """Its ETag, in quotes: what a change of it wants in If-Match."""
    claimed_by: str | None
    """Who claimed it; theirs until `claimed_until`."""
    claimed_until: datetime | None
    assigned_to: str | None
    skill: str | None
    offered_to: str | None
    offered_by: str | None
    offered_until: datetime | None
    merged_into: UUID | None
    deliveries: list[DeliveryRow] = []
    clock: ClockRow | None = None
    """What the citizen was promised; a moment after the request came."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    at: datetime
    kind: str
    actor: str
    referral_id: UUID | None
    detail: dict[str, Any]


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is kept, or as much of it as the caller may see."""

    request_id: UUID
    reference: str
    channel: str
    text: str
    citizen: dict[str, Any]
    postcode: str | None
    emergency: str | None
    decision: dict[str, Any]
    created_at: datetime
    created_by: str
    trace_id: str
    version: int
    """Rises with every change to anything here; the ETag, in quotes."""
    tags: list[str] = []
    referrals: list[ReferralRow] = []
    messages: list[Message] = []
    """Notes for staff, and messages that the citizen sees."""
    call_backs: list[CallBack] = []
    links: list[Link] = []
    same: list[Same] = []
    """Needs of other requests that were merged with this one's."""
    events: list[EventRow] = []
    masked: list[str] = []
    """What is not shown to this caller, by field."""


class SummaryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request in a list: no citizen's details."""

    request_id: UUID
    reference: str
    channel: str
    text: str
    emergency: str | None
    created_at: datetime
    referrals: list[dict[str, Any]]


async def read_request(
    pool: Pool, authority: str, reference: str, *, organisation: str | None = None
) -> RequestRow | None:
    """Everything known of one request, from one snapshot; with `organisation` only what is that one's own."""
    async with scoped(pool, authority, organisation=organisation, snapshot=True) as connection:
        row = await connection.fetchrow(
            "SELECT request_id, reference, channel, text, citizen, postcode, emergency, decision, created_at, created_by,"
            " trace_id FROM requests WHERE authority_id = $1 AND reference = $2",
            *(authority, reference),
        )
        if row is None:
            return None
        request_id = row["request_id"]
        referrals = await _referrals(connection, authority, request_id)
        events = await connection.fetch(
            "SELECT at, kind, actor, referral_id, detail FROM events"
            " WHERE authority_id = $1 AND request_id = $2 ORDER BY event_id",
            *(authority, request_id),
        )
        return RequestRow(
            **dict(row),
            version=await version_of(connection, authority, request_id),
            tags=await messages.tags(connection, authority, request_id),
            referrals=referrals,
            messages=await messages.of_request(connection, authority, request_id),
            call_backs=await call_backs.of_request(connection, authority, request_id),
            links=await links.of_request(connection, authority, request_id),
            same=await links.same_as(connection, authority, request_id),
            events=[EventRow(**dict(event)) for event in events],
        )


async def _referrals(connection: Connection, authority: str, request_id: UUID) -> list[ReferralRow]:
    referrals = await connection.fetch(
        "SELECT referral_id, part, text, service, organisation, state, priority, created_at, updated_at, version,"
        " claimed_by, claimed_until, assigned_to, skill, offered_to, offered_by, offered_until, merged_into FROM referrals"
        " WHERE authority_id = $1 AND request_id = $2 ORDER BY part",
        *(authority, request_id),
    )
    deliveries = await connection.fetch(
        "SELECT referral_id, delivery_id, organisation, role, state, attempt, due_at, external_reference, external_status,"
        " last_outcome, updated_at FROM deliveries WHERE authority_id = $1 AND referral_id = ANY($2) ORDER BY delivery_id",
        *(authority, [row["referral_id"] for row in referrals]),
    )
    attempts = await connection.fetch(
        "SELECT delivery_id, attempt, started_at, finished_at, outcome, status, detail FROM attempts"
        " WHERE authority_id = $1 AND delivery_id = ANY($2) ORDER BY fence",
        *(authority, [row["delivery_id"] for row in deliveries]),
    )
    tries: dict[UUID, list[AttemptRow]] = {}
    for row in attempts:
        fields = dict(row)
        tries.setdefault(fields.pop("delivery_id"), []).append(AttemptRow(**fields))
    handed: dict[UUID, list[DeliveryRow]] = {}
    for row in deliveries:
        fields = dict(row)
        referral_id = fields.pop("referral_id")
        handed.setdefault(referral_id, []).append(
            DeliveryRow(**fields, attempts=tries.get(fields["delivery_id"], []))
        )
    times = await clocks.of_referrals(connection, authority, [row["referral_id"] for row in referrals])
    return [
        ReferralRow(
            **dict(row),
            deliveries=handed.get(row["referral_id"], []),
            clock=times.get(row["referral_id"]),
        )
        for row in referrals
    ]


async def list_requests(
    pool: Pool,
    authority: str,
    *,
    before: UUID | None,
    limit: int,
    state: str | None = None,
    organisation: str | None = None,
) -> list[SummaryRow]:
    """A page of requests, newest first: those older than `before`; with `state`, only where a referral is in it.

    With `organisation` only requests in which something is that one's own, and only what is.
    """
    async with scoped(pool, authority, organisation=organisation) as connection:
        rows = await connection.fetch(_LIST, authority, before, limit, state)
    return [SummaryRow(**dict(row)) for row in rows]


_LIST: Final = (
    "SELECT q.request_id, q.reference, q.channel, q.text, q.emergency, q.created_at,"
    " coalesce((SELECT jsonb_agg(jsonb_build_object('service', r.service, 'organisation', r.organisation,"
    "   'state', r.state, 'priority', r.priority) ORDER BY r.part) FROM referrals AS r"
    "   WHERE r.authority_id = q.authority_id AND r.request_id = q.request_id), '[]'::jsonb) AS referrals"
    " FROM requests AS q WHERE q.authority_id = $1 AND ($2::uuid IS NULL OR q.request_id < $2)"
    " AND ($4::text IS NULL OR EXISTS (SELECT FROM referrals AS r WHERE r.authority_id = q.authority_id"
    "   AND r.request_id = q.request_id AND r.state = $4))"
    " ORDER BY q.request_id DESC LIMIT $3"
)
