"""The audit chain in the database: what waits to be chained, and what is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from gateway.audit.chain import Batch, Head, Source
from gateway.store.pool import Connection

_COLUMNS: Final = {
    "events": "authority_id, event_id, request_id, referral_id, at, kind, actor, detail",
    "audit": "authority_id, audit_id, at, actor, subject, action, request_id, fields, detail, trace_id",
}
_ID: Final = {"events": "event_id", "audit": "audit_id"}
# Names of tables and columns below are these and no others: nothing that a caller sent is put into a statement's text.


def id_at(moment: datetime) -> UUID:
    """The smallest id that could have been made then: ids begin with their time."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


async def take_turn(connection: Connection, authority: str) -> bool:
    """Whether this transaction may chain: one at a time for each authority, whoever is first."""
    return bool(
        await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 6))", authority)
    )


async def head(connection: Connection, authority: str) -> Head | None:
    """How long the chain is; `None` before its first batch."""
    row = await connection.fetchrow(
        "SELECT authority_id, number, entries, hash, at, settled, signature FROM audit_heads WHERE authority_id = $1",
        authority,
    )
    return Head(**dict(row)) if row else None


async def waiting(
    connection: Connection, authority: str, source: Source, after: UUID, before: UUID, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Rows between two ids, in order."""
    found: Sequence[Mapping[str, Any]] = await connection.fetch(
        f"SELECT {_COLUMNS[source]} FROM {source} WHERE authority_id = $1 AND {_ID[source]} > $2 AND {_ID[source]} < $3"
        f" ORDER BY {_ID[source]} LIMIT $4",
        *(authority, after, before, limit),
    )
    return found


async def left_out(
    connection: Connection,
    authority: str,
    source: Source,
    since: datetime | None,
    before: UUID,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Rows up to an id that are in no batch; with `since`, only those made, and chained, since then."""
    found: Sequence[Mapping[str, Any]] = await connection.fetch(
        f"SELECT {_COLUMNS[source]} FROM {source} AS s WHERE authority_id = $1 AND {_ID[source]} >= $2"
        f" AND {_ID[source]} <= $3 AND NOT EXISTS (SELECT FROM (SELECT unnest(ids) AS id FROM audit_chain"
        "   WHERE authority_id = $1 AND source = $4 AND ($5::timestamptz IS NULL OR at >= $5)) AS c"
        f"   WHERE c.id = s.{_ID[source]}) ORDER BY {_ID[source]} LIMIT $6",
        *(authority, id_at(since) if since else UUID(int=0), before, source, since, limit),
    )
    return found


async def append(connection: Connection, batch: Batch, new_head: Head) -> None:
    """Add a batch, and say that the chain is longer now."""
    b, h = batch, new_head
    await connection.execute(
        "INSERT INTO audit_chain (authority_id, number, source, ids, leaves, details, salts, at, previous, hash)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *(b.authority_id, b.number, b.source, b.ids, b.leaves, b.details, b.salts, b.at, b.previous, b.hash),
    )
    await connection.execute(
        "INSERT INTO audit_heads AS h (authority_id, number, entries, hash, at, settled, signature)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (authority_id) DO UPDATE SET number = excluded.number,"
        " entries = excluded.entries, hash = excluded.hash, at = excluded.at, settled = excluded.settled,"
        " signature = excluded.signature",
        *(h.authority_id, h.number, h.entries, h.hash, h.at, h.settled, h.signature),
    )


async def batches(connection: Connection, authority: str) -> AsyncIterator[Batch]:
    """Every batch, in order. Needs a transaction."""
    cursor = connection.cursor(
        "SELECT authority_id, number, source, ids, leaves, details, salts, at, previous, hash FROM audit_chain"
        " WHERE authority_id = $1 ORDER BY number",
        authority,
        prefetch=20,
    )
    async for row in cursor:
        yield Batch(**dict(row))


async def newest(connection: Connection, authority: str, limit: int) -> list[Batch]:
    """The last batches, in order."""
    rows = await connection.fetch(
        "SELECT authority_id, number, source, ids, leaves, details, salts, at, previous, hash FROM audit_chain"
        " WHERE authority_id = $1 ORDER BY number DESC LIMIT $2",
        *(authority, limit),
    )
    return [Batch(**dict(row)) for row in reversed(rows)]


async def rows_of(connection: Connection, batch: Batch) -> dict[UUID, Mapping[str, Any]]:
    """The rows that a batch speaks of, as they are now, by id."""
    source = batch.source
    rows = await connection.fetch(
        f"SELECT {_COLUMNS[source]} FROM {source} WHERE authority_id = $1 AND {_ID[source]} = ANY($2)",
        *(batch.authority_id, batch.ids),
    )
    return {row[_ID[source]]: row for row in rows}


async def was_erased(connection: Connection, authority: str, request_id: UUID) -> bool:
    """Whether the audit says that this request's words were erased."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM audit WHERE authority_id = $1 AND request_id = $2 AND action IN ('erased', 'retired') LIMIT 1",
            *(authority, request_id),
        )
    )


async def forget_salts(connection: Connection, authority: str, event_ids: Sequence[UUID]) -> None:
    """Make sure that nobody can try out what erased details were."""
    await connection.execute(
        "UPDATE audit_chain AS c SET salts = (SELECT array_agg(CASE WHEN e.id = ANY ($2) THEN NULL ELSE e.salt END"
        "   ORDER BY e.n) FROM unnest(c.ids, c.salts) WITH ORDINALITY AS e (id, salt, n))"
        " WHERE c.authority_id = $1 AND c.source = 'events' AND c.ids && $2",
        *(authority, list(event_ids)),
    )
