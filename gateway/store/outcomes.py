"""What came of an attempt, written down: the delivery, the attempt, the referral's state and the event, in one commit.

The two common endings (taken, or to be tried again) are written in batches. The rare ones that hand a referral on or
leave it for a person go one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.model import Delivery, DeliveryState, Event, State
from gateway.store.claims import Claim
from gateway.store.pool import Connection, Pool


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt and what it leaves behind."""

    claim: Claim
    started_at: datetime
    finished_at: datetime
    outcome: str
    """`accepted`, `refused`, `unavailable` or `uncertain`."""
    status: int | None
    detail: str
    state: DeliveryState
    """What the delivery becomes: `delivered`, or `waiting` for the next attempt."""
    due_at: datetime
    """When it may be tried again."""
    check_first: bool = False
    external_reference: str | None = None
    external_status: str | None = None
    event_id: UUID
    acknowledge_by: datetime | None = None
    """By when the organisation must say that it has begun; `None` where that is not waited for."""


_WRITE: Final = """
WITH ended AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::timestamptz[], $6::timestamptz[], $7::text[],
                         $8::int[], $9::text[], $10::text[], $11::timestamptz[], $12::bool[], $13::text[], $14::text[],
                         $15::uuid[], $16::uuid[], $17::uuid[], $18::text[], $19::timestamptz[])
        AS e (authority_id, delivery_id, fence, attempt, started_at, finished_at, outcome, status, detail, state, due_at,
              check_first, external_reference, external_status, event_id, request_id, referral_id, actor,
              acknowledge_by)
), updated AS (
    UPDATE deliveries AS d
    SET state = e.state, due_at = e.due_at, check_first = e.check_first, lease_until = NULL, claimed_by = NULL,
        external_reference = coalesce(e.external_reference, d.external_reference),
        external_status = CASE WHEN d.status_at IS NULL THEN coalesce(e.external_status, d.external_status)
                               ELSE d.external_status END,
        acknowledge_by = e.acknowledge_by, last_outcome = e.outcome, updated_at = e.finished_at
    FROM ended AS e
    WHERE d.authority_id = e.authority_id AND d.delivery_id = e.delivery_id AND d.fence = e.fence
      -- That it was taken is true even where the lease ran out, a status came back, or people sent the referral
      -- elsewhere, before it could be written.
      AND (d.state = 'claimed' OR (e.state = 'delivered' AND d.last_outcome IS DISTINCT FROM 'accepted'
                                   AND (d.state IN ('waiting', 'withdrawn')
                                        OR (d.state = 'delivered' AND d.status_at IS NOT NULL))))
    RETURNING e.*, d.role, d.organisation
), kept AS (
    INSERT INTO attempts (authority_id, delivery_id, attempt, fence, started_at, finished_at, outcome, status, detail)
    SELECT authority_id, delivery_id, attempt, fence, started_at, finished_at, outcome, status, detail FROM ended
    ON CONFLICT (authority_id, delivery_id, fence) DO UPDATE
        SET finished_at = excluded.finished_at, started_at = excluded.started_at, outcome = excluded.outcome,
            status = excluded.status, detail = excluded.detail
        WHERE attempts.outcome IN ('expired', 'reported')
), moved AS (
    UPDATE referrals AS r SET state = 'delivered', updated_at = u.finished_at
    FROM updated AS u
    WHERE u.state = 'delivered' AND u.role = 'lead' AND r.authority_id = u.authority_id
      AND r.referral_id = u.referral_id AND r.organisation = u.organisation
      AND r.state IN ('routed', 'undeliverable', 'uncertain')
), told AS (
    INSERT INTO events (authority_id, event_id, request_id, referral_id, at, kind, actor, detail)
    SELECT authority_id, event_id, request_id, referral_id, finished_at, 'delivered', actor,
           jsonb_build_object('organisation', organisation, 'role', role, 'external_reference', external_reference,
                              'attempt', attempt)
    FROM updated WHERE state = 'delivered' AND role <> 'notice'
)
SELECT delivery_id FROM updated
"""


async def write_ended(connection: Connection, batch: Sequence[Ended]) -> list[bool]:
    """Write a batch; for each whether the claim was still ours."""
    rows = await connection.fetch(_WRITE, *_columns(batch))
    ours = {row["delivery_id"] for row in rows}
    return [ended.claim.delivery_id in ours for ended in batch]


