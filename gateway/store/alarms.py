"""Safeguarding alarms: raised with the request, in its commit, and ringing until a named person answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One that still rings."""

    authority_id: str
    referral_id: UUID
    request_id: UUID
    reference: str
    service: str | None
    organisation: str | None
    opened_at: datetime
    rung: int
    next_at: datetime


_SELECT = (
    "SELECT a.authority_id, a.referral_id, a.request_id, q.reference, a.service, r.organisation, a.opened_at, a.rung,"
    " a.next_at FROM alarms AS a JOIN referrals AS r USING (authority_id, referral_id)"
    " JOIN requests AS q ON q.authority_id = a.authority_id AND q.request_id = a.request_id"
)


async def due(connection: Connection, authorities: Sequence[str], now: datetime, limit: int) -> list[Alarm]:
    """Alarms whose next rung is due, locked so that one process raises each."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE a.authority_id = ANY($3) AND a.acknowledged_at IS NULL AND a.next_at <= $1"
        " ORDER BY a.next_at LIMIT $2 FOR UPDATE OF a SKIP LOCKED",
        *(now, limit, list(authorities)),
    )
    return [Alarm(**dict(row)) for row in rows]


async def raise_further(connection: Connection, alarm: Alarm, next_at: datetime) -> None:
    """One rung up."""
    await connection.execute(
        "UPDATE alarms SET rung = rung + 1, next_at = $3 WHERE authority_id = $1 AND referral_id = $2",
        *(alarm.authority_id, alarm.referral_id, next_at),
    )


async def ringing(pool: Pool, authority: str) -> list[Alarm]:
    """An authority's unanswered alarms, oldest first."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            f"{_SELECT} WHERE a.authority_id = $1 AND a.acknowledged_at IS NULL ORDER BY a.opened_at",
            authority,
        )
    return [Alarm(**dict(row)) for row in rows]


async def acknowledge(
    connection: Connection, authority: str, referral_id: UUID, name: str, now: datetime
) -> UUID | None:
    """A named person has it. The request's id; `None` if no alarm of this referral rings."""
    row = await connection.fetchrow(
        "UPDATE alarms SET acknowledged_at = $3, acknowledged_by = $4"
        " WHERE authority_id = $1 AND referral_id = $2 AND acknowledged_at IS NULL RETURNING request_id",
        *(authority, referral_id, now, name),
    )
    return row["request_id"] if row else None


async def ring_again(connection: Connection, authority: str, referral_id: UUID, now: datetime) -> None:
    """It was answered, and is not over: the ladder begins anew, at once. One that rings goes on as it is."""
    await connection.execute(
        "UPDATE alarms SET acknowledged_at = NULL, acknowledged_by = NULL, opened_at = $3, rung = 0, next_at = $3"
        " WHERE authority_id = $1 AND referral_id = $2 AND acknowledged_at IS NOT NULL",
        *(authority, referral_id, now),
    )


async def oldest_ringing(pool: Pool) -> dict[str, tuple[int, datetime]]:
    """For each authority with unanswered alarms: how many, and since when the oldest rings."""
    rows = await pool.fetch(
        "SELECT authority_id, count(*) AS count, min(opened_at) AS oldest FROM alarms"
        " WHERE acknowledged_at IS NULL GROUP BY authority_id"
    )
    return {row["authority_id"]: (row["count"], row["oldest"]) for row in rows}
