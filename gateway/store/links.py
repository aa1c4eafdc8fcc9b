"""Requests that belong together, and needs that are the same one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from gateway.identifiers import uuid7
from gateway.model import Event, State
from gateway.store.outcomes import add_event
from gateway.store.pool import Connection


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Another request that belongs to this one."""

    reference: str
    reason: str
    by: str
    at: datetime


class Same(msgspec.Struct, frozen=True, kw_only=True):
    """A need of another request that was merged with one of this."""

    reference: str
    referral_id: UUID
    """The other request's."""
    with_referral: UUID
    """This request's."""
    state: str
    """The other's."""


async def link(
    connection: Connection, authority: str, one: UUID, other: UUID, *, by: str, reason: str, now: datetime
) -> bool:
    """Link two; `False` if they were linked already."""
    return bool(
        await connection.fetchval(
            "INSERT INTO request_links (authority_id, request_id, other_id, by, reason, at)"
            " VALUES ($1, least($2::uuid, $3), greatest($2::uuid, $3), $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true",
            *(authority, one, other, by, reason, now),
        )
    )


async def unlink(connection: Connection, authority: str, one: UUID, other: UUID) -> bool:
    """Take the link away; `False` if there was none."""
    return bool(
        await connection.fetchval(
            "DELETE FROM request_links WHERE authority_id = $1 AND request_id = least($2::uuid, $3)"
            " AND other_id = greatest($2::uuid, $3) RETURNING true",
            *(authority, one, other),
        )
    )


async def of_request(connection: Connection, authority: str, request_id: UUID) -> list[Link]:
    """What is linked with it."""
    rows = await connection.fetch(
        "SELECT q.reference, l.reason, l.by, l.at FROM ("
        " SELECT other_id AS id, reason, by, at FROM request_links WHERE authority_id = $1 AND request_id = $2 UNION ALL"
        " SELECT request_id, reason, by, at FROM request_links WHERE authority_id = $1 AND other_id = $2) AS l"
        " JOIN requests AS q ON q.authority_id = $1 AND q.request_id = l.id ORDER BY l.at",
        *(authority, request_id),
    )
    return [Link(**dict(row)) for row in rows]


async def same_as(connection: Connection, authority: str, request_id: UUID) -> list[Same]:
    """Needs of others that were merged into this request's, and those that its own were merged into."""
    rows = await connection.fetch(
        "SELECT q.reference, o.referral_id, r.referral_id AS with_referral, o.state FROM referrals AS r"
        " JOIN referrals AS o ON o.authority_id = r.authority_id"
        "   AND (o.merged_into = r.referral_id OR o.referral_id = r.merged_into)"
        " JOIN requests AS q ON q.authority_id = o.authority_id AND q.request_id = o.request_id"
        " WHERE r.authority_id = $1 AND r.request_id = $2 ORDER BY o.referral_id",
        *(authority, request_id),
    )
    return [Same(**dict(row)) for row in rows]


async def merge_into(connection: Connection, authority: str, referral_id: UUID, into: UUID) -> int:
    """Those that were merged into `referral_id` follow it, so that nothing is ever two merges away; how many."""
    status = await connection.execute(
        "UPDATE referrals SET merged_into = $3 WHERE authority_id = $1 AND merged_into = $2",
        *(authority, referral_id, into),
    )
    return int(status.split()[-1])


async def end_together(
    connection: Connection, authority: str, referral_id: UUID, actor: str, now: datetime
) -> list[UUID]:
    """What was merged into a need that is done is done, too; the referrals. Never what is about somebody's safety."""
    return await _follow(
        connection, authority, referral_id, actor, now, was=State.CANCELLED, becomes=State.RESOLVED
    )


async def open_together(
    connection: Connection, authority: str, referral_id: UUID, actor: str, now: datetime
) -> list[UUID]:
    """What was merged into a need that is not done after all waits for it again; the referrals."""
    return await _follow(
        connection, authority, referral_id, actor, now, was=State.RESOLVED, becomes=State.CANCELLED
    )


