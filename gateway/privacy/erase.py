"""Forgetting: a citizen's words and details go from everywhere they live, and a tombstone stays.

Where they live is said by the migrations themselves (`holds_personal_data`), so that a new table is forgotten too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from gateway.callers import Caller
from gateway.errors import Conflict
from gateway.identifiers import uuid7
from gateway.model import ENDED, Event, State
from gateway.store import search, views
from gateway.store.audit import Entry, record
from gateway.store.chain import forget_salts
from gateway.store.outcomes import add_event
from gateway.store.pool import Connection

Why = Literal["erased", "retired"]
"""At the citizen's wish, or because their time was up."""
_ENDED: Final = sorted(state.value for state in State if state in ENDED or state is State.SIGNPOSTED)


async def erase(
    connection: Connection,
    caller: Caller,
    requests: Sequence[UUID],
    now: datetime,
    *,
    why: Why,
    reason: str = "",
) -> int:
    """Forget these requests, within a `scoped` transaction; how many were not forgotten yet.

    Raises `Conflict` while one of them is still being worked on: what an organisation is about to be given would be gone.
    """
    authority = caller.authority
    await connection.execute(
        "SELECT FROM requests WHERE authority_id = $1 AND request_id = ANY ($2) FOR UPDATE",
        authority,
        list(requests),
    )
    still_open = await connection.fetchval(
        "SELECT q.reference FROM referrals AS r JOIN requests AS q USING (authority_id, request_id)"
        " WHERE r.authority_id = $1 AND r.request_id = ANY ($2) AND r.state <> ALL ($3) LIMIT 1",
        *(authority, list(requests), _ENDED),
    )
    if still_open is not None:
        raise Conflict(f"request {still_open} is still being worked on; end or cancel it first")
    rows = await connection.fetch(
        "SELECT request_id FROM requests WHERE authority_id = $1 AND request_id = ANY ($2) AND erased_at IS NULL",
        *(authority, list(requests)),
    )
    fresh = [row["request_id"] for row in rows]
    if not fresh:
        return 0
    await _forget_words(connection, authority, fresh)
    await connection.execute(
        "UPDATE requests SET erased_at = $3 WHERE authority_id = $1 AND request_id = ANY ($2)",
        authority,
        fresh,
        now,
    )
    for request_id in fresh:
        await add_event(connection, _event(caller, request_id, why, now))
    detail = {"reason": reason} if reason else {}
    await record(
        connection, [Entry.of(caller, why, now, request_id=request_id, detail=detail) for request_id in fresh]
    )
    return len(fresh)


async def _forget_words(connection: Connection, authority: str, requests: list[UUID]) -> None:
    events = await connection.fetch(
        "SELECT event_id FROM events WHERE authority_id = $1 AND request_id = ANY ($2)", authority, requests
    )
    places = await connection.fetch(
        "SELECT table_name, belongs, string_agg(format('%I = %s', column_name, becomes), ', ') AS becomes"
        " FROM personal_data GROUP BY table_name, belongs ORDER BY table_name"
    )
    await views.forget(connection, authority, requests)  # a search for their name that somebody saved
    await connection.execute(  # a tag may be a name
        "DELETE FROM request_tags WHERE authority_id = $1 AND request_id = ANY ($2)", authority, requests
    )
    await search.forget(connection, authority, requests)  # its words are in a list of all words, too
    for place in places:  # as the migrations say, and nobody else
        statement = f"UPDATE {place['table_name']} SET {place['becomes']} WHERE {place['belongs']}"  # noqa: S608
        await connection.execute(statement, authority, requests)
    await forget_salts(connection, authority, [row["event_id"] for row in events])


def _event(caller: Caller, request_id: UUID, why: Why, now: datetime) -> Event:
    return Event(
        authority_id=caller.authority,
        event_id=uuid7(now),
        request_id=request_id,
        referral_id=None,
        at=now,
        kind=why,
        actor=caller.actor,
        detail={},
    )
