"""What people put right: the referral they looked at, what its change leaves behind, and corrections kept to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.model import Alarm, Priority, State
from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped
from routing_rules.decision import Given


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A referral as it stood when somebody looked, with the stored facts that routing needs."""

    referral_id: UUID
    request_id: UUID
    reference: str
    text: str
    service: str | None
    organisation: str | None
    state: State
    priority: str
    version: int
    created_at: datetime
    updated_at: datetime
    claimed_by: str | None
    claimed_until: datetime | None
    merged_into: UUID | None
    channel: str
    postcode: str | None
    proposed: str | None
    """What the door thought likeliest."""
    given: Given
    """Facts kept with the decision."""
    engine: str
    trace_id: str
    has_alarm: bool
    ringing: bool
    """Whether its safeguarding alarm has not been answered by a person."""


_STANDING: Final = """
SELECT r.referral_id, r.request_id, q.reference, r.text, r.service, r.organisation, r.state, r.priority, r.version,
       r.created_at, r.updated_at, r.claimed_by, r.claimed_until, r.merged_into, q.channel, q.postcode,
       coalesce(q.decision -> 'parts' -> (r.part - 1) ->> 'service',
                q.decision -> 'parts' -> (r.part - 1) -> 'alternatives' -> 0 ->> 'service') AS proposed,
       coalesce(q.decision -> 'given', '{}') AS given, q.decision ->> 'engine' AS engine,
       q.trace_id, a.referral_id IS NOT NULL AS has_alarm,
       a.referral_id IS NOT NULL AND a.acknowledged_at IS NULL AS ringing
FROM referrals AS r JOIN requests AS q USING (authority_id, request_id)
LEFT JOIN alarms AS a ON a.authority_id = r.authority_id AND a.referral_id = r.referral_id
WHERE r.authority_id = $1 AND r.referral_id = $2
"""


async def look(pool: Pool, authority: str, referral_id: UUID) -> Standing | None:
    """How a referral stands; `None` if there is none."""
    async with scoped(pool, authority) as connection:
        row = await connection.fetchrow(_STANDING, authority, referral_id)
    return None if row is None else msgspec.convert(dict(row), Standing)


async def lock(connection: Connection, authority: str, referral_id: UUID) -> Standing:
    """How it stands now, locked with its deliveries: those first, as everybody does who locks both."""
    await connection.execute(
        "SELECT FROM deliveries WHERE authority_id = $1 AND referral_id = $2 ORDER BY delivery_id FOR UPDATE",
        *(authority, referral_id),
    )
    row = await connection.fetchrow(_STANDING + " FOR UPDATE OF r", authority, referral_id)
    return msgspec.convert(dict(row or {}), Standing)


async def call_back(
    connection: Connection, authority: str, referral_id: UUID, now: datetime
) -> dict[str, str]:
    """Withdraw what has not been taken, alarms apart; organisation → how its hand-over as the lead stood.

    One that is under way cannot be stopped: if it is taken after all, that will be written down and change nothing. Nor
    do earlier leads count any more, even where the referral stays with the same organisation.
    """
    rows = await connection.fetch(
        "SELECT organisation, state FROM deliveries WHERE authority_id = $1 AND referral_id = $2 AND role = 'lead'"
        " ORDER BY delivery_id",
        *(authority, referral_id),
    )
    await connection.execute(
        "UPDATE deliveries SET role = CASE role WHEN 'lead' THEN 'former' ELSE role END, updated_at = $3,"
        " state = CASE WHEN state IN ('waiting', 'claimed', 'dead', 'uncertain') THEN 'withdrawn' ELSE state END,"
        " lease_until = NULL, claimed_by = NULL"
        " WHERE authority_id = $1 AND referral_id = $2 AND role IN ('lead', 'notify')",
        *(authority, referral_id, now),
    )
    return {row["organisation"]: row["state"] for row in rows}


async def change(
    connection: Connection,
    authority: str,
    referral_id: UUID,
    *,
    service: str | None,
    organisation: str | None,
    state: State,
    priority: Priority,
    chain: Sequence[str],
    text: str,
    now: datetime,
) -> int:
    """Set what the referral is now, and let go of who was to look at it; its new version."""
    version: int = await connection.fetchval(
        "UPDATE referrals SET service = $3, organisation = $4, state = $5, priority = $6, chain = $7, updated_at = $8,"
        " text = $9, assigned_to = NULL, skill = NULL, merged_into = NULL, offered_to = NULL, offered_by = NULL,"
        " offered_until = NULL"
        " WHERE authority_id = $1 AND referral_id = $2 RETURNING version",
        *(
            authority,
            referral_id,
            service,
            organisation,
            state.value,
            priority.name.lower(),
            list(chain),
            now,
            text,
        ),
    )
    return version


