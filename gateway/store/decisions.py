"""Decisions as they were stored: one to explain, or all since a day to decide again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped
from routing_rules.decision import Decision

AT_ONCE: Final = 200
"""Rows that the server's cursor gives at a time: a replay holds no more than these."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a person changed about it later."""

    part: int
    at: datetime
    by: str
    detail: dict[str, Any]


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One decision and what became of it."""

    request_id: UUID
    decision: Decision
    changes: list[Change]


async def read_decision(pool: Pool, authority: str, reference: str) -> Explained | None:
    """The decision of one request; `None` if there is no such request."""
    async with scoped(pool, authority, snapshot=True) as connection:
        row = await connection.fetchrow(
            "SELECT request_id, decision::text AS decision FROM requests WHERE authority_id = $1 AND reference = $2",
            *(authority, reference),
        )
        if row is None:
            return None
        changes = await connection.fetch(
            "SELECT r.part, e.at, e.actor AS by, e.detail FROM events AS e"
            " JOIN referrals AS r USING (authority_id, referral_id)"
            " WHERE e.authority_id = $1 AND e.request_id = $2 AND e.kind = 'corrected' ORDER BY e.event_id",
            *(authority, row["request_id"]),
        )
    return Explained(
        request_id=row["request_id"],
        decision=msgspec.json.decode(row["decision"], type=Decision),
        changes=[Change(**dict(change)) for change in changes],
    )


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was decided, with the facts it was decided by."""

    authority_id: str
    reference: str
    text: str
    channel: str
    postcode: str | None
    created_at: datetime
    decision: Decision


async def authorities(connection: Connection) -> list[str]:
    """Every authority that has requests."""
    # A step from one to the next by the key, however many requests each has.
    rows = await connection.fetch(
        "WITH RECURSIVE each (code) AS (SELECT min(authority_id) FROM requests UNION ALL"
        " SELECT (SELECT min(authority_id) FROM requests WHERE authority_id > code) FROM each WHERE code IS NOT NULL)"
        " SELECT code FROM each WHERE code IS NOT NULL"
    )
    return [row["code"] for row in rows]


async def since(connection: Connection, authority: str, begin: datetime) -> AsyncIterator[Past]:
    """Every request of an authority since then, oldest first, a few at a time. Needs a transaction."""
    # Request ids begin with their time, so the key itself says where to start.
    first = UUID(int=max(0, int(begin.timestamp() * 1000)) << 80)
    cursor = connection.cursor(
        "SELECT authority_id, reference, text, channel, postcode, created_at, decision::text AS decision FROM requests"
        " WHERE authority_id = $1 AND request_id >= $2 ORDER BY request_id",
        *(authority, first),
        prefetch=AT_ONCE,
    )
    decoder = msgspec.json.Decoder(Decision)
    async for row in cursor:
        yield Past(**{**dict(row), "decision": decoder.decode(row["decision"])})
