"""Who looked at what, and what was done that is no event of a request: written down, and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.callers import Caller
from gateway.identifiers import uuid7
from gateway.store.pool import Connection


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One such thing. Ids, codes and names of fields: never a citizen's words."""

    authority_id: str
    audit_id: UUID
    at: datetime
    actor: str
    subject: str
    action: str
    """`read`, `listed`, `searched`, `exported`, `erased`, `signed_in` …"""
    request_id: UUID | None = None
    fields: tuple[str, ...] = ()
    """Which of a citizen's details were shown, by name."""
    detail: dict[str, Any] = {}
    trace_id: str | None = None

    @classmethod
    def of(
        cls,
        caller: Caller,
        action: str,
        now: datetime,
        *,
        request_id: UUID | None = None,
        fields: Sequence[str] = (),
        detail: dict[str, Any] | None = None,
        trace_id: str | None = None,
    ) -> Entry:
        """What this caller just did."""
        return cls(
            authority_id=caller.authority,
            audit_id=uuid7(now),
            at=now,
            actor=caller.actor,
            subject=caller.subject,
            action=action,
            request_id=request_id,
            fields=tuple(fields),
            detail=detail or {},
            trace_id=trace_id,
        )


async def record(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write them down, in the transaction of what they tell of."""
    await connection.executemany(
        "INSERT INTO audit (authority_id, audit_id, at, actor, subject, action, request_id, fields, detail, trace_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [
            (e.authority_id, e.audit_id, e.at, e.actor, e.subject, e.action, e.request_id, list(e.fields))
            + (e.detail, e.trace_id)
            for e in entries
        ],
    )


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """An entry in a list."""

    audit_id: UUID
    at: datetime
    actor: str
    action: str
    reference: str | None
    """Of the request, where it was one."""
    fields: list[str]
    """Which of a citizen's details were shown."""
    detail: dict[str, Any]


async def seen(
    connection: Connection, authority: str, *, reference: str | None, before: UUID | None, limit: int
) -> list[Seen]:
    """A page of entries, newest first: those older than `before`; with `reference`, of one request alone."""
    rows = await connection.fetch(
        "SELECT a.audit_id, a.at, a.actor, a.action, q.reference, a.fields, a.detail FROM audit AS a"
        " LEFT JOIN requests AS q ON q.authority_id = a.authority_id AND q.request_id = a.request_id"
        " WHERE a.authority_id = $1 AND ($2::uuid IS NULL OR a.audit_id < $2) AND ($3::text IS NULL OR a.request_id ="
        "   (SELECT request_id FROM requests WHERE authority_id = $1 AND reference = $3))"
        " ORDER BY a.audit_id DESC LIMIT $4",
        *(authority, before, reference, limit),
    )
    return [Seen(**dict(row)) for row in rows]
