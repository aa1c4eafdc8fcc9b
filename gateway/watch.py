"""What is looked at from time to time: how late the event loop is, what waits, whether the store answers, the disk."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.intake import KEY_LIFE
from gateway.metrics import Metrics
from gateway.store.claims import backlog, triage
from gateway.store.pool import AWAY, Pool
from gateway.store.sessions import forget_ended
from gateway.store.writer import forget_keys

log = structlog.get_logger()

LAG_INTERVAL: Final = 0.1
BACKLOG_INTERVAL: Final = 5.0
ROOM_INTERVAL: Final = 30.0
FORGET_INTERVAL: Final = 3600.0
AWAY_NOW: Final = "the database does not answer: nothing can be accepted or delivered until it does"


@contextlib.asynccontextmanager
async def watching(
    pool: Pool,
    metrics: Metrics,
    clock: Clock,
    *,
    names: Callable[[], Iterable[tuple[str, str]]],
    authorities: Callable[[], Iterable[str]],
    pools: Mapping[str, Pool],
    folder: Path,
) -> AsyncIterator[None]:
    """Keep the gauges true while the gateway runs.

    `names`: every authority and organisation there is just then; `pools`: whose connections in use are shown; `folder`:
    where its data lies or would lie.
    """
    tasks = [
        asyncio.create_task(_lag(metrics, pools), name="watch-loop"),
        asyncio.create_task(_queues(pool, metrics, names, authorities), name="watch-queues"),
        asyncio.create_task(_room(pool, metrics, folder), name="watch-room"),
        asyncio.create_task(_forget(pool, clock), name="forget-keys"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _lag(metrics: Metrics, pools: Mapping[str, Pool]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        meant = loop.time() + LAG_INTERVAL
        await asyncio.sleep(LAG_INTERVAL)
        metrics.loop_lag.observe(max(0.0, loop.time() - meant))
        for name, pool in pools.items():
            metrics.pool_in_use.labels(name).set(pool.get_size() - pool.get_idle_size())


async def _room(pool: Pool, metrics: Metrics, folder: Path) -> None:
    """How full the disk is, and how large the database."""
    while True:
        try:
            disk = await asyncio.to_thread(_disk, folder)
            metrics.disk_free.set(disk.free)
            metrics.disk_size.set(disk.total)
            metrics.database_size.set(await pool.fetchval("SELECT pg_database_size(current_database())"))
        except AWAY:
            log.info("the database's size waits for the database")
        except Exception:
            log.exception("looking at the disk failed")
        await asyncio.sleep(ROOM_INTERVAL)


def _disk(folder: Path) -> shutil._ntuple_diskusage:
    """Of the folder, or of where it would be made."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there)


async def _forget(pool: Pool, clock: Clock) -> None:
    """Idempotency keys past their published life, and sessions that have ended, are deleted, hour by hour."""
    while True:
        try:
            await forget_ended(pool, clock.now())
            if forgotten := await forget_keys(pool, clock.now() - KEY_LIFE):
                log.info("idempotency keys forgotten", keys=forgotten)
        except AWAY:
            log.info("forgetting keys waits for the database")
        except Exception:
            log.exception("forgetting keys failed")
        await asyncio.sleep(FORGET_INTERVAL)


async def _queues(
    pool: Pool,
    metrics: Metrics,
    names: Callable[[], Iterable[tuple[str, str]]],
    authorities: Callable[[], Iterable[str]],
) -> None:
    was_up = True
    while True:
        try:
            await show_queues(pool, metrics, list(names()), list(authorities()))
        except AWAY:
            metrics.database_up.set(0)
            if was_up:
                log.error(AWAY_NOW)  # noqa: TRY400  what is wrong is the database, not this code
            was_up = False
        except Exception:
            log.exception("watching the queues failed")
        else:
            if not was_up:
                log.warning("the database answers again")
            was_up = True
        await asyncio.sleep(BACKLOG_INTERVAL)


async def show_queues(
    pool: Pool, metrics: Metrics, names: list[tuple[str, str]], authorities: list[str]
) -> None:
    """Bring the queue gauges up to date once."""
    async with asyncio.timeout(4 * BACKLOG_INTERVAL):
        found, deciding = await backlog(pool), await triage(pool)
    metrics.database_up.set(1)
    rows = {(row.authority_id, row.organisation, row.state): row for row in found}
    for name in names:
        waiting = [rows[(*name, state)] for state in ("waiting", "claimed") if (*name, state) in rows]
        metrics.waiting.labels(*name).set(sum(row.count for row in waiting))
        oldest = min((row.oldest.timestamp() for row in waiting), default=0.0)
        metrics.oldest_waiting.labels(*name).set(oldest)
        for state in ("dead", "uncertain"):
            row = rows.get((*name, state))
            metrics.unresolved.labels(*name, state).set(row.count if row else 0)
    for authority in authorities:
        count, since = deciding.get(authority, (0, None))
        metrics.triage.labels(authority).set(count)
        metrics.oldest_triage.labels(authority).set(since.timestamp() if since else 0)
