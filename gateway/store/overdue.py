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


class Untaken(msgspec.Struct, frozen=True, kw_only=True):
    """One that its organisation could not even be handed."""

    authority_id: str
    delivery_id: UUID
    referral_id: UUID
    request_id: UUID
    organisation: str
    since: datetime
    """When the referral began to wait for this organisation."""
    check_first: bool
    """An earlier attempt may have arrived."""
    priority: str
    chain: list[str]
    traceparent: str


async def untaken(
    connection: Connection, authority: str, organisation: str, since: datetime, limit: int
) -> list[Untaken]:
    """Leads that have waited to be handed over since then or longer, locked with their referrals."""
    rows = await connection.fetch(
        "SELECT d.authority_id, d.delivery_id, d.referral_id, d.request_id, d.organisation, d.check_first, r.priority,"
        " greatest(d.created_at, r.updated_at) AS since, r.chain, coalesce(d.traceparent, '') AS traceparent"
        " FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)"
        " WHERE d.authority_id = $1 AND d.organisation = $2 AND d.state = 'waiting' AND d.role = 'lead'"
        " AND d.created_at <= $3 AND r.updated_at <= $3 AND r.organisation = d.organisation"
        " AND r.state IN ('routed', 'uncertain', 'undeliverable') LIMIT $4 FOR UPDATE OF d, r SKIP LOCKED",
        *(authority, organisation, since, limit),
    )
    return [Untaken(**dict(row)) for row in rows]


async def no_longer_waited_for(connection: Connection, late: Late) -> None:
    """Another organisation has it now."""
    await connection.execute(
        "UPDATE deliveries SET acknowledge_by = NULL WHERE authority_id = $1 AND delivery_id = $2",
        *(late.authority_id, late.delivery_id),
    )
