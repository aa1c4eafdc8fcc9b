"""Deliveries that wait for an organisation which is not there any more."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.store.pool import Connection, Pool


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    authority_id: str
    delivery_id: UUID
    referral_id: UUID
    request_id: UUID
    organisation: str
    role: str
    priority: str
    chain: list[str]
    traceparent: str
    holds: bool
    """Whether the referral still waits for this organisation."""


async def waited_for(pool: Pool, authority: str) -> list[str]:
    """The organisations that something waits for."""
    # From one organisation to the next by the courier's index, however much waits for each.
    rows = await pool.fetch(
        "WITH RECURSIVE each (code) AS ("
        " SELECT min(organisation) FROM deliveries WHERE authority_id = $1 AND state = 'waiting' UNION ALL"
        " SELECT (SELECT min(organisation) FROM deliveries"
        "   WHERE authority_id = $1 AND state = 'waiting' AND organisation > code) FROM each WHERE code IS NOT NULL)"
        " SELECT code FROM each WHERE code IS NOT NULL",
        authority,
    )
    return [row["code"] for row in rows]


async def take(
    connection: Connection, authority: str, organisations: Collection[str], since: datetime, limit: int
) -> list[Orphan]:
    """Some that have waited for these organisations since then, locked with their referrals."""
    rows = await connection.fetch(
        "SELECT d.authority_id, d.delivery_id, d.referral_id, d.request_id, d.organisation, d.role, r.priority, r.chain,"
        " coalesce(d.traceparent, '') AS traceparent, d.role = 'lead' AND r.organisation = d.organisation"
        " AND r.state IN ('routed', 'uncertain', 'undeliverable') AS holds"
        " FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)"
        " WHERE d.authority_id = $1 AND d.organisation = ANY($2) AND d.state = 'waiting' AND d.updated_at <= $3"
        " LIMIT $4 FOR UPDATE OF d, r SKIP LOCKED",
        *(authority, list(organisations), since, limit),
    )
    return [Orphan(**dict(row)) for row in rows]