async def _follow(
    connection: Connection,
    authority: str,
    into: UUID,
    actor: str,
    now: datetime,
    *,
    was: State,
    becomes: State,
) -> list[UUID]:
    rows = await connection.fetch(
        "UPDATE referrals SET state = $4, updated_at = $5 WHERE authority_id = $1 AND merged_into = $2 AND state = $3"
        " AND priority <> 'safeguarding' RETURNING referral_id, request_id",
        *(authority, into, was.value, becomes.value, now),
    )
    kind = "resolved" if becomes is State.RESOLVED else "reopened"
    for row in rows:
        event = Event(
            authority_id=authority,
            event_id=uuid7(now),
            request_id=row["request_id"],
            referral_id=row["referral_id"],
            at=now,
            kind=kind,
            actor=actor,
            detail={"with": str(into)},
        )
        await add_event(connection, event)
    return [row["referral_id"] for row in rows]


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """A need that may be the same."""

    referral_id: UUID
    reference: str
    text: str
    """The first 200 characters."""
    state: str
    organisation: str | None
    postcode: str | None
    created_at: datetime
    version: int
    similarity: float
    """Of the words: 0 to 1."""
    same_person: bool
    """The same phone number or e-mail address."""


RECENT: Final = timedelta(days=60)
_CANDIDATES: Final = 500
"""How many of the place's or the person's latest are compared."""


async def alike(
    connection: Connection, authority: str, referral_id: UUID, now: datetime, limit: int
) -> list[Alike]:
    """What may be the same: the same service, nearby or from the same person, lately, likest words first.

    Never what is about somebody's safety, nor what was merged already.
    """
    rows = await connection.fetch(
        # Ids begin with their time, so "lately" is a range of the index.
        "WITH this AS (SELECT r.referral_id, r.request_id, r.service, r.text, s.phone, s.email,"
        "   left(s.postcode, length(s.postcode) - 2) AS sector FROM referrals AS r"
        "   JOIN request_search AS s USING (authority_id, request_id)"
        "   WHERE r.authority_id = $1 AND r.referral_id = $2 AND r.priority <> 'safeguarding'),"
        " near AS ("
        "  (SELECT s.request_id, false AS same_person FROM this, request_search AS s WHERE s.authority_id = $1"
        "     AND s.postcode >= this.sector AND s.postcode < this.sector || '~' AND s.request_id > $3"
        "     ORDER BY s.request_id DESC LIMIT $5)"
        "  UNION (SELECT s.request_id, true FROM this, request_search AS s WHERE s.authority_id = $1"
        "     AND s.phone = this.phone AND s.request_id > $3 ORDER BY s.request_id DESC LIMIT $5)"
        "  UNION (SELECT s.request_id, true FROM this, request_search AS s WHERE s.authority_id = $1"
        "     AND s.email = this.email AND s.request_id > $3 ORDER BY s.request_id DESC LIMIT $5)),"
        " people AS (SELECT request_id, bool_or(same_person) AS same_person FROM near GROUP BY request_id)"
        " SELECT o.referral_id, q.reference, left(o.text, 200) AS text, o.state, o.organisation, q.postcode, o.created_at,"
        "   o.version, similarity(o.text, this.text)::float8 AS similarity, p.same_person"
        " FROM this, people AS p JOIN referrals AS o ON o.authority_id = $1 AND o.request_id = p.request_id"
        " JOIN requests AS q ON q.authority_id = $1 AND q.request_id = o.request_id"
        " WHERE o.service = this.service AND o.referral_id <> this.referral_id AND o.merged_into IS NULL"
        "   AND o.priority <> 'safeguarding' AND o.state <> 'cancelled'"
        "   AND NOT EXISTS (SELECT FROM alarms AS a WHERE a.authority_id = $1 AND a.referral_id = o.referral_id)"
        " ORDER BY similarity(o.text, this.text) + CASE WHEN p.same_person THEN 0.2 ELSE 0 END DESC, o.referral_id DESC"
        " LIMIT $4",
        *(authority, referral_id, _since(now - RECENT), limit, _CANDIDATES),
    )
    return [Alike(**dict(row)) for row in rows]


def _since(begin: datetime) -> UUID:
    return UUID(int=max(0, int(begin.timestamp() * 1000)) << 80)
