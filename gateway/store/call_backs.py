"""Call-backs that were booked with citizens."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class CallBack(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is to call a citizen."""

    call_back_id: UUID
    reference: str
    referral_id: UUID | None
    due_at: datetime
    phone: str | None
    """The number to call: the one that was given for this, else the request's own."""
    note: str
    for_whom: str | None
    """The colleague who is to call; `null`: whoever is free."""
    booked_by: str
    booked_at: datetime
    done_at: datetime | None
    done_by: str | None
    outcome: str | None
    """`reached`, `no-answer` or `cancelled`."""
    version: int
    """Its ETag, in quotes."""


_SELECT: Final = """
SELECT b.call_back_id, q.reference, b.referral_id, b.due_at, coalesce(b.phone, q.citizen ->> 'phone') AS phone, b.note,
       b.for_whom, b.booked_by, b.booked_at, b.done_at, b.done_by, b.outcome, b.version
FROM call_backs AS b JOIN requests AS q USING (authority_id, request_id)
WHERE b.authority_id = $1
"""


async def add(
    connection: Connection, authority: str, request_id: UUID, call_back: CallBack, phone: str | None
) -> None:
    """Book one."""
    c = call_back
    await connection.execute(
        "INSERT INTO call_backs (authority_id, call_back_id, request_id, referral_id, due_at, phone, note, for_whom,"
        " booked_by, booked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *(authority, c.call_back_id, request_id, c.referral_id, c.due_at, phone, c.note, c.for_whom),
        *(c.booked_by, c.booked_at),
    )


async def read(connection: Connection, authority: str, call_back_id: UUID) -> CallBack | None:
    """One of them."""
    row = await connection.fetchrow(_SELECT + " AND b.call_back_id = $2", authority, call_back_id)
    return CallBack(**dict(row)) if row else None


async def lock(connection: Connection, authority: str, call_back_id: UUID) -> UUID | None:
    """Lock one to change it: the request that it belongs to."""
    found: UUID | None = await connection.fetchval(
        "SELECT request_id FROM call_backs WHERE authority_id = $1 AND call_back_id = $2 FOR UPDATE",
        *(authority, call_back_id),
    )
    return found


async def due(
    connection: Connection, authority: str, now: datetime, *, person: str | None = None, limit: int = 100
) -> list[CallBack]:
    """What is due, longest waiting first; with `person` only what is theirs or anybody's."""
    rows = await connection.fetch(
        _SELECT
        + " AND b.done_at IS NULL AND b.due_at <= $2 AND ($3::text IS NULL OR coalesce(b.for_whom, $3) = $3)"
        " ORDER BY b.due_at, b.call_back_id LIMIT $4",
        *(authority, now, person, limit),
    )
    return [CallBack(**dict(row)) for row in rows]


async def of_request(connection: Connection, authority: str, request_id: UUID) -> list[CallBack]:
    """All of a request's, oldest first."""
    rows = await connection.fetch(
        _SELECT + " AND b.request_id = $2 ORDER BY b.call_back_id", authority, request_id
    )
    return [CallBack(**dict(row)) for row in rows]


async def move(connection: Connection, authority: str, call_back_id: UUID, due_at: datetime) -> None:
    """To another time."""
    await connection.execute(
        "UPDATE call_backs SET due_at = $3 WHERE authority_id = $1 AND call_back_id = $2",
        *(authority, call_back_id, due_at),
    )


async def finish(
    connection: Connection, authority: str, call_back_id: UUID, outcome: str, actor: str, now: datetime
) -> None:
    """It was made, or need not be."""
    await connection.execute(
        "UPDATE call_backs SET done_at = $3, done_by = $4, outcome = $5 WHERE authority_id = $1 AND call_back_id = $2",
        *(authority, call_back_id, now, actor, outcome),
    )
