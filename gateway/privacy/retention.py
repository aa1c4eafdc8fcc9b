"""Nothing is kept longer than the authority's file says: what is over and past its time leaves a tombstone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway.callers import Caller
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.privacy.erase import erase
from gateway.store.chain import id_at
from gateway.store.pool import AWAY, Connection, Pool
from gateway.store.scope import scoped
from routing_rules.authority import Authority

log = structlog.get_logger()

EVERY: Final = 24 * 3600.0
"""Seconds between looks: each goes through all that is old enough."""
AT_ONCE: Final = 200

# Of a request for several services the longest counts; a service without days of its own has the authority's.
_DUE: Final = """
SELECT q.request_id FROM requests AS q
JOIN LATERAL (
    SELECT max(greatest(r.updated_at, q.created_at)
               + make_interval(days => coalesce(d.days, $3))) AS until, count(*) AS needs,
           count(*) FILTER (WHERE coalesce(d.days, $3) IS NULL) AS for_good,
           count(*) FILTER (WHERE r.state NOT IN ('resolved', 'rejected', 'cancelled', 'signposted')) AS still_open
    FROM referrals AS r LEFT JOIN unnest($4::text[], $5::int[]) AS d (service, days) ON d.service = r.service
    WHERE r.authority_id = q.authority_id AND r.request_id = q.request_id
) AS r ON true
WHERE q.authority_id = $1 AND q.request_id < $7 AND q.erased_at IS NULL AND r.for_good = 0 AND r.still_open = 0
  AND coalesce(r.until, q.created_at + make_interval(days => $3::int)) < $2
ORDER BY q.request_id LIMIT $6
"""


async def due(connection: Connection, authority: Authority, now: datetime, limit: int) -> list[UUID]:
    """Requests whose words and details have been kept long enough."""
    retention = authority.settings.retention
    if retention.days is None and not retention.services:
        return []
    shortest = min([*retention.services.values(), *([retention.days] if retention.days is not None else [])])
    rows = await connection.fetch(
        _DUE,
        *(authority.code, now, retention.days),
        *(list(retention.services), list(retention.services.values()), limit),
        id_at(now - timedelta(days=shortest)),
    )
    return [row["request_id"] for row in rows]


async def retire(pool: Pool, authority: Authority, now: datetime) -> int:
    """Forget all that is due; how many requests."""
    caller = Caller(authority=authority.code, name="retention", subject="front-door")
    retired = 0
    while True:
        async with scoped(pool, authority.code) as connection:
            found = await due(connection, authority, now, AT_ONCE)
            if found:
                retired += await erase(connection, caller, found, now, why="retired")
        if len(found) < AT_ONCE:
            return retired


@contextlib.asynccontextmanager
async def retiring(
    pool: Pool, clock: Clock, authorities: Callable[[], Mapping[str, Authority]]
) -> AsyncIterator[None]:
    """Look once a day while the gateway runs."""

    async def run() -> None:
        while True:
            for authority in [*authorities().values()]:
                try:
                    if count := await retire(pool, authority, clock.now()):
                        log.info("kept long enough", authority=authority.code, requests=count)
                except (*AWAY, StoreUnavailable):
                    log.info("retention waits for the database")
                except Exception:
                    log.exception("retention failed", authority=authority.code)
            await asyncio.sleep(EVERY)

    task = asyncio.create_task(run(), name="retention")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
