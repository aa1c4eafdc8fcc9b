"""Status that came back from organisations: applied once, in order, or kept for a person."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from adapters.base import StatusUpdate
from gateway.model import State
from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery whose organisation may yet tell us something, locked for this transaction."""

    authority_id: str
    delivery_id: UUID
    referral_id: UUID
    request_id: UUID
    organisation: str
    role: str
    claimed: bool
    """Whether its courier has not yet said how it ended."""
    status_at: datetime | None
    state: State
    """The referral's."""
    referral_organisation: str | None
    service: str | None
    priority: str
    chain: list[str]
    traceparent: str | None
    ringing: bool
    """Whether a safeguarding alarm about it has not been answered by a person."""


def update_key(update: StatusUpdate) -> str:
    """What makes an update the same one: the organisation's id for it, else what it says."""
    if update.update_id is not None:
        return f"id:{update.update_id}"
    at = update.at.astimezone(UTC).isoformat()
    said = (update.external_reference, update.delivery_id, update.status, at, update.note)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _update_id(key: str) -> str | None:
    return key.removeprefix("id:") if key.startswith("id:") else None


async def is_new(
    connection: Connection,
    authority: str,
    organisation: str,
    update: StatusUpdate,
    delivery_id: UUID | None,
    applied: str,
    now: datetime,
) -> bool:
    """Keep an update; `False` if we had it before. `applied`: `applied`, `held`, `ignored`, `unmapped` or `unknown`.

    One that was unknown is new once we know what it speaks of.
    """
    return bool(
        await connection.fetchval(
            "INSERT INTO status_updates AS s (authority_id, organisation, update_key, delivery_id, status, note, at,"
            " received_at, applied, external_reference, named_delivery)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            " ON CONFLICT (authority_id, organisation, update_key) DO UPDATE"
            " SET applied = excluded.applied, delivery_id = excluded.delivery_id"
            " WHERE s.applied = 'unknown' AND excluded.applied <> 'unknown' RETURNING true",
            *(
                authority,
                organisation,
                update_key(update),
                delivery_id,
                update.status,
                update.note,
                update.at,
            ),
            *(now, applied, update.external_reference, update.delivery_id),
        )
    )


async def already_known(
    pool: Pool, authority: str, organisation: str, updates: Sequence[StatusUpdate]
) -> set[str]:
    """The keys of those that were dealt with before: pollers see everything more than once."""
    rows = await pool.fetch(
        "SELECT update_key FROM status_updates WHERE authority_id = $1 AND organisation = $2"
        " AND update_key = ANY($3) AND applied <> 'unknown'",
        *(authority, organisation, [update_key(update) for update in updates]),
    )
    return {row["update_key"] for row in rows}


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """What an organisation told us of a case that we do not know."""

    organisation: str
    external_reference: str | None
    named_delivery: str | None
    """What it took for our delivery's id."""
    status: str
    note: str
    at: datetime
    received_at: datetime
    update_key: str


async def unknown(pool: Pool, authority: str, limit: int) -> list[Unknown]:
    """The latest of them, newest first, for a person to look into."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            "SELECT organisation, external_reference, named_delivery, status, note, at, received_at, update_key"
            " FROM status_updates WHERE authority_id = $1 AND applied = 'unknown' ORDER BY received_at DESC LIMIT $2",
            *(authority, limit),
        )
    return [Unknown(**dict(row)) for row in rows]


async def now_known(
    pool: Pool, authority: str, since: datetime, limit: int
) -> list[tuple[str, StatusUpdate]]:
    """Updates that were quicker than the writing down of their hand-over: unknown then, known now; by organisation."""
    rows = await pool.fetch(
        "SELECT u.organisation, u.external_reference, u.named_delivery, u.status, u.note, u.at, u.update_key"
        " FROM status_updates AS u"
        " WHERE u.authority_id = $1 AND u.applied = 'unknown' AND u.received_at >= $2 AND ("
        "   SELECT count(*) FROM (SELECT FROM deliveries AS d WHERE d.authority_id = u.authority_id"
        "   AND d.organisation = u.organisation AND d.external_reference = u.external_reference LIMIT $4 + 1) AS d)"
        "   BETWEEN 1 AND $4"
        " ORDER BY u.at LIMIT $3",
        *(authority, since, limit, MOST_SHARED),
    )
    return [
        (
            row["organisation"],
            StatusUpdate(
                external_reference=row["external_reference"],
                delivery_id=row["named_delivery"],
                status=row["status"],
                note=row["note"],
                at=row["at"],
                update_id=_update_id(row["update_key"]),
            ),
        )
        for row in rows
    ]


_FIND: Final = """
SELECT d.authority_id, d.delivery_id, d.referral_id, d.request_id, d.organisation, d.role, d.status_at, r.state,
       d.state = 'claimed' AS claimed, r.organisation AS referral_organisation, r.service, r.priority, r.chain,
       d.traceparent,
       EXISTS (SELECT FROM alarms AS a WHERE a.authority_id = d.authority_id AND a.referral_id = d.referral_id
               AND a.acknowledged_at IS NULL) AS ringing
FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)
WHERE d.authority_id = $1 AND d.organisation = $2
"""


MOST_SHARED: Final = 50
"""A reference that more deliveries than this have is none: some program's fixed word, and nobody's case is moved by it."""


async def find(
    connection: Connection, authority: str, organisation: str, update: StatusUpdate
) -> list[Waiting]:
    """The deliveries an update speaks of, locked, newest first; none if we know none such.

    An organisation that makes one case of several citizens' reports has one reference for all of them.
    """
    rows = []
    delivery_id = _uuid(update.delivery_id)
    if delivery_id is not None:
        rows = await connection.fetch(
            _FIND + " AND d.delivery_id = $3 FOR UPDATE OF d, r", authority, organisation, delivery_id
        )
    if not rows and update.external_reference is not None:
        rows = await connection.fetch(
            _FIND + " AND d.external_reference = $3 ORDER BY d.delivery_id DESC LIMIT $4 FOR UPDATE OF d, r",
            *(authority, organisation, update.external_reference, MOST_SHARED + 1),
        )
    if len(rows) > MOST_SHARED:
        return []
    newest: dict[UUID, Waiting] = {}
    for row in rows:  # a referral that went round and came back speaks through its latest delivery
        newest.setdefault(row["referral_id"], msgspec.convert(dict(row), Waiting))
    return [*newest.values()]


async def as_it_is_now(connection: Connection, waiting: Waiting) -> Waiting:
    """The same delivery, whose referral this transaction may have moved."""
    row = await connection.fetchrow(
        _FIND + " AND d.delivery_id = $3", waiting.authority_id, waiting.organisation, waiting.delivery_id
    )
    return msgspec.convert(dict(row or {}), Waiting)


async def write_status(
    connection: Connection, waiting: Waiting, update: StatusUpdate, state: State | None, now: datetime
) -> None:
    """Set the foreign status on the delivery and, where `state` is given, our own on the referral.

    Whoever speaks of a delivery has taken it, though its courier may never say so: it may have died in between.
    """
    if waiting.claimed:
        await connection.execute(
            "INSERT INTO attempts (authority_id, delivery_id, attempt, fence, started_at, finished_at, outcome, detail)"
            " SELECT authority_id, delivery_id, attempt, fence, least(updated_at, $3), $3, 'reported',"
            " 'the organisation spoke of it before its courier did'"
            " FROM deliveries WHERE authority_id = $1 AND delivery_id = $2 ON CONFLICT DO NOTHING",
            *(waiting.authority_id, waiting.delivery_id, now),
        )
    await connection.execute(
        "UPDATE deliveries SET external_status = $3, status_at = $4, updated_at = $5, state = 'delivered',"
        " check_first = false, acknowledged_at = coalesce(acknowledged_at, $5), lease_until = NULL, claimed_by = NULL,"
        " external_reference = coalesce(external_reference, $6) WHERE authority_id = $1 AND delivery_id = $2",
        *(
            waiting.authority_id,
            waiting.delivery_id,
            update.status,
            min(update.at, now),  # a clock that runs ahead must not make later updates late
            now,
            update.external_reference,
        ),
    )
    if state is not None:
        await connection.execute(
            "UPDATE referrals SET state = $3, updated_at = $4 WHERE authority_id = $1 AND referral_id = $2",
            *(waiting.authority_id, waiting.referral_id, state.value, now),
        )


async def begin_poll(
    connection: Connection, authority: str, organisation: str, now: datetime, not_since: datetime
) -> tuple[bool, str | None]:
    """Take this organisation's turn to be polled, if no other process has since `not_since`; and the cursor."""
    row = await connection.fetchrow(
        "INSERT INTO poll_cursors AS c (authority_id, organisation, polled_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (authority_id, organisation) DO UPDATE SET polled_at = $3 WHERE c.polled_at <= $4 OR c.polled_at > $3"
        " RETURNING cursor",
        *(authority, organisation, now, not_since),
    )
    return (False, None) if row is None else (True, row["cursor"])


async def keep_cursor(connection: Connection, authority: str, organisation: str, cursor: str | None) -> None:
    """Go on from here next time; in the transaction that wrote the updates before it."""
    await connection.execute(
        "UPDATE poll_cursors SET cursor = $3 WHERE authority_id = $1 AND organisation = $2",
        *(authority, organisation, cursor),
    )


async def awaited_references(
    connection: Connection, authority: str, organisation: str, limit: int
) -> list[str]:
    """The organisation's own references of cases that have not ended, longest unheard of first."""
    rows = await connection.fetch(
        "SELECT d.external_reference FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)"
        " WHERE d.authority_id = $1 AND d.organisation = $2 AND d.state = 'delivered' AND d.external_reference IS NOT NULL"
        " AND r.organisation = d.organisation AND r.state IN ('delivered', 'in_progress')"
        " ORDER BY d.updated_at LIMIT $3",
        *(authority, organisation, limit),
    )
    return [row["external_reference"] for row in rows]


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
