"""How much of an authority's work waits for each organisation, and since when."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.store.pool import Pool
from gateway.store.scope import scoped


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What has not been handed over to one organisation."""

    organisation: str
    waiting: int
    """Due or yet to be due, and those under way just now."""
    oldest: datetime | None
    """Since when the oldest of them waits."""
    dead: int
    uncertain: int


async def backlogs(pool: Pool, authority: str, *, organisation: str | None = None) -> list[Backlog]:
    """Of each organisation with something that is not handed over; with `organisation` only that one's own."""
    async with scoped(pool, authority, organisation=organisation) as connection:
        rows = await connection.fetch(
            "SELECT organisation, count(*) FILTER (WHERE state IN ('waiting', 'claimed')) AS waiting,"
            " min(created_at) FILTER (WHERE state IN ('waiting', 'claimed')) AS oldest,"
            " count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'uncertain') AS uncertain"
            " FROM deliveries WHERE authority_id = $1 AND state IN ('waiting', 'claimed', 'dead', 'uncertain')"
            " GROUP BY organisation",
            authority,
        )
    return [Backlog(**dict(row)) for row in rows]
