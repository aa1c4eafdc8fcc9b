"""What a citizen may know of their request: states and days, no words, no member of staff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that somebody asks for, with what would prove that it is theirs."""

    request_id: UUID
    channel: str
    citizen: dict[str, Any]
    postcode: str | None
    created_at: datetime


async def request(connection: Connection, authority: str, reference: str) -> Asked | None:
    """The request of a reference."""
    row = await connection.fetchrow(
        "SELECT request_id, channel, citizen, postcode, created_at FROM requests WHERE authority_id = $1 AND reference = $2",
        *(authority, reference),
    )
    return None if row is None else Asked(**dict(row))


async def parts(connection: Connection, authority: str, request_id: UUID) -> list[dict[str, Any]]:
    """Its referrals, in order. One that was merged stands where the one does that it was merged into."""
    rows = await connection.fetch(
        "SELECT r.referral_id, r.service, coalesce(k.organisation, r.organisation) AS organisation,"
        " coalesce(k.state, r.state) AS state, coalesce(k.updated_at, r.updated_at) AS updated_at FROM referrals AS r"
        " LEFT JOIN referrals AS k ON k.authority_id = r.authority_id AND k.referral_id = r.merged_into"
        " WHERE r.authority_id = $1 AND r.request_id = $2 ORDER BY r.part",
        *(authority, request_id),
    )
    return [dict(row) for row in rows]


async def history(
    connection: Connection, authority: str, request_id: UUID, kinds: Sequence[str]
) -> list[dict[str, Any]]:
    """What happened, oldest first, of these kinds."""
    rows = await connection.fetch(
        "SELECT at, kind, referral_id FROM events WHERE authority_id = $1 AND request_id = $2 AND kind = ANY($3)"
        " ORDER BY event_id LIMIT 200",
        *(authority, request_id, kinds),
    )
    return [dict(row) for row in rows]
