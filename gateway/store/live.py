"""Events as they happen, for those who watch: no citizen's words, only what moved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, and how that need stands now."""

    event_id: UUID
    at: datetime
    kind: str
    actor: str
    reference: str
    referral_id: UUID | None
    state: str | None
    organisation: str | None
    priority: str | None
    claimed_by: str | None
    version: int | None
    """The referral's: another than the one that is shown means to read it again."""


async def since(
    connection: Connection, authority: str, after: UUID, but: Sequence[UUID], limit: int
) -> list[Happening]:
    """What happened after an event, oldest first, those in `but` apart."""
    rows = await connection.fetch(
        "SELECT e.event_id, e.at, e.kind, e.actor, q.reference, e.referral_id, r.state, r.organisation, r.priority,"
        " CASE WHEN r.claimed_until > now() THEN r.claimed_by END AS claimed_by, r.version"
        " FROM (SELECT * FROM events WHERE authority_id = $1 AND event_id > $2 AND NOT event_id = ANY($3)"
        "   ORDER BY event_id LIMIT $4) AS e"
        " JOIN requests AS q ON q.authority_id = $1 AND q.request_id = e.request_id"
        " LEFT JOIN referrals AS r ON r.authority_id = $1 AND r.referral_id = e.referral_id ORDER BY e.event_id",
        *(authority, after, list(but), limit),
    )
    return [Happening(**dict(row)) for row in rows]
