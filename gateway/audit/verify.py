"""Whether anything was changed, removed, added or reordered since it was chained, and which row."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.audit.chain import (
    FIRST,
    SOURCES,
    Batch,
    Head,
    Source,
    batch_hash,
    detail_digest,
    leaf,
    sign,
)
from gateway.audit.chainer import SETTLE
from gateway.store import chain
from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped

MOST_FAULTS: Final = 1000


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was."""

    what: str
    number: int | None = None
    """Of the batch."""
    source: Source | None = None
    row: UUID | None = None

    def __str__(self) -> str:
        """One line for a person."""
        where = f"batch {self.number}" if self.number is not None else "head"
        row = f", {self.source} {self.row}" if self.row is not None else ""
        return f"{where}{row}: {self.what}"


class Report(msgspec.Struct, kw_only=True):
    """What was found."""

    authority_id: str
    batches: int = 0
    entries: int = 0
    waiting: int = 0
    """Rows too young to be chained."""
    head: str = ""
    """`<number>:<hash>`; keep it elsewhere and give it back as `expect`."""
    signed: bool = False
    faults: list[Fault] = []

    def fault(self, what: str, batch: Batch | None = None, row: UUID | None = None) -> None:
        """Note one."""
        if len(self.faults) < MOST_FAULTS:
            number, source = (batch.number, batch.source) if batch is not None else (None, None)
            self.faults.append(Fault(what=what, number=number, source=source, row=row))


async def verify(
    pool: Pool, authority: str, now: datetime, *, key: bytes | None = None, expect: str | None = None
) -> Report:
    """Go through an authority's whole chain, from one snapshot.

    `expect` is a head noted earlier, `<number>:<hash>`: the chain must still hold it.
    """
    report = Report(authority_id=authority, faults=[])
    expected_number, _, expected_hash = (expect or "0:").partition(":")
    async with scoped(pool, authority, snapshot=True) as connection:
        previous, held = FIRST, expect is None
        async for batch in chain.batches(connection, authority):
            while report.batches + 1 < batch.number:
                report.batches += 1
                report.fault(
                    "the whole batch was removed", msgspec.structs.replace(batch, number=report.batches)
                )
                previous = batch.previous
            report.batches = batch.number
            report.entries += len(batch.ids)
            held = held or (batch.number == int(expected_number) and batch.hash.hex() == expected_hash)
            check_link(report, batch, previous)
            await check_rows(connection, report, batch)
            previous = batch.hash
        if not held:
            report.fault(f"the chain does not hold the head that was noted: {expect}")
        check_head(report, await chain.head(connection, authority), previous, key)
        for source in SOURCES:
            await _check_outside(connection, report, source, now)
    return report


def check_link(report: Report, batch: Batch, previous: bytes) -> None:
    """Note whether a batch is whole and follows the one before."""
    if batch.previous != previous:
        report.fault("it does not follow the batch before: reordered or replaced", batch)
    if batch_hash(batch) != batch.hash:
        report.fault("the batch itself was changed", batch)


async def check_rows(connection: Connection, report: Report, batch: Batch) -> None:
    """Note which of a batch's rows are not what was chained."""
    rows = await chain.rows_of(connection, batch)
    for number, row_id in enumerate(batch.ids):
        row = rows.get(row_id)
        if row is None:
            report.fault("the row was removed", batch, row_id)
            continue
        salt, kept = batch.salts[number], batch.details[number]
        digest = kept if salt is None else detail_digest(row, salt)
        if leaf(batch.source, row, digest) != batch.leaves[number]:
            report.fault("the row was changed", batch, row_id)
        elif salt is None and not await _properly_erased(connection, row):
            report.fault("its words are gone without an erasure in the audit", batch, row_id)


async def _properly_erased(connection: Connection, row: Mapping[str, Any]) -> bool:
    erased = isinstance(row["detail"], dict) and row["detail"].get("erased") is True
    request_id = row.get("request_id")
    return (
        erased
        and request_id is not None
        and await chain.was_erased(connection, row["authority_id"], request_id)
    )


def check_head(report: Report, head: Head | None, last: bytes, key: bytes | None) -> None:
    """Note whether the head says what was found, and is signed by `key`."""
    if head is None:
        if report.batches:
            report.fault("the head was removed")
        return
    report.head = f"{head.number}:{head.hash.hex()}"
    if (head.number, head.entries) != (report.batches, report.entries) or head.hash != last:
        report.fault(
            f"the chain ends at batch {report.batches} with {report.entries} rows, and had {head.number} with"
            f" {head.entries}: its end was cut off, or its head changed"
        )
    expected = sign(key, head.authority_id, head.number, head.entries, head.hash)
    if expected is not None:
        report.signed = head.signature is not None and hmac.compare_digest(expected, head.signature)
        if not report.signed:
            report.fault("the head's signature is not ours")


async def _check_outside(connection: Connection, report: Report, source: Source, now: datetime) -> None:
    """Rows that are in no batch: the youngest wait for theirs, older ones were slipped in."""
    head = await chain.head(connection, report.authority_id)
    settled = UUID((head.settled if head else {}).get(source, str(UUID(int=0))))
    for row in await chain.left_out(connection, report.authority_id, source, None, settled, MOST_FAULTS):
        row_id = row["event_id" if source == "events" else "audit_id"]
        if row["at"] < now - 2 * SETTLE:
            report.faults.append(Fault(what="the row was added afterwards", source=source, row=row_id))
        else:
            report.waiting += 1
    latest = UUID(int=(1 << 128) - 1)
    report.waiting += len(
        await chain.waiting(connection, report.authority_id, source, settled, latest, 100_000)
    )