def _columns(batch: Sequence[Ended]) -> list[list[Any]]:
    rows = [
        (
            *(
                e.claim.authority_id,
                e.claim.delivery_id,
                e.claim.fence,
                e.claim.attempt,
                e.started_at,
                e.finished_at,
            ),
            *(e.outcome, e.status, e.detail, e.state.value, e.due_at, e.check_first, e.external_reference),
            *(e.external_status, e.event_id, e.claim.request_id, e.claim.referral_id, e.claim.organisation),
            e.acknowledge_by,
        )
        for e in batch
    ]
    return [list(column) for column in zip(*rows, strict=True)]


class HandedOn(msgspec.Struct, frozen=True, kw_only=True):
    """What the referral becomes once a delivery ended without being taken."""

    state: State
    organisation: str
    chain: list[str]
    delivery: Delivery | None
    """The delivery to the next organisation; `None` when a person must decide."""
    event: Event


async def hand_on(pool: Pool, ended: Ended, state: DeliveryState, then: HandedOn | None) -> bool:
    """End a claim for good and let the referral go on, in one transaction; `False` if the claim was no longer ours.

    `then` is `None` for an organisation that was only told as well: the referral does not depend on it.
    """
    claim = ended.claim
    async with pool.acquire() as connection, connection.transaction():
        await _keep_attempt(connection, ended)
        still_ours = await connection.fetchval(
            "UPDATE deliveries SET state = $4, lease_until = NULL, claimed_by = NULL, last_outcome = $5, updated_at = $6"
            " WHERE authority_id = $1 AND delivery_id = $2 AND fence = $3 AND state = 'claimed' RETURNING true",
            *(
                claim.authority_id,
                claim.delivery_id,
                claim.fence,
                state.value,
                ended.outcome,
                ended.finished_at,
            ),
        )
        if not still_ours:
            return False
        if then is not None and claim.referral_id is not None and await _still_holds(connection, claim):
            await move_on(connection, claim.authority_id, claim.referral_id, then, ended.finished_at)
        return True


async def _still_holds(connection: Connection, claim: Claim) -> bool:
    """Whether the referral still waits for this organisation: people may have sent it elsewhere meanwhile, or ended it."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM referrals WHERE authority_id = $1 AND referral_id = $2 AND organisation = $3"
            " AND state IN ('routed', 'uncertain', 'undeliverable') FOR UPDATE",
            *(claim.authority_id, claim.referral_id, claim.organisation),
        )
    )


async def move_on(
    connection: Connection, authority_id: str, referral_id: UUID, then: HandedOn, now: datetime
) -> None:
    """Give the referral its next organisation, queue the delivery to it and write the event."""
    await connection.execute(
        "UPDATE referrals SET state = $3, organisation = $4, chain = $5, updated_at = $6"
        " WHERE authority_id = $1 AND referral_id = $2",
        *(authority_id, referral_id, then.state.value, then.organisation, then.chain, now),
    )
    if then.delivery is not None:
        await add_delivery(connection, then.delivery)
    await add_event(connection, then.event)


async def withdraw(connection: Connection, authority_id: str, delivery_id: UUID, now: datetime) -> None:
    """One that waits is not sent after all."""
    await connection.execute(
        "UPDATE deliveries SET state = 'withdrawn', updated_at = $3 WHERE authority_id = $1 AND delivery_id = $2",
        *(authority_id, delivery_id, now),
    )


async def add_delivery(connection: Connection, delivery: Delivery) -> None:
    """Queue one hand-over."""
    d = delivery
    await connection.execute(
        "INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, role, state, priority,"
        " due_at, traceparent, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, $8, $8)",
        *(
            d.authority_id,
            d.delivery_id,
            d.referral_id,
            d.request_id,
            d.organisation,
            d.role,
            int(d.priority),
        ),
        *(d.due_at, d.traceparent),
    )


async def add_event(connection: Connection, event: Event) -> None:
    """Write down that something happened, in the transaction in which it does."""
    e = event
    await connection.execute(
        "INSERT INTO events (authority_id, event_id, request_id, referral_id, at, kind, actor, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(e.authority_id, e.event_id, e.request_id, e.referral_id, e.at, e.kind, e.actor, e.detail),
    )


async def _keep_attempt(connection: Connection, ended: Ended) -> None:
    claim = ended.claim
    await connection.execute(
        "INSERT INTO attempts (authority_id, delivery_id, attempt, fence, started_at, finished_at, outcome, status, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (authority_id, delivery_id, fence) DO UPDATE"
        " SET started_at = excluded.started_at, finished_at = excluded.finished_at, outcome = excluded.outcome,"
        " status = excluded.status, detail = excluded.detail WHERE attempts.outcome IN ('expired', 'reported')",
        *(
            claim.authority_id,
            claim.delivery_id,
            claim.attempt,
            claim.fence,
            ended.started_at,
            ended.finished_at,
        ),
        *(ended.outcome, ended.status, ended.detail),
    )
