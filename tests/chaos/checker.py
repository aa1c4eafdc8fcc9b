"""What every chaos test ends with: was anything lost, done twice, stranded, or left unexplained?

    report = await check(connection, sent=load.sent, effects=read_effects(folder))
    print(report)
    report.must_be_clean()

It trusts nobody's word alone: what the callers were told is held against the database, the database against the
stand-ins' own ledgers, and the present states against the events that should explain them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from gateway.store.pool import Connection
from tests.chaos import standing
from tests.chaos.story import Gap, Told, replay

Place = tuple[str, str]
"""Authority and organisation."""


class Sent(msgspec.Struct, kw_only=True):
    """One request that a caller sent, as often as it took, always under the same key."""

    authority: str
    key: str
    text: str
    """Unlike every other's, so that a second copy shows even under another key."""
    tries: int = 0
    reference: str | None = None
    """What the caller was told; `None` if it never was, and then nothing is promised."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One broken promise."""

    kind: str
    subject: str
    detail: str = ""


class Report(msgspec.Struct, kw_only=True):
    """What was found."""

    figures: dict[str, int] = {}
    faults: list[Fault] = []

    def __str__(self) -> str:
        """Figures on one line, then each kind of fault with its first few."""
        lines = [", ".join(f"{count:,} {name}" for name, count in self.figures.items())]
        for kind, count in Counter(fault.kind for fault in self.faults).items():
            lines.append(f"{kind}: {count}")
            lines += [f"  {f.subject}: {f.detail}" for f in self.faults if f.kind == kind][:5]
        return "\n".join(lines)

    def must_be_clean(self) -> None:
        """Raise `AssertionError` with the whole report if any promise was broken."""
        assert not self.faults, f"\n{self}"

    def found(self, kind: str, subject: object, detail: str = "") -> None:
        """Add a fault."""
        self.faults.append(Fault(kind=kind, subject=str(subject), detail=detail))


def read_effects(folder: Path) -> Counter[tuple[str, str, str]]:
    """From the stand-ins' ledger files: how many cases each delivery opened at (authority, organisation)."""
    effects: Counter[tuple[str, str, str]] = Counter()
    decode = msgspec.json.Decoder(_Line).decode
    for file in folder.glob("*.jsonl"):
        authority, _, organisation = file.stem.partition("_")
        with file.open("rb") as lines:
            for text in lines:
                if text.startswith(b'{"kind":"case"'):
                    line = decode(text)
                    assert line.case is not None
                    effects[authority, organisation, line.case.delivery_id] += 1
    return effects


class _Case(msgspec.Struct):
    delivery_id: str


class _Line(msgspec.Struct):
    kind: str
    case: _Case | None = None


async def check(
    connection: Connection,
    *,
    sent: Iterable[Sent],
    effects: Mapping[tuple[str, str, str], int],
    without_ledger: Collection[Place] = (),
    settled: bool = True,
    ended: bool = False,
) -> Report:
    """Hold everything against everything, in one snapshot.

    `without_ledger`: organisations that keep no ledger (worklists). `settled`: nothing may wait for the courier any more.
    `ended`: everything that an organisation took must have come to its end there too.
    """
    report = Report()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await _check_requests(connection, report, list(sent))
        await _check_effects(connection, report, effects, without_ledger)
        rows = await standing.read(connection)
        report.figures["referrals"] = len(rows)
        for row in rows:
            for kind, detail in standing.faults_of(row, without_ledger, settled=settled, ended=ended):
                report.found(kind, f"{row.authority_id}/{row.referral_id}", detail)
        await _check_events(connection, report, {(r.authority_id, r.referral_id): r for r in rows})
    report.figures["lost"] = sum(f.kind in {"lost", "effect missing"} for f in report.faults)
    report.figures["duplicates"] = sum(f.kind.endswith("twice") for f in report.faults)
    return report


async def _check_requests(connection: Connection, report: Report, sent: list[Sent]) -> None:
    rows = await connection.fetch("SELECT authority_id, request_id, reference, text FROM requests")
    keys = await connection.fetch("SELECT authority_id, key, request_id FROM idempotency")
    stored = {(row["authority_id"], row["reference"]): row["request_id"] for row in rows}
    named = {(row["authority_id"], row["key"]): row["request_id"] for row in keys}
    report.figures["requests acknowledged"] = sum(each.reference is not None for each in sent)
    report.figures["requests stored"] = len(rows)
    report.figures["answers repeated"] = sum(max(each.tries - 1, 0) for each in sent)
    _check_told(report, sent, stored, named)
    for text, count in Counter(row["text"] for row in rows).items():
        if count > 1:
            report.found("stored twice", text)
    ours = {each.text for each in sent}
    for row in rows:
        if row["text"] not in ours:
            report.found("out of nowhere", row["reference"], "stored, and nobody sent it")


