"""Lists that staff come back to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A saved view."""

    view_id: UUID
    owner: str
    name: str
    list: str
    """`worklist` or `search`."""
    query: dict[str, Any]
    """The list's parameters."""
    shared: bool
    created_at: datetime


async def add(connection: Connection, authority: str, view: View) -> None:
    """Keep one."""
    await connection.execute(
        "INSERT INTO saved_views (authority_id, view_id, owner, name, list, query, shared, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(authority, view.view_id, view.owner, view.name, view.list, view.query, view.shared),
        view.created_at,
    )


async def of_person(connection: Connection, authority: str, person: str) -> list[View]:
    """Theirs, and what colleagues share."""
    rows = await connection.fetch(
        "SELECT view_id, owner, name, list, query, shared, created_at FROM saved_views"
        " WHERE authority_id = $1 AND (owner = $2 OR shared) ORDER BY view_id LIMIT 500",
        *(authority, person),
    )
    return [View(**dict(row)) for row in rows]


async def remove(connection: Connection, authority: str, view_id: UUID, person: str) -> bool:
    """Forget one; `False` if this person has none such."""
    return bool(
        await connection.fetchval(
            "DELETE FROM saved_views WHERE authority_id = $1 AND view_id = $2 AND owner = $3 RETURNING true",
            *(authority, view_id, person),
        )
    )


_NAMES_THEM: Final = """
WITH theirs AS (
    SELECT lower(citizen ->> 'name') AS name, substring(lower(citizen ->> 'name') FROM '[^ ]+$') AS surname,
           lower(citizen ->> 'email') AS email, lower(reference) AS reference,
           nullif(right(regexp_replace(coalesce(citizen ->> 'phone', ''), '[^0-9]', '', 'g'), 9), '') AS phone
    FROM requests WHERE authority_id = $1 AND request_id = ANY ($2)
), said AS (
    SELECT view_id, lower(name || ' ' || query::text) AS all_of_it, regexp_split_to_array(
        lower(CASE WHEN list = 'search' THEN query ->> 'q' END), '[^[:alnum:]'']+') AS words
    FROM saved_views WHERE authority_id = $1
)
DELETE FROM saved_views AS v USING said AS s, theirs AS t
WHERE v.authority_id = $1 AND v.view_id = s.view_id AND (
    position(t.name IN s.all_of_it) > 0 OR position(t.email IN s.all_of_it) > 0
    OR position(t.reference IN s.all_of_it) > 0 OR t.surname = ANY (s.words)
    OR length(t.phone) >= 7 AND position(t.phone IN regexp_replace(s.all_of_it, '[^0-9]', '', 'g')) > 0)
"""


async def forget(connection: Connection, authority: str, requests: Sequence[UUID]) -> None:
    """Forget the views that name whose requests these are: for erasure, before the requests' own words go."""
    await connection.execute(_NAMES_THEM, authority, list(requests))
