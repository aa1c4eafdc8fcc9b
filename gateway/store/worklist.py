"""Lists of work: safeguarding first, then urgent, then the oldest; by pages, each read by an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from gateway.store.pool import Connection


class After(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: behind this one."""

    rank: int
    at: datetime
    """When it was made; for the queue of what is due, when it is due."""
    referral_id: UUID


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which work. What is not given does not narrow."""

    stuck: bool = False
    """What no organisation has: triage, undeliverable, uncertain, rejected."""
    stuck_with: Sequence[str] | None = None
    """Of that only what these were the last to have."""
    states: Sequence[str] | None = None
    organisations: Sequence[str] = ()
    """What these have and has not ended."""
    skills: Sequence[str] = ()
    """What was handed to these skills."""
    person: str | None = None
    """What this person works on, was handed, or is offered."""
    claimed: bool = False
    """What anybody works on."""
    due_before: datetime | None = None
    """What has a promise that is due by then, soonest first."""
    services: Sequence[str] | None = None
    priority: str | None = None
    free: bool = False
    """Only what nobody works on."""
    tag: str | None = None


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One need in a list."""

    referral_id: UUID
    reference: str
    part: int
    text: str
    """The first 200 characters."""
    service: str | None
    organisation: str | None
    state: str
    priority: str
    channel: str
    created_at: datetime
    version: int
    """Its ETag, in quotes."""
    claimed_by: str | None
    """Who works on it now."""
    claimed_until: datetime | None
    assigned_to: str | None
    skill: str | None
    offered_to: str | None
    offered_until: datetime | None
    next_due: datetime | None
    """When the next promise to the citizen is due; `null`: none, or it waits for the citizen."""
    breached: bool
    waits_for_citizen: bool
    tags: list[str]


_STUCK: Final = "('triage', 'undeliverable', 'uncertain', 'rejected')"
_OPEN: Final = "('routed', 'delivered', 'in_progress')"
_ENDED: Final = "('resolved', 'cancelled', 'signposted')"
_ONE: Final = (
    "SELECT r.referral_id, priority_rank(r.priority) AS rank, r.created_at AS at FROM referrals AS r"
)
_ORDER: Final = " ORDER BY priority_rank(r.priority), r.created_at, r.referral_id LIMIT $3"


def _filters(wanted: Wanted, values: list[Any]) -> str:
    """Conditions on `r`, their values added to the parameters. $2 is now."""

    def given(value: Any) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = ""
    if wanted.states is not None:
        conditions += f" AND r.state = ANY({given(list(wanted.states))}::text[])"
    if wanted.services is not None:
        conditions += f" AND r.service = ANY({given(list(wanted.services))}::text[])"
    if wanted.priority is not None:
        conditions += f" AND r.priority = {given(wanted.priority)}"
    if wanted.free:
        conditions += " AND (r.claimed_by IS NULL OR r.claimed_until <= $2)"
    if wanted.tag is not None:
        conditions += (
            " AND EXISTS (SELECT FROM request_tags AS t WHERE t.authority_id = r.authority_id"
            f" AND t.request_id = r.request_id AND t.tag = {given(wanted.tag)})"
        )
    return conditions


def _arms(wanted: Wanted, values: list[Any], after: After | None) -> list[str]:
    """One query for each way into the list, each by its own index and no longer than a page."""
    behind = ""
    if after is not None:
        values += [after.rank, after.at, after.referral_id]
        first = len(values) - 2
        behind = (
            " AND (priority_rank(r.priority), r.created_at, r.referral_id)"
            f" > (${first}, ${first + 1}, ${first + 2})"
        )
    tail = _filters(wanted, values) + behind + _ORDER
    mine = f"r.authority_id = $1 AND r.state NOT IN {_ENDED}"
    arms: list[str] = []
    if wanted.stuck:
        having = ""
        if wanted.stuck_with is not None:
            values.append(list(wanted.stuck_with))
            having = f" AND r.organisation = ANY(${len(values)}::text[])"
        arms.append(f"{_ONE} WHERE r.authority_id = $1 AND r.state IN {_STUCK}{having}{tail}")
    for code in wanted.organisations:
        values.append(code)
        by = f"r.authority_id = $1 AND r.organisation = ${len(values)}"
        arms.append(f"{_ONE} WHERE {by} AND r.state IN {_OPEN}{tail}")
    if wanted.skills:
        values.append(list(wanted.skills))
        by = f"{mine} AND r.skill = ANY(${len(values)}::text[])"
        # Whoever handed it there knew why, whatever service it has.
        there = _filters(replace(wanted, services=None), values) + behind + _ORDER
        arms.append(f"{_ONE} WHERE {by}{there}")
    if wanted.claimed:
        arms.append(f"{_ONE} WHERE {mine} AND r.claimed_by IS NOT NULL AND r.claimed_until > $2{tail}")
    if wanted.person is not None:
        values.append(wanted.person)
        who = f"${len(values)}"
        arms += [
            f"{_ONE} WHERE {mine} AND r.claimed_by = {who} AND r.claimed_until > $2{tail}",
            f"{_ONE} WHERE {mine} AND r.assigned_to = {who}{tail}",
            f"{_ONE} WHERE {mine} AND r.offered_to = {who} AND r.offered_until > $2{tail}",
        ]
    return arms


