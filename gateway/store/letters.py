"""Deliveries that a person must look at: dead (out of attempts) and uncertain (may have arrived)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One such delivery. Holds no citizen's words."""

    delivery_id: UUID
    reference: str | None
    referral_id: UUID | None
    """`None` for a notice to a subscription."""
    request_id: UUID | None
    organisation: str
    role: str
    state: str
    service: str | None
    referral_state: str | None
    referral_organisation: str | None
    attempt: int
    last_outcome: str | None
    detail: str | None
    """What the last attempt brought back."""
    updated_at: datetime


_SELECT: Final = """
SELECT d.delivery_id, coalesce(q.reference, d.notice -> 'data' ->> 'reference') AS reference,
       d.referral_id, d.request_id, d.organisation, d.role, d.state, r.service,
       r.state AS referral_state, r.organisation AS referral_organisation, d.attempt, d.last_outcome, d.updated_at,
       (SELECT a.detail FROM attempts AS a WHERE a.authority_id = d.authority_id AND a.delivery_id = d.delivery_id
        ORDER BY a.fence DESC LIMIT 1) AS detail
FROM deliveries AS d LEFT JOIN referrals AS r USING (authority_id, referral_id)
LEFT JOIN requests AS q ON q.authority_id = d.authority_id AND q.request_id = d.request_id
WHERE d.authority_id = $1
"""


async def letters(
    pool: Pool,
    authority: str,
    *,
    states: Sequence[str],
    organisation: str | None,
    after: UUID | None,
    limit: int,
) -> list[Letter]:
    """A page of them, oldest first: those after `after`."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            _SELECT + " AND d.state = ANY($2) AND ($3::text IS NULL OR d.organisation = $3)"
            " AND ($4::uuid IS NULL OR d.delivery_id > $4) ORDER BY d.delivery_id LIMIT $5",
            *(authority, list(states), organisation, after, limit),
        )
    return [Letter(**dict(row)) for row in rows]


async def lock_letter(connection: Connection, authority: str, delivery_id: UUID) -> Letter | None:
    """One delivery in any state, locked with its referral; `None` if there is none."""
    referral_id = await connection.fetchval(
        "SELECT referral_id FROM deliveries WHERE authority_id = $1 AND delivery_id = $2 FOR UPDATE",
        *(authority, delivery_id),
    )
    if referral_id is not None:  # a notice has none
        await connection.execute(
            "SELECT FROM referrals WHERE authority_id = $1 AND referral_id = $2 FOR UPDATE",
            *(authority, referral_id),
        )
    row = await connection.fetchrow(_SELECT + " AND d.delivery_id = $2", authority, delivery_id)
    return Letter(**dict(row)) if row else None


async def send_again(connection: Connection, authority: str, letter: Letter, now: datetime) -> None:
    """Make it due now with all its attempts, give its organisation the referral back, and withdraw what waits elsewhere."""
    await connection.execute(
        "UPDATE deliveries SET state = 'waiting', attempt = 0, due_at = $3, check_first = (state = 'dead' AND check_first),"
        " updated_at = $3 WHERE authority_id = $1 AND delivery_id = $2",
        *(authority, letter.delivery_id, now),
    )
    if letter.role != "lead":
        return
    await _withdraw_others(connection, authority, letter, now)
    await connection.execute(
        "UPDATE referrals SET state = 'routed', organisation = $3, updated_at = $4"
        " WHERE authority_id = $1 AND referral_id = $2",
        *(authority, letter.referral_id, letter.organisation, now),
    )


async def it_arrived(
    connection: Connection, authority: str, letter: Letter, external_reference: str | None, now: datetime
) -> None:
    """A person found out that the organisation has it: the referral is with it, and what waits elsewhere is withdrawn."""
    await connection.execute(
        "UPDATE deliveries SET state = 'delivered', check_first = false, updated_at = $4,"
        " external_reference = coalesce($3, external_reference) WHERE authority_id = $1 AND delivery_id = $2",
        *(authority, letter.delivery_id, external_reference, now),
    )
    if letter.role != "lead" or letter.referral_state == "in_progress":
        return  # somebody works on it already
    await _withdraw_others(connection, authority, letter, now)
    await connection.execute(
        "UPDATE referrals SET state = 'delivered', organisation = $3, updated_at = $4"
        " WHERE authority_id = $1 AND referral_id = $2",
        *(authority, letter.referral_id, letter.organisation, now),
    )


async def _withdraw_others(connection: Connection, authority: str, letter: Letter, now: datetime) -> None:
    await connection.execute(
        "UPDATE deliveries SET state = 'withdrawn', updated_at = $4 WHERE authority_id = $1 AND referral_id = $2"
        " AND role = 'lead' AND state = 'waiting' AND delivery_id <> $3",
        *(authority, letter.referral_id, letter.delivery_id, now),
    )
