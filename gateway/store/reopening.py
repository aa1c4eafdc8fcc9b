"""What a citizen who says that it is not fixed had asked for, and where that stands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from gateway.model import State
from gateway.store.pool import Connection


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One need of a request."""

    referral_id: UUID
    request_id: UUID
    service: str | None
    state: State
    times: int
    """How often its citizen had it opened again before."""


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Whose request it is."""

    citizen: dict[str, Any]
    postcode: str | None


async def needs(connection: Connection, authority: str, request_id: UUID) -> list[Need]:
    """A request's needs, in order. One that was merged stands where the one does that it was merged into."""
    rows = await connection.fetch(
        "SELECT r.referral_id, r.request_id, r.service, coalesce(k.state, r.state) AS state,"
        " (SELECT count(*) FROM events AS e WHERE e.authority_id = $1 AND e.request_id = $2"
        "   AND e.referral_id = r.referral_id AND e.kind = 'reopened'"
        "   AND e.actor = 'citizen') AS times"
        " FROM referrals AS r LEFT JOIN referrals AS k ON k.authority_id = r.authority_id AND k.referral_id = r.merged_into"
        " WHERE r.authority_id = $1 AND r.request_id = $2 ORDER BY r.part",
        *(authority, request_id),
    )
    return [msgspec.convert(dict(row), Need) for row in rows]


async def sender(connection: Connection, authority: str, request_id: UUID) -> Sender | None:
    """Whose request it is; `None`: it is not there."""
    row = await connection.fetchrow(
        "SELECT citizen, postcode FROM requests WHERE authority_id = $1 AND request_id = $2",
        *(authority, request_id),
    )
    return None if row is None else Sender(**dict(row))
