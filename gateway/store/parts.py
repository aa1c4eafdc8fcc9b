"""Adding needs to a request that is stored."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from gateway.model import Referral
from gateway.store.pool import Connection
from routing_rules.decision import Given


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A request with the stored facts that routing needs."""

    request_id: UUID
    reference: str
    channel: str
    postcode: str | None
    given: Given
    created_at: datetime
    trace_id: str
    parts: int
    """The highest number of a part."""


async def look(connection: Connection, authority: str, request_id: UUID) -> Whole:
    """The request, which must be there; locked, so that parts are numbered once."""
    await connection.execute(
        "SELECT FROM requests WHERE authority_id = $1 AND request_id = $2 FOR UPDATE", authority, request_id
    )
    row = await connection.fetchrow(
        "SELECT q.request_id, q.reference, q.channel, q.postcode, coalesce(q.decision -> 'given', '{}') AS given,"
        " q.created_at, q.trace_id, (SELECT coalesce(max(r.part), 0) FROM referrals AS r"
        "   WHERE r.authority_id = $1 AND r.request_id = q.request_id) AS parts"
        " FROM requests AS q WHERE q.authority_id = $1 AND q.request_id = $2",
        *(authority, request_id),
    )
    return msgspec.convert(dict(row or {}), Whole)


async def insert(connection: Connection, referral: Referral) -> None:
    """One need more."""
    r = referral
    await connection.execute(
        "INSERT INTO referrals (authority_id, referral_id, request_id, part, text, service, organisation, state, priority,"
        " chain, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        *(r.authority_id, r.referral_id, r.request_id, r.part, r.text, r.service, r.organisation),
        *(r.state.value, r.priority.name.lower(), r.chain, r.created_at),
    )
