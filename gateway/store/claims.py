"""The courier's queue: claim what is due, put it back, and take over from couriers that died.

A claim raises `attempt` and `fence` in the row. Whatever ends the claim must name its fence, so a courier that slept
past its lease cannot end a claim that is no longer its own. Leases are written and judged by the database's clock alone:
couriers on several machines need not agree on the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.store.pool import Pool


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries one organisation may be handed now, and how long the claims last."""

    authority_id: str
    organisation: str
    free: int
    lease: timedelta


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is this courier's until its lease ends, with what the hand-over needs."""

    authority_id: str
    delivery_id: UUID
    referral_id: UUID | None
    """`None` for a notice alone."""
    request_id: UUID | None
    organisation: str
    role: str
    attempt: int
    fence: int
    check_first: bool
    """An earlier attempt may have arrived."""
    expired: int = 0
    """How many couriers that had it stopped answering, since a person last sent it again."""
    traceparent: str
    queued_at: datetime
    reference: str
    created_at: datetime
    text: str
    service: str | None
    priority: str
    chain: list[str]
    citizen: dict[str, Any]
    postcode: str | None
    notice: dict[str, Any] | None = None
    """What a subscriber is told; then nothing of the citizen stands in this claim."""


# For each slot its own index scan in the order of the index, so that the cost follows the batch and not the table. The
# planner cannot know how many are free and guesses a tenth of the queue; arrays and LIMIT 1 keep it to look-ups by key.
_CLAIM: Final = """
WITH due AS (
    SELECT d.authority_id, d.delivery_id
    FROM unnest($1::text[], $2::text[], $3::int[]) AS s (authority_id, organisation, free)
    CROSS JOIN LATERAL (
        SELECT authority_id, delivery_id FROM deliveries
        WHERE authority_id = s.authority_id AND organisation = s.organisation AND state = 'waiting' AND due_at <= $5
        ORDER BY priority, due_at LIMIT s.free FOR UPDATE SKIP LOCKED
    ) AS d
), claimed AS (
    UPDATE deliveries AS d
    SET state = 'claimed', attempt = d.attempt + 1, fence = d.fence + 1, claimed_by = $6, updated_at = $5,
        lease_until = now() + (SELECT max(s.lease) FROM unnest($1::text[], $2::text[], $4::interval[])
                            AS s (authority_id, organisation, lease)
                            WHERE s.authority_id = d.authority_id AND s.organisation = d.organisation)
    WHERE d.authority_id = ANY (ARRAY(SELECT DISTINCT authority_id FROM due))
      AND d.delivery_id = ANY (ARRAY(SELECT delivery_id FROM due))
    RETURNING d.*
)
SELECT c.authority_id, c.delivery_id, c.referral_id, c.request_id, c.organisation, c.role, c.attempt, c.fence,
       c.check_first, CASE WHEN c.check_first THEN (
           SELECT count(*) FROM attempts AS a WHERE a.authority_id = c.authority_id AND a.delivery_id = c.delivery_id
           AND a.outcome = 'expired' AND a.fence > c.fence - c.attempt) ELSE 0 END AS expired,
       coalesce(c.traceparent, '') AS traceparent, c.created_at AS queued_at,
       coalesce(q.reference, c.notice -> 'data' ->> 'reference', '') AS reference,
       coalesce(q.created_at, c.created_at) AS created_at, coalesce(r.text, '') AS text, r.service,
       coalesce(r.priority, 'normal') AS priority, coalesce(r.chain, '{}') AS chain, coalesce(q.citizen, '{}') AS citizen,
       q.postcode, c.notice
FROM claimed AS c
LEFT JOIN LATERAL (SELECT * FROM referrals WHERE authority_id = c.authority_id AND referral_id = c.referral_id LIMIT 1)
    AS r ON true
LEFT JOIN LATERAL (SELECT * FROM requests WHERE authority_id = c.authority_id AND request_id = c.request_id
                   AND c.notice IS NULL LIMIT 1) AS q ON true
ORDER BY c.priority, c.due_at
"""


async def claim(pool: Pool, slots: Sequence[Slot], now: datetime, worker: str) -> list[Claim]:
    """Claim up to `free` due deliveries for each slot, most pressing first."""
    rows = await pool.fetch(
        _CLAIM,
        [slot.authority_id for slot in slots],
        [slot.organisation for slot in slots],
        [slot.free for slot in slots],
        [slot.lease for slot in slots],
        now,
        worker,
    )
    return [Claim(**dict(row)) for row in rows]


async def release(pool: Pool, claims: Sequence[Claim], now: datetime) -> None:
    """Give back claims whose hand-over was never begun; they cost no attempt."""
    await pool.execute(
        "UPDATE deliveries AS d SET state = 'waiting', attempt = d.attempt - 1, lease_until = NULL, claimed_by = NULL,"
        " updated_at = $4 FROM unnest($1::text[], $2::uuid[], $3::int[]) AS c (authority_id, delivery_id, fence)"
        " WHERE d.authority_id = c.authority_id AND d.delivery_id = c.delivery_id AND d.fence = c.fence"
        " AND d.state = 'claimed'",
        [claim.authority_id for claim in claims],
        [claim.delivery_id for claim in claims],
        [claim.fence for claim in claims],
        now,
    )


_TAKE_BACK: Final = """
WITH expired AS (
    SELECT authority_id, delivery_id FROM deliveries
    WHERE state = 'claimed' AND lease_until < now() ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE deliveries AS d
    SET state = 'waiting', check_first = true, lease_until = NULL, claimed_by = NULL, due_at = $1, updated_at = $1,
        last_outcome = 'expired'
    FROM expired AS e WHERE d.authority_id = e.authority_id AND d.delivery_id = e.delivery_id
    RETURNING d.authority_id, d.delivery_id, d.attempt, d.fence
)
INSERT INTO attempts (authority_id, delivery_id, attempt, fence, started_at, finished_at, outcome, detail)
SELECT authority_id, delivery_id, attempt, fence, $1, $1, 'expired', 'the courier that had it stopped answering' FROM freed
ON CONFLICT DO NOTHING
RETURNING authority_id
"""


async def take_back_expired(pool: Pool, now: datetime) -> int:
    """Free the claims of couriers that died or froze. They may have sent it: the next attempt checks first.

    `now` is written down; whether a lease has run out is the database's to say.
    """
    return len(await pool.fetch(_TAKE_BACK, now))


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What one organisation's queue holds in one state."""

    authority_id: str
    organisation: str
    state: str
    count: int
    oldest: datetime


async def backlog(pool: Pool) -> list[Backlog]:
    """Every queue that is not empty."""
    rows = await pool.fetch(
        "SELECT authority_id, organisation, state, count(*) AS count, min(created_at) AS oldest FROM deliveries"
        " WHERE state IN ('waiting', 'claimed', 'dead', 'uncertain') GROUP BY authority_id, organisation, state"
    )
    return [Backlog(**dict(row)) for row in rows]


async def triage(pool: Pool) -> dict[str, tuple[int, datetime]]:
    """How many needs wait for a person to decide, and since when the oldest does, by authority."""
    rows = await pool.fetch(
        "SELECT authority_id, count(*) AS count, min(created_at) AS oldest FROM referrals WHERE state = 'triage'"
        " GROUP BY authority_id"
    )
    return {row["authority_id"]: (row["count"], row["oldest"]) for row in rows}
