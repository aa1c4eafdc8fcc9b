"""A request's version: it rises with every change to anything that is read with it, whoever makes the change."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from gateway.store.pool import Connection

VERSION: Final = """
q.version
+ (SELECT coalesce(sum(r.version), 0) FROM referrals AS r
   WHERE r.authority_id = q.authority_id AND r.request_id = q.request_id)
+ (SELECT coalesce(sum(d.version), 0) FROM referrals AS r JOIN deliveries AS d USING (authority_id, referral_id)
   WHERE r.authority_id = q.authority_id AND r.request_id = q.request_id)
+ (SELECT count(*) FROM events AS e WHERE e.authority_id = q.authority_id AND e.request_id = q.request_id)
+ (SELECT count(c.promise) FROM referrals AS r JOIN clocks AS c USING (authority_id, referral_id)
   WHERE r.authority_id = q.authority_id AND r.request_id = q.request_id)
"""
"""Sums of numbers that only rise, so that any change to any of the rows is another sum; `q` is the request."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A request to change: its row is locked."""

    request_id: UUID
    reference: str
    version: int


async def lock_request(connection: Connection, authority: str, reference: str) -> Whole | None:
    """Lock a request against other changes by people; `None` if there is none."""
    request_id = await connection.fetchval(
        "SELECT request_id FROM requests WHERE authority_id = $1 AND reference = $2 FOR UPDATE",
        *(authority, reference),
    )
    if request_id is None:
        return None
    return Whole(
        request_id=request_id,
        reference=reference,
        version=await version_of(connection, authority, request_id),
    )


async def version_of(connection: Connection, authority: str, request_id: UUID) -> int:
    """What the request's version is now."""
    version: int = await connection.fetchval(
        f"SELECT ({VERSION})::bigint FROM requests AS q WHERE q.authority_id = $1 AND q.request_id = $2",  # noqa: S608  names are ours, values are parameters
        *(authority, request_id),
    )
    return version


async def touch(connection: Connection, authority: str, request_id: UUID) -> None:
    """Something that is read with the request has changed: its own version rises."""
    await connection.execute(
        "UPDATE requests SET version = version WHERE authority_id = $1 AND request_id = $2",
        *(authority, request_id),
    )
