"""Who wants to be told what happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from gateway.errors import Conflict
from gateway.store import notices
from gateway.store.pool import Connection, Pool

KINDS: Final = {
    "request.created": "A citizen's request was taken in.",
    "request.changed": "Something happened to a request as a whole.",
    "referral.created": "One need of a request was decided on: routed, signposted or left to a person.",
    "referral.changed": "Something happened to a referral: taken, begun, resolved, rejected, handed on …",
    "alarm.raised": "A safeguarding alarm was raised, or raised further.",
    "alarm.acknowledged": "A named person answered a safeguarding alarm.",
}
"""What can be subscribed to: what `notice_kind` in the database gives."""

PREFIX: Final = "subscription:"
"""Begins the name that a subscription has where an organisation's code stands."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscription's notices are signed with."""

    secret: str
    old_secret: str | None = None
    old_secret_until: datetime | None = None

    def __repr__(self) -> str:
        """Without the secrets: it may be logged."""
        return "<Secrets>"

    def at(self, now: datetime) -> list[str]:
        """Those that are valid, newest first."""
        if self.old_secret is None or self.old_secret_until is None or now >= self.old_secret_until:
            return [self.secret]
        return [self.secret, self.old_secret]


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as the courier needs it."""

    authority_id: str
    subscription_id: UUID
    url: str
    secrets: Secrets
    answered_at: datetime | None

    @property
    def code(self) -> str:
        """What stands in `deliveries.organisation`."""
        return code_of(self.subscription_id)


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as it is shown. Never its secret."""

    subscription_id: UUID
    url: str
    kinds: list[str]
    created_at: datetime
    created_by: str
    answered_at: datetime | None
    """When it last took a notice, to the minute."""
    disabled_at: datetime | None
    disabled_because: str | None
    waiting: int
    """Notices on their way."""
    dead: int
    """Notices that were given up; they can be replayed."""


def code_of(subscription_id: UUID) -> str:
    """What stands in `deliveries.organisation` for a subscription."""
    return f"{PREFIX}{subscription_id}"


_SELECT: Final = """
SELECT s.subscription_id, s.url, s.kinds, s.created_at, s.created_by, s.answered_at, s.disabled_at, s.disabled_because,
       (SELECT count(*) FROM deliveries AS d WHERE d.authority_id = s.authority_id AND d.role = 'notice'
        AND d.organisation = 'subscription:' || s.subscription_id AND d.state = 'waiting') AS waiting,
       (SELECT count(*) FROM deliveries AS d WHERE d.authority_id = s.authority_id AND d.role = 'notice'
        AND d.organisation = 'subscription:' || s.subscription_id AND d.state = 'dead') AS dead
FROM subscriptions AS s WHERE s.authority_id = $1
"""


async def add(
    connection: Connection,
    authority: str,
    subscription_id: UUID,
    *,
    url: str,
    secret: str,
    kinds: Sequence[str],
    actor: str,
    now: datetime,
    most: int,
) -> None:
    """Make a subscription, inside a transaction.

    Raises `Conflict` when the authority has `most` already, and for an address that has one.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"{PREFIX}{authority}")
    there = await connection.fetchval("SELECT count(*) FROM subscriptions WHERE authority_id = $1", authority)
    if there >= most:
        raise Conflict(f"an authority has at most {most} subscriptions")
    try:
        await connection.execute(
            "INSERT INTO subscriptions (authority_id, subscription_id, url, secret, kinds, created_at, created_by)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *(authority, subscription_id, url, secret, list(kinds), now, actor),
        )
    except asyncpg.UniqueViolationError:
        raise Conflict("there is a subscription for this address; delete it, or rotate its secret") from None


async def listing(connection: Connection, authority: str) -> list[Subscription]:
    """An authority's subscriptions, oldest first."""
    rows = await connection.fetch(_SELECT + " ORDER BY s.subscription_id", authority)
    return [Subscription(**dict(row)) for row in rows]


