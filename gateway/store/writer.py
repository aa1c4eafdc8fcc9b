"""Intake's one write: a request with its referrals, deliveries and events, and its idempotency key, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from gateway.errors import Conflict
from gateway.metrics import Metrics
from gateway.model import Accepted
from gateway.store.group import BatchMeters, GroupCommit
from gateway.store.pool import Connection, Pool


class IdempotencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's promise that this is the same request as before."""

    scope: str
    """Whose key it is."""
    key: str
    body_hash: bytes
    answer: bytes
    """What the caller is told, and told again on every replay."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What is durable once a write returned."""

    request_id: UUID
    answer: bytes | None = None
    """The first answer, where this was a replay."""
    body_hash: bytes | None = None


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One request to store, under an idempotency key if the caller gave one."""

    accepted: Accepted
    key: IdempotencyKey | None = None

    @property
    def key_name(self) -> tuple[str, str, str] | None:
        """What makes a key one: two writes that share it cannot stand in one statement."""
        if self.key is None:
            return None
        return self.accepted.request.authority_id, self.key.scope, self.key.key


class DuplicateReference(Conflict):
    """The random reference is taken; the caller makes another."""


class Writer:
    """Stores requests by group commit."""

    def __init__(self, pool: Pool, metrics: Metrics, *, batch: int, most_waiting: int) -> None:
        self.group = GroupCommit[Write, Stored](
            pool,
            _write,
            batch=batch,
            most_waiting=most_waiting,
            meters=BatchMeters(metrics.commit_batch, metrics.commit_seconds, metrics.commit_waiting),
            apart=lambda write: write.key_name,
        )

    async def submit(self, accepted: Accepted, key: IdempotencyKey | None = None) -> Stored:
        """Return once the request is durable.

        Raises what `GroupCommit.submit` raises, and `DuplicateReference` when the reference is taken.
        """
        try:
            return await self.group.submit(Write(accepted=accepted, key=key))
        except asyncpg.UniqueViolationError as error:
            raise DuplicateReference(str(error.constraint_name)) from error


# One statement, so one implicit transaction and one round trip. A replayed key is a write (DO UPDATE): under
# synchronous replication a mere read could confirm a row that a failover then loses.
_INSERT: Final = """
WITH keys AS (
    INSERT INTO idempotency (authority_id, scope, key, body_hash, request_id, answer, created_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::bytea[], $7::timestamptz[])
    ON CONFLICT (authority_id, scope, key) DO UPDATE SET replayed_at = excluded.created_at
    RETURNING authority_id, scope, key, request_id, body_hash, answer, replayed_at
), replayed AS (
    SELECT asked.request_id FROM keys
    JOIN unnest($1::text[], $2::text[], $3::text[], $5::uuid[]) AS asked (authority_id, scope, key, request_id)
    USING (authority_id, scope, key)
    WHERE asked.request_id <> keys.request_id
), new_requests AS (
    INSERT INTO requests (authority_id, request_id, reference, channel, text, citizen, postcode, emergency, decision,
                          created_at, created_by, trace_id)
    SELECT * FROM unnest($8::text[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::text[],
                         $15::text[], $16::jsonb[], $17::timestamptz[], $18::text[], $19::text[])
        AS r (authority_id, request_id, reference, channel, text, citizen, postcode, emergency, decision,
              created_at, created_by, trace_id)
    WHERE r.request_id NOT IN (SELECT request_id FROM replayed)
), new_referrals AS (
    INSERT INTO referrals (authority_id, referral_id, request_id, part, text, service, organisation, state, priority,
                           chain, created_at, updated_at)
    SELECT r.authority_id, r.referral_id, r.request_id, r.part, r.text, r.service, r.organisation, r.state, r.priority,
           string_to_array(r.chain, ' '), r.created_at, r.created_at
    FROM unnest($20::text[], $21::uuid[], $22::uuid[], $23::smallint[], $24::text[], $25::text[], $26::text[],
                $27::text[], $28::text[], $29::text[], $30::timestamptz[])
        AS r (authority_id, referral_id, request_id, part, text, service, organisation, state, priority, chain,
              created_at)
    WHERE r.request_id NOT IN (SELECT request_id FROM replayed)
), new_deliveries AS (
    INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, role, state, priority,
                            due_at, traceparent, created_at, updated_at)
    SELECT d.authority_id, d.delivery_id, d.referral_id, d.request_id, d.organisation, d.role, 'waiting', d.priority,
           d.due_at, d.traceparent, d.due_at, d.due_at
    FROM unnest($31::text[], $32::uuid[], $33::uuid[], $34::uuid[], $35::text[], $36::text[], $37::smallint[],
                $38::timestamptz[], $39::text[])
        AS d (authority_id, delivery_id, referral_id, request_id, organisation, role, priority, due_at, traceparent)
    WHERE d.request_id NOT IN (SELECT request_id FROM replayed)
), new_events AS (
    INSERT INTO events (authority_id, event_id, request_id, referral_id, at, kind, actor, detail)
    SELECT * FROM unnest($40::text[], $41::uuid[], $42::uuid[], $43::uuid[], $44::timestamptz[], $45::text[],
                         $46::text[], $47::jsonb[])
        AS e (authority_id, event_id, request_id, referral_id, at, kind, actor, detail)
    WHERE e.request_id NOT IN (SELECT request_id FROM replayed)
), new_alarms AS (
    INSERT INTO alarms (authority_id, referral_id, request_id, service, opened_at, rung, next_at)
    SELECT * FROM unnest($48::text[], $49::uuid[], $50::uuid[], $51::text[], $52::timestamptz[], $53::int[],
                         $54::timestamptz[])
        AS a (authority_id, referral_id, request_id, service, opened_at, rung, next_at)
    WHERE a.request_id NOT IN (SELECT request_id FROM replayed)
), fresh AS (
    INSERT INTO fresh_requests (authority_id, request_id)
    SELECT r.authority_id, r.request_id FROM unnest($8::text[], $9::uuid[]) AS r (authority_id, request_id)
    WHERE r.request_id NOT IN (SELECT request_id FROM replayed)
)
SELECT authority_id, scope, key, request_id, body_hash, answer FROM keys WHERE replayed_at IS NOT NULL
"""


async def _write(connection: Connection, batch: Sequence[Write]) -> list[Stored]:
    rows = await connection.fetch(_INSERT, *_columns(batch))
    replays = {(row["authority_id"], row["scope"], row["key"]): row for row in rows}
    stored = []
    for write in batch:
        own = write.accepted.request.request_id
        row = replays.get(write.key_name) if write.key_name else None
        if row is None or row["request_id"] == own:
            stored.append(Stored(request_id=own))
        else:
            stored.append(
                Stored(request_id=row["request_id"], answer=row["answer"], body_hash=row["body_hash"])
            )
    return stored


def _columns(batch: Sequence[Write]) -> list[list[Any]]:
    """The batch as one array a column, in the order of the statement's parameters."""
    keys: list[tuple[Any, ...]] = []
    requests: list[tuple[Any, ...]] = []
    referrals: list[tuple[Any, ...]] = []
    deliveries: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    alarms: list[tuple[Any, ...]] = []
    for write in batch:
        r = write.accepted.request
        if write.key is not None:
            k = write.key
            keys.append((r.authority_id, k.scope, k.key, k.body_hash, r.request_id, k.answer, r.created_at))
        emergency = r.decision.emergency.service if r.decision.emergency else None
        requests.append(
            (r.authority_id, r.request_id, r.reference, r.channel, r.text, r.citizen, r.postcode, emergency)
            + (r.decision, r.created_at, r.created_by, r.trace_id)
        )
        referrals += [
            (
                f.authority_id,
                f.referral_id,
                f.request_id,
                f.part,
                f.text,
                f.service,
                f.organisation,
                f.state.value,
            )
            + (f.priority.name.lower(), " ".join(f.chain), f.created_at)
            for f in write.accepted.referrals
        ]
        deliveries += [
            (
                d.authority_id,
                d.delivery_id,
                d.referral_id,
                d.request_id,
                d.organisation,
                d.role,
                int(d.priority),
            )
            + (d.due_at, d.traceparent)
            for d in write.accepted.deliveries
        ]
        events += [
            (e.authority_id, e.event_id, e.request_id, e.referral_id, e.at, e.kind, e.actor, e.detail)
            for e in write.accepted.events
        ]
        alarms += [
            (a.authority_id, a.referral_id, a.request_id, a.service, a.opened_at, a.rung, a.next_at)
            for a in write.accepted.alarms
        ]
    widths = ((keys, 7), (requests, 12), (referrals, 11), (deliveries, 9), (events, 8), (alarms, 7))
    return [column for rows, width in widths for column in _transposed(rows, width)]


def _transposed(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


async def forget_keys(pool: Pool, older_than: datetime) -> int:
    """Delete idempotency keys past their published life; returns how many."""
    status = await pool.execute("DELETE FROM idempotency WHERE created_at < $1", older_than)
    return int(status.split()[-1])
