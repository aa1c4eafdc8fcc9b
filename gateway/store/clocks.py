"""Clocks as they are kept: what was promised for each need, when it was met, and while whom we waited for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection
from gateway.work.promises import Due, Pause, Promise


class ClockRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the citizen was promised for one need, and how that stands."""

    started_at: datetime | None
    acknowledge_by: datetime | None
    respond_by: datetime | None
    resolve_by: datetime | None
    acknowledged_at: datetime | None
    responded_at: datetime | None
    ended_at: datetime | None
    paused_at: datetime | None
    """Waiting for the citizen since then; it goes on where it stood."""
    next_due: datetime | None
    pauses: list[Pause]


class Kept(ClockRow, frozen=True, kw_only=True):
    """A clock to go on with."""

    service: str | None
    promise: Promise | None


_COLUMNS: Final = (
    "started_at, acknowledge_by, respond_by, resolve_by, acknowledged_at, responded_at, ended_at, paused_at, next_due,"
    " pauses"
)


async def of_referrals(
    connection: Connection, authority: str, referrals: Sequence[UUID]
) -> dict[UUID, ClockRow]:
    """The clocks of some referrals."""
    rows = await connection.fetch(
        f"SELECT referral_id, {_COLUMNS} FROM clocks WHERE authority_id = $1 AND referral_id = ANY($2)"  # noqa: S608  names are ours, values are parameters
        " AND promise IS NOT NULL",
        *(authority, list(referrals)),
    )
    return {row["referral_id"]: msgspec.convert(_plain(row), ClockRow) for row in rows}


async def lock(connection: Connection, authority: str, referral_id: UUID) -> Kept | None:
    """One clock, locked."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, service, promise FROM clocks WHERE authority_id = $1 AND referral_id = $2 FOR UPDATE",  # noqa: S608  names are ours, values are parameters
        *(authority, referral_id),
    )
    return None if row is None else msgspec.convert(_plain(row), Kept)


def _plain(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "referral_id"}


async def promise(
    connection: Connection,
    authority: str,
    referral_id: UUID,
    request_id: UUID,
    *,
    service: str | None,
    started_at: datetime,
    what: Promise,
    due: Due,
    again: bool = True,
) -> None:
    """Write down what is promised; what was met already stays met. Without `again` an older promise stands."""
    await connection.execute(
        "INSERT INTO clocks AS c (authority_id, referral_id, request_id, service, started_at, promise, acknowledge_by,"
        " respond_by, resolve_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (authority_id, referral_id) DO UPDATE SET service = excluded.service,"
        " started_at = excluded.started_at, promise = excluded.promise, acknowledge_by = excluded.acknowledge_by,"
        " respond_by = excluded.respond_by, resolve_by = excluded.resolve_by WHERE $10 OR c.promise IS NULL",
        *(authority, referral_id, request_id, service, started_at, what),
        *(due.acknowledge_by, due.respond_by, due.resolve_by, again),
    )


async def pause(connection: Connection, authority: str, referral_id: UUID, now: datetime) -> None:
    """It stands still from now on."""
    await connection.execute(
        "UPDATE clocks SET paused_at = $3 WHERE authority_id = $1 AND referral_id = $2 AND paused_at IS NULL",
        *(authority, referral_id, now),
    )


async def go_on(
    connection: Connection, authority: str, referral_id: UUID, pauses: Sequence[Pause], due: Due
) -> None:
    """It goes on, with what was left."""
    await connection.execute(
        "UPDATE clocks SET paused_at = NULL, pauses = $3, acknowledge_by = $4, respond_by = $5, resolve_by = $6"
        " WHERE authority_id = $1 AND referral_id = $2",
        *(authority, referral_id, list(pauses), due.acknowledge_by, due.respond_by, due.resolve_by),
    )


async def taken_up(connection: Connection, authority: str, referral_id: UUID, now: datetime) -> None:
    """Somebody has taken it up: the first time counts."""
    await connection.execute(
        "UPDATE clocks SET acknowledged_at = $3 WHERE authority_id = $1 AND referral_id = $2 AND acknowledged_at IS NULL",
        *(authority, referral_id, now),
    )


async def answered(
    connection: Connection, authority: str, request_id: UUID, referral_id: UUID | None, now: datetime
) -> None:
    """The citizen has an answer in words: the first time counts. For one need, or for all of a request's."""
    await connection.execute(
        "UPDATE clocks SET responded_at = coalesce(responded_at, $4), acknowledged_at = coalesce(acknowledged_at, $4)"
        " WHERE authority_id = $1 AND referral_id IN (SELECT referral_id FROM referrals WHERE authority_id = $1"
        "   AND request_id = $2 AND ($3::uuid IS NULL OR referral_id = $3))",
        *(authority, request_id, referral_id, now),
    )


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an authority keeps its promises right now."""

    running: int
    soon: int
    """Due before `soon`, and not yet past."""
    breached: int


async def standing(connection: Connection, authority: str, now: datetime, soon: datetime) -> Standing:
    """Counts by the index of what runs: only what is due soon is read, the rest is counted up to 100,000."""
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM (SELECT FROM clocks WHERE authority_id = $1 AND next_due IS NOT NULL"
        "   LIMIT 100000) AS c) AS running,"
        " count(*) FILTER (WHERE next_due > $2) AS soon, count(*) FILTER (WHERE next_due <= $2) AS breached"
        " FROM clocks WHERE authority_id = $1 AND next_due <= $3",
        *(authority, now, soon),
    )
    return Standing(**dict(row or {}))
