"""A look at the newest links of the audit chain while the gateway runs: `front-door audit verify` goes through all of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import structlog

from gateway.audit.chain import FIRST
from gateway.audit.verify import Report, check_head, check_link, check_rows
from gateway.background import Words, repeating
from gateway.metrics import Metrics
from gateway.store import chain
from gateway.store.pool import Pool

log = structlog.get_logger()

NEWEST: Final = 20
"""Batches that are looked at."""
LOOK: Final = 300.0
"""Seconds between looks."""


@contextlib.asynccontextmanager
async def checking(
    pool: Pool, metrics: Metrics, authorities: Callable[[], Iterable[str]], *, key: bytes | None
) -> AsyncIterator[None]:
    """Look again and again while the gateway runs."""

    async def look() -> None:
        await show(pool, metrics, authorities(), key=key)

    words = Words("looking at the audit chain waits for the database", "looking at the audit chain failed")
    async with repeating(look, LOOK, name="audit-tail", words=words):
        yield


async def show(pool: Pool, metrics: Metrics, authorities: Iterable[str], *, key: bytes | None) -> None:
    """Bring the gauge up to date once; what is found goes to the log too, as an error."""
    for authority in authorities:
        report = await verify_newest(pool, authority, key=key)
        metrics.audit_broken.labels(authority).set(bool(report.faults))
        for fault in report.faults:
            log.error("the audit chain is broken", authority=authority, fault=str(fault))


async def verify_newest(pool: Pool, authority: str, *, key: bytes | None) -> Report:
    """Whether the newest batches follow each other, their rows are as they were, and the head is theirs and signed."""
    report = Report(authority_id=authority, faults=[])
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        head = await chain.head(connection, authority)
        batches = await chain.newest(connection, authority, NEWEST)
        previous = batches[0].previous if batches and batches[0].number > 1 else FIRST
        for batch in batches:
            check_link(report, batch, previous)
            await check_rows(connection, report, batch)
            previous = batch.hash
        report.batches = batches[-1].number if batches else 0
        report.entries = head.entries if head else 0  # counting them all is left to the whole verification
        check_head(report, head, previous, key)
    return report