def _check_told(
    report: Report, sent: list[Sent], stored: dict[Place, UUID], named: dict[tuple[str, str], UUID]
) -> None:
    told = Counter((each.authority, each.reference) for each in sent if each.reference is not None)
    for name, count in told.items():
        if count > 1:
            report.found("reference given twice", name)
    for each in sent:
        if each.reference is None:
            continue
        request_id = stored.get((each.authority, each.reference))
        if request_id is None:
            report.found("lost", each.reference, "acknowledged and not stored")
        elif named.get((each.authority, each.key)) != request_id:
            report.found("key astray", each.reference, "its idempotency key names another request")


async def _check_effects(
    connection: Connection,
    report: Report,
    effects: Mapping[tuple[str, str, str], int],
    without_ledger: Collection[Place],
) -> None:
    rows = await connection.fetch(
        "SELECT d.authority_id, d.organisation, d.delivery_id, d.state, d.attempt, EXISTS (SELECT FROM attempts AS a"
        " WHERE a.authority_id = d.authority_id AND a.delivery_id = d.delivery_id) AS attempted FROM deliveries AS d"
        " WHERE d.role <> 'notice'"
    )
    known = {(row["authority_id"], row["organisation"], str(row["delivery_id"])): row for row in rows}
    report.figures["deliveries"] = len(rows)
    report.figures["attempts"] = await connection.fetchval("SELECT count(*) FROM attempts")
    report.figures["effects"] = sum(effects.values())
    for name, count in effects.items():
        if name not in known:
            report.found("effect of nothing", name, "a case at a back end for a delivery that is not stored")
        if count > 1:
            report.found("done twice", name, f"{count} cases at the back end")
    for name, row in known.items():
        if row["state"] != "delivered":
            continue
        if not row["attempted"]:
            report.found("attempt missing", name, "delivered without any attempt on record")
        if (row["authority_id"], row["organisation"]) not in without_ledger and not effects.get(name):
            report.found("effect missing", name, "delivered, and the back end knows nothing of it")


async def _check_events(
    connection: Connection, report: Report, rows: dict[tuple[str, UUID], standing.Row]
) -> None:
    count, told, current = 0, [], None
    unexplained = dict(rows)
    cursor = connection.cursor(
        "SELECT authority_id, request_id, event_id, referral_id, at, kind, actor, detail FROM events"
        " ORDER BY authority_id, request_id, event_id",
        prefetch=2000,
    )
    async for row in cursor:
        count += 1
        name = row["authority_id"], row["request_id"]
        if current is not None and name != current:
            _explain(report, current, told, unexplained)
            told = []
        current = name
        told.append(_told(row))
    if current is not None:
        _explain(report, current, told, unexplained)
    for (authority, referral_id), row in unexplained.items():
        report.found("gap", f"{authority}/{referral_id}", f"no event explains that it is {row.state}")
    report.figures["events"] = count


def _told(row: Any) -> Told:
    return Told(
        event_id=row["event_id"],
        referral_id=row["referral_id"],
        at=row["at"],
        kind=row["kind"],
        actor=row["actor"],
        detail=row["detail"] if isinstance(row["detail"], dict) else msgspec.json.decode(row["detail"]),
    )


def _explain(
    report: Report,
    request: tuple[str, UUID],
    told: list[Told],
    unexplained: dict[tuple[str, UUID], standing.Row],
) -> None:
    authority, request_id = request
    kinds = " → ".join(event.kind for event in told)
    try:
        standings = replay(told)
    except Gap as gap:
        report.found("gap", f"{authority}/{request_id}", f"{gap} ({kinds})")
        for event in told:
            if event.referral_id is not None:
                unexplained.pop((authority, event.referral_id), None)
        return
    for referral_id, expected in standings.items():
        row = unexplained.pop((authority, referral_id), None)
        if row is None:
            report.found(
                "gap", f"{authority}/{referral_id}", f"events of a referral that is not stored ({kinds})"
            )
        elif (row.state, row.organisation) != (expected.state.value, expected.organisation):
            says = f"it is {row.state} with {row.organisation}; its events say"
            report.found(
                "gap",
                f"{authority}/{referral_id}",
                f"{says} {expected.state.value} with {expected.organisation} ({kinds})",
            )