def _due(wanted: Wanted, values: list[Any], after: After | None) -> str:
    values.append(wanted.due_before)
    query = (
        "SELECT c.referral_id, 0 AS rank, c.next_due AS at FROM clocks AS c"  # noqa: S608  names are ours, values are parameters
        " JOIN referrals AS r USING (authority_id, referral_id)"
        f" WHERE c.authority_id = $1 AND c.next_due <= ${len(values)}{_filters(wanted, values)}"
    )
    if after is not None:
        values += [after.at, after.referral_id]
        query += f" AND (c.next_due, c.referral_id) > (${len(values) - 1}, ${len(values)})"
    return query + " ORDER BY c.next_due, c.referral_id LIMIT $3"


async def listing(
    connection: Connection,
    authority: str,
    wanted: Wanted,
    *,
    now: datetime,
    after: After | None,
    limit: int,
) -> list[tuple[Work, After]]:
    """A page of work, each with where the next page would begin behind it."""
    values: list[Any] = [authority, now, limit]
    arms = [_due(wanted, values, after)] if wanted.due_before is not None else _arms(wanted, values, after)
    if not arms:
        return []
    found = " UNION ".join(f"({arm})" for arm in arms)
    rows = await connection.fetch(
        f"WITH found AS (SELECT * FROM ({found}) AS a ORDER BY rank, at, referral_id LIMIT $3)"  # noqa: S608  names are ours, values are parameters
        " SELECT f.rank, f.at, r.referral_id, q.reference, r.part, left(r.text, 200) AS text, r.service, r.organisation,"
        " r.state, r.priority, q.channel, r.created_at, r.version,"
        " CASE WHEN r.claimed_until > $2 THEN r.claimed_by END AS claimed_by,"
        " CASE WHEN r.claimed_until > $2 THEN r.claimed_until END AS claimed_until, r.assigned_to, r.skill,"
        " CASE WHEN r.offered_until > $2 THEN r.offered_to END AS offered_to,"
        " CASE WHEN r.offered_until > $2 THEN r.offered_until END AS offered_until,"
        " c.next_due, coalesce(c.next_due <= $2, false) AS breached,"
        " c.paused_at IS NOT NULL AND c.ended_at IS NULL AS waits_for_citizen,"
        " ARRAY(SELECT t.tag FROM request_tags AS t WHERE t.authority_id = r.authority_id"
        "   AND t.request_id = r.request_id ORDER BY t.tag) AS tags"
        " FROM found AS f JOIN referrals AS r ON r.authority_id = $1 AND r.referral_id = f.referral_id"
        " JOIN requests AS q ON q.authority_id = $1 AND q.request_id = r.request_id"
        " LEFT JOIN clocks AS c ON c.authority_id = $1 AND c.referral_id = r.referral_id"
        " ORDER BY f.rank, f.at, r.referral_id",
        *values,
    )
    page = []
    for row in rows:
        fields = {**row, "waits_for_citizen": bool(row["waits_for_citizen"])}
        after_this = After(fields.pop("rank"), fields.pop("at"), row["referral_id"])
        page.append((Work(**fields), after_this))
    return page


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits in a queue."""

    queue: str
    """`triage`, `undeliverable`, `uncertain`, `rejected`, `mine`, `due` (in the hour), `call-backs`, `alarms`, a skill:
    `organisation:…`, `group:…`, `service:…`."""
    count: int
    """Counted up to 1000."""
    oldest: datetime | None


async def counts(
    connection: Connection,
    authority: str,
    *,
    desks: Sequence[str],
    person: str,
    now: datetime,
    soon: datetime,
) -> list[Count]:
    """What waits where, for one screen. `desks` are the organisations that are people here."""
    rows = await connection.fetch(
        f"SELECT r.state AS queue, count(*), min(r.created_at) AS oldest FROM (SELECT state, created_at FROM referrals"  # noqa: S608  names are ours, values are parameters
        f"   WHERE authority_id = $1 AND state IN {_STUCK} LIMIT 1000) AS r GROUP BY 1"
        " UNION ALL SELECT 'organisation:' || d.code, count(r.at), min(r.at) FROM unnest($2::text[]) AS d (code)"
        "   LEFT JOIN LATERAL (SELECT created_at AS at FROM referrals WHERE authority_id = $1 AND organisation = d.code"
        f"   AND state IN {_OPEN} ORDER BY priority_rank(priority), created_at, referral_id LIMIT 1000) AS r ON true"
        " GROUP BY 1"
        " UNION ALL SELECT skill, count(*), min(created_at) FROM referrals"
        f"   WHERE authority_id = $1 AND skill IS NOT NULL AND state NOT IN {_ENDED} GROUP BY 1"
        " UNION ALL SELECT 'mine', count(*), min(created_at) FROM referrals WHERE authority_id = $1"
        f"   AND state NOT IN {_ENDED} AND (assigned_to = $3 OR (claimed_by = $3 AND claimed_until > $4)"
        "   OR (offered_to = $3 AND offered_until > $4))"
        " UNION ALL SELECT 'due', count(*), min(next_due) FROM (SELECT next_due FROM clocks WHERE authority_id = $1"
        "   AND next_due <= $5 ORDER BY next_due LIMIT 1000) AS c"
        " UNION ALL SELECT 'call-backs', count(*), min(due_at) FROM call_backs WHERE authority_id = $1 AND due_at <= $4"
        "   AND done_at IS NULL"
        " UNION ALL SELECT 'alarms', count(*), min(opened_at) FROM alarms WHERE authority_id = $1"
        "   AND acknowledged_at IS NULL",
        *(authority, list(desks), person, now, soon),
    )
    return [Count(**dict(row)) for row in rows]
