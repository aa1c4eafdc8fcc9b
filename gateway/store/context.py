"""What is known already: earlier requests of the same person or address, and what others in the street reported lately."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.store.pool import Connection
from gateway.store.search import at


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """Another request of the same person or from the same house."""

    reference: str
    channel: str
    text: str
    """The first 200 characters."""
    created_at: datetime
    by: list[str]
    """What is the same: `phone`, `email`, `address`."""
    referrals: list[dict[str, Any]]
    """`service`, `organisation`, `state`, `priority`."""


class Nearby(msgspec.Struct, frozen=True, kw_only=True):
    """What others reported lately for the same service."""

    service: str
    in_postcode: int
    """From the same postcode: about one street."""
    in_sector: int
    """From postcodes that differ in the last two letters: the neighbourhood. Counted up to 1000."""
    open: int
    """How many of those in the neighbourhood are not resolved."""
    since: datetime
    latest: datetime | None


async def earlier(
    connection: Connection,
    authority: str,
    *,
    phone: str | None,
    email: str | None,
    address: str | None,
    but: UUID | None,
    limit: int,
) -> list[Earlier]:
    """The latest of the same person or address, newest first."""
    rows = await connection.fetch(
        "WITH found AS ("
        " (SELECT request_id, 'phone' AS by FROM request_search WHERE authority_id = $1 AND phone = $2"
        "   ORDER BY request_id DESC LIMIT $6)"
        " UNION ALL (SELECT request_id, 'email' FROM request_search WHERE authority_id = $1 AND email = $3"
        "   ORDER BY request_id DESC LIMIT $6)"
        " UNION ALL (SELECT request_id, 'address' FROM request_search WHERE authority_id = $1 AND address = $4"
        "   ORDER BY request_id DESC LIMIT $6)),"
        " one AS (SELECT request_id, array_agg(by ORDER BY by) AS by FROM found"
        "   WHERE request_id IS DISTINCT FROM $5::uuid GROUP BY request_id ORDER BY request_id DESC LIMIT $6)"
        " SELECT q.reference, q.channel, left(q.text, 200) AS text, q.created_at, one.by,"
        " coalesce((SELECT jsonb_agg(jsonb_build_object('service', r.service, 'organisation', r.organisation,"
        "   'state', r.state, 'priority', r.priority) ORDER BY r.part) FROM referrals AS r"
        "   WHERE r.authority_id = $1 AND r.request_id = q.request_id), '[]') AS referrals"
        " FROM one JOIN requests AS q ON q.authority_id = $1 AND q.request_id = one.request_id"
        " ORDER BY q.request_id DESC",
        *(authority, phone, email, address, but, limit),
    )
    return [Earlier(**dict(row)) for row in rows]


async def nearby(
    connection: Connection,
    authority: str,
    *,
    service: str,
    postcode: str,
    since: datetime,
    but: UUID | None,
) -> Nearby:
    """How many others reported the same around there since then. `postcode` as it is searched by."""
    row = await connection.fetchrow(
        # What is about somebody's safety is nobody else's to know.
        "SELECT count(*) FILTER (WHERE s.postcode = $3) AS in_postcode, count(*) AS in_sector,"
        " count(*) FILTER (WHERE r.state NOT IN ('resolved', 'cancelled', 'signposted')) AS open,"
        " max(r.created_at) AS latest"
        " FROM (SELECT request_id, postcode FROM request_search WHERE authority_id = $1"
        "   AND postcode >= left($3, length($3) - 2) AND postcode < left($3, length($3) - 2) || '~'"
        "   AND request_id >= $4 AND request_id IS DISTINCT FROM $5::uuid LIMIT 1000) AS s"
        " JOIN referrals AS r ON r.authority_id = $1 AND r.request_id = s.request_id"
        " WHERE r.service = $2 AND r.priority <> 'safeguarding'",
        *(authority, service, postcode, at(since), but),
    )
    return Nearby(service=service, since=since, **dict(row or {}))


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody's requests are found by."""

    request_id: UUID | None
    """The request that is looked at; `None`: there is none yet."""
    phone: str | None
    email: str | None
    postcode: str | None
    address: str | None
    services: list[str]


async def of_request(connection: Connection, authority: str, reference: str) -> Person | None:
    """The same for a request that is stored."""
    row = await connection.fetchrow(
        "SELECT q.request_id, s.phone, s.email, s.postcode, s.address,"
        " ARRAY(SELECT DISTINCT r.service FROM referrals AS r WHERE r.authority_id = $1 AND r.request_id = q.request_id"
        "   AND r.service IS NOT NULL AND r.priority <> 'safeguarding') AS services"
        " FROM requests AS q LEFT JOIN request_search AS s USING (authority_id, request_id)"
        " WHERE q.authority_id = $1 AND q.reference = $2",
        *(authority, reference),
    )
    return None if row is None else Person(**dict(row))
