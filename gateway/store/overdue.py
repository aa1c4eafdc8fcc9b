"""Deliveries whose organisation has not said that it has begun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """One past its acknowledgement time."""

    authority_id: str
    delivery_id: UUID
    referral_id: UUID
    request_id: UUID
    organisation: str
    acknowledge_by: datetime
    priority: str
    chain: list[str]
    traceparent: str


async def due(connection: Connection, authorities: Sequence[str], now: datetime, limit: int) -> list[Late]:
    """What is past its time and still with the organisation that took it, locked."""
    rows = await connection.fetch(
        "SELECT d.authority_id, d.delivery_id, d.referral_id, d.request_id, d.organisation, d.acknowledge_by, r.priority,"
        " r.chain, coalesce(d.traceparent, '') AS traceparent"
        " FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)"
        " WHERE d.authority_id = ANY($3) AND d.acknowledge_by <= $1 AND d.acknowledged_at IS NULL AND d.state = 'delivered'"
        " AND d.role = 'lead' AND r.organisation = d.organisation AND r.state = 'delivered'"
        " ORDER BY d.acknowledge_by LIMIT $2 FOR UPDATE OF d, r SKIP LOCKED",
        *(now, limit, list(authorities)),
    )
    return [Late(**dict(row)) for row in rows]


async def no_longer_waited_for(connection: Connection, late: Late) -> None:
    """Another organisation has it now."""
    await connection.execute(
        "UPDATE deliveries SET acknowledge_by = NULL WHERE authority_id = $1 AND delivery_id = $2",
        *(late.authority_id, late.delivery_id),
    )