async def raise_alarm(connection: Connection, alarm: Alarm) -> None:
    """Let an alarm ring that did not ring before."""
    a = alarm
    await connection.execute(
        "INSERT INTO alarms (authority_id, referral_id, request_id, service, opened_at, rung, next_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(a.authority_id, a.referral_id, a.request_id, a.service, a.opened_at, a.rung, a.next_at),
    )


async def name_alarm(connection: Connection, authority: str, referral_id: UUID, service: str) -> None:
    """Say what the danger is, now that a person has looked."""
    await connection.execute(
        "UPDATE alarms SET service = $3 WHERE authority_id = $1 AND referral_id = $2",
        *(authority, referral_id, service),
    )


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """One time a person gave a referral another service."""

    authority_id: str
    correction_id: UUID
    referral_id: UUID
    request_id: UUID
    text: str
    service_before: str | None
    """`None`: the door had not decided."""
    service_after: str
    by: str
    reason: str
    at: datetime
    engine: str


async def keep(connection: Connection, correction: Correction) -> None:
    """Keep it, in the transaction of the change."""
    c = correction
    await connection.execute(
        "INSERT INTO corrections (authority_id, correction_id, referral_id, request_id, text, service_before,"
        " service_after, by, reason, at, engine) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        *(c.authority_id, c.correction_id, c.referral_id, c.request_id, c.text, c.service_before),
        *(c.service_after, c.by, c.reason, c.at, c.engine),
    )


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """A correction in a list."""

    correction_id: UUID
    reference: str
    referral_id: UUID
    text: str
    """The citizen's words for this need."""
    service_before: str | None
    """`null`: the door had not decided."""
    service_after: str
    by: str
    reason: str
    at: datetime
    engine: str
    """Which engine and rules had decided."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """How often people put one service in the place of another."""

    service_before: str | None
    """`null`: the door had not decided."""
    service_after: str
    count: int
    latest: datetime


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Corrections to look at. What is not given does not narrow."""

    since: datetime | None = None
    service_before: str | None = None
    service_after: str | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """For the parameters $2, $3 and $4 of what asks."""
        return self.since, self.service_before, self.service_after


async def pairs(pool: Pool, authority: str, which: Which) -> list[Pair]:
    """By service pair, commonest first."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            "SELECT c.service_before, c.service_after, count(*) AS count, max(c.at) AS latest FROM corrections AS c"
            " WHERE c.authority_id = $1 AND ($2::timestamptz IS NULL OR c.at >= $2)"
            " AND ($3::text IS NULL OR c.service_before = $3) AND ($4::text IS NULL OR c.service_after = $4)"
            " GROUP BY c.service_before, c.service_after"
            " ORDER BY count(*) DESC, c.service_after, c.service_before NULLS FIRST",
            *(authority, *which.values),
        )
    return [Pair(**dict(row)) for row in rows]


async def listing(
    pool: Pool, authority: str, which: Which, *, before: UUID | None, limit: int
) -> list[Corrected]:
    """A page of single ones, newest first: those older than `before`."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            "SELECT c.correction_id, q.reference, c.referral_id, c.text, c.service_before, c.service_after, c.by, c.reason,"
            " c.at, c.engine FROM corrections AS c JOIN requests AS q USING (authority_id, request_id)"
            " WHERE c.authority_id = $1 AND ($2::timestamptz IS NULL OR c.at >= $2)"
            " AND ($3::text IS NULL OR c.service_before = $3) AND ($4::text IS NULL OR c.service_after = $4)"
            " AND ($5::uuid IS NULL OR c.correction_id < $5) ORDER BY c.correction_id DESC LIMIT $6",
            *(authority, *which.values, before, limit),
        )
    return [Corrected(**dict(row)) for row in rows]


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """The last word on a referral, and what is known of the citizen: their details are no example."""

    reference: str
    text: str
    service_before: str | None
    service_after: str
    citizen: dict[str, Any]


async def lessons(pool: Pool, authority: str, since: datetime | None) -> list[Lesson]:
    """What there is to learn, in the order it came: of each referral the newest correction, if it stands to this day."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            "SELECT q.reference, c.text, c.service_before, c.service_after, q.citizen"
            " FROM corrections AS c JOIN requests AS q USING (authority_id, request_id)"
            " JOIN referrals AS r USING (authority_id, referral_id)"
            " WHERE c.authority_id = $1 AND ($2::timestamptz IS NULL OR c.at >= $2) AND r.service = c.service_after"
            " AND NOT EXISTS (SELECT FROM corrections AS later WHERE later.authority_id = c.authority_id"
            "   AND later.referral_id = c.referral_id AND later.correction_id > c.correction_id)"
            " ORDER BY c.correction_id",
            *(authority, since),
        )
    return [Lesson(**dict(row)) for row in rows]