async def is_live(connection: Connection, authority: str, code: str) -> bool:
    """Whether `subscription:<id>` is there and not disabled."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM subscriptions WHERE authority_id = $1 AND 'subscription:' || subscription_id = $2"
            " AND disabled_at IS NULL",
            *(authority, code),
        )
    )


async def one(connection: Connection, authority: str, subscription_id: UUID) -> Subscription | None:
    """One of them."""
    row = await connection.fetchrow(_SELECT + " AND s.subscription_id = $2", authority, subscription_id)
    return Subscription(**dict(row)) if row else None


async def live(pool: Pool) -> list[Live]:
    """Every subscription of every authority that is to be told."""
    rows = await pool.fetch(
        "SELECT authority_id, subscription_id, url, secret, old_secret, old_secret_until, answered_at FROM subscriptions"
        " WHERE disabled_at IS NULL"
    )
    return [
        Live(
            authority_id=row["authority_id"],
            subscription_id=row["subscription_id"],
            url=row["url"],
            secrets=Secrets(
                secret=row["secret"],
                old_secret=row["old_secret"],
                old_secret_until=row["old_secret_until"],
            ),
            answered_at=row["answered_at"],
        )
        for row in rows
    ]


async def remove(connection: Connection, authority: str, subscription_id: UUID, now: datetime) -> bool:
    """Delete one with its secret; what it had not been told is withdrawn. `False` if there is none."""
    status = await connection.execute(
        "DELETE FROM subscriptions WHERE authority_id = $1 AND subscription_id = $2",
        *(authority, subscription_id),
    )
    await connection.execute(
        "UPDATE deliveries SET state = 'withdrawn', updated_at = $3 WHERE authority_id = $1 AND organisation = $2"
        " AND role = 'notice' AND state IN ('waiting', 'dead')",
        *(authority, code_of(subscription_id), now),
    )
    return bool(status.endswith(" 1"))


async def rotate(
    connection: Connection, authority: str, subscription_id: UUID, secret: str, old_until: datetime
) -> bool:
    """Give it a new secret; the one before is valid until `old_until`. `False` if there is none."""
    status = await connection.execute(
        "UPDATE subscriptions SET old_secret = secret, old_secret_until = $4, secret = $3"
        " WHERE authority_id = $1 AND subscription_id = $2",
        *(authority, subscription_id, secret, old_until),
    )
    return bool(status.endswith(" 1"))


async def enable(connection: Connection, authority: str, subscription_id: UUID, now: datetime) -> bool:
    """Tell it again from now on, and give it time to prove itself. `False` if there is none."""
    status = await connection.execute(
        "UPDATE subscriptions SET answered_at = CASE WHEN disabled_at IS NULL THEN answered_at ELSE $3 END,"
        " disabled_at = NULL, disabled_because = NULL WHERE authority_id = $1 AND subscription_id = $2",
        *(authority, subscription_id, now),
    )
    return bool(status.endswith(" 1"))


async def disable(
    connection: Connection, authority: str, subscription_id: UUID, because: str, now: datetime
) -> bool:
    """Stop telling it; what waited for it is dead: kept, listed, replayable. `False` if it was not live."""
    status = await connection.execute(
        "UPDATE subscriptions SET disabled_at = $3, disabled_because = $4"
        " WHERE authority_id = $1 AND subscription_id = $2 AND disabled_at IS NULL",
        *(authority, subscription_id, now, because),
    )
    await notices.settle_unsent(connection, now)
    return bool(status.endswith(" 1"))


# Each EXISTS has a partial index of its own.
_DISABLE_SILENT: Final = """
UPDATE subscriptions AS s SET disabled_at = $1, disabled_because = $3
WHERE s.disabled_at IS NULL AND greatest(s.answered_at, s.created_at) < $2 AND (
    EXISTS (SELECT FROM deliveries AS d WHERE d.authority_id = s.authority_id AND d.role = 'notice'
            AND d.organisation = 'subscription:' || s.subscription_id AND d.state = 'waiting' AND d.attempt > 0
            AND d.created_at < $2 AND d.created_at >= greatest(s.answered_at, s.created_at))
    OR EXISTS (SELECT FROM deliveries AS d WHERE d.authority_id = s.authority_id AND d.role = 'notice'
               AND d.organisation = 'subscription:' || s.subscription_id AND d.state = 'dead' AND d.attempt > 0
               AND d.created_at < $2 AND d.created_at >= greatest(s.answered_at, s.created_at)))
RETURNING s.authority_id, s.subscription_id
"""


async def disable_silent(connection: Connection, silence: timedelta, now: datetime) -> list[tuple[str, UUID]]:
    """Disable those that took nothing for `silence` while there was something to take: they are gone for good."""
    rows = await connection.fetch(
        _DISABLE_SILENT,
        *(now, now - silence, f"it took nothing for {silence.days} days"),
    )
    return [(row["authority_id"], row["subscription_id"]) for row in rows]


async def answered(pool: Pool, at: Mapping[tuple[str, UUID], datetime]) -> None:
    """Note when subscriptions (authority, id) last took a notice."""
    await pool.execute(
        "UPDATE subscriptions AS s SET answered_at = greatest(s.answered_at, a.at)"
        " FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS a (authority_id, subscription_id, at)"
        " WHERE s.authority_id = a.authority_id AND s.subscription_id = a.subscription_id",
        [authority for authority, _ in at],
        [subscription_id for _, subscription_id in at],
        list(at.values()),
    )
