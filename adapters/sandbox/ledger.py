"""What a stand-in back end was given: every effect counted, so that "nothing twice" can be checked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import msgspec

Clock = Callable[[], datetime]
"""Says what time it is, aware."""

RECEIVED: Final = "received"


def utc_now() -> datetime:
    """Say the real time. Tests pass a clock of their own."""
    return datetime.now(UTC)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a case's status, in the sandbox's own words (`acknowledged`, `in_progress`, …)."""

    update_id: str
    external_reference: str
    delivery_id: str
    status: str
    note: str = ""
    at: datetime


class Case(msgspec.Struct, kw_only=True):
    """One effect: a case that the back end opened."""

    external_reference: str
    delivery_id: str
    """Empty where the hand-over carried none."""
    service: str
    fields: dict[str, str]
    """Everything that arrived, flat, under the protocol's own names."""
    callback_url: str | None = None
    received_at: datetime
    repeats: int = 0
    """How often the same delivery came again and was recognised."""
    status: str = RECEIVED
    history: list[Change] = []
    raw: bytes = b""
    """The last body that arrived for it, where the ledger was told to keep bodies."""


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the ledger's file."""

    kind: str
    """`case`, `repeat`, `change` or `reset`."""
    case: Case | None = None
    change: Change | None = None
    external_reference: str = ""


class Ledger:
    """A back end's memory, by its own reference and by delivery id.

    With `path` every entry is also appended to that file as a JSON line before the answer goes out, and
    read back when a ledger is made with the same path: a sandbox killed and restarted knows what it has.
    """

    def __init__(
        self,
        code: str,
        *,
        path: Path | None = None,
        clock: Clock = utc_now,
        keep_raw: bool = False,
        keep_fields: bool = True,
    ) -> None:
        self.code = code
        self.clock = clock
        self.keep_raw = keep_raw
        self.keep_fields = keep_fields
        self.changes: list[Change] = []
        """All changes in the order in which they were made; their times never fall."""
        self._cases: dict[str, Case] = {}
        self._by_delivery: dict[str, list[Case]] = {}
        self._number = 0
        self._file: IO[bytes] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._read(path)
            self._file = path.open("ab", buffering=0)

    def __len__(self) -> int:
        return len(self._cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(list(self._cases.values()))

    def take(
        self,
        delivery_id: str,
        fields: Mapping[str, str],
        *,
        service: str = "",
        callback_url: str | None = None,
        deduplicate: bool = True,
        raw: bytes = b"",
    ) -> tuple[Case, bool]:
        """Open a case, or find the one this delivery opened before; the second value says if it did.

        With `deduplicate=False` the same delivery opens another case: a second effect for a checker to find.
        """
        known = self._by_delivery.get(delivery_id) if delivery_id else None
        if deduplicate and known:
            case = known[0]
            case.repeats += 1
            if self.keep_raw:
                case.raw = raw
            self._write(_Line(kind="repeat", external_reference=case.external_reference))
            return case, True
        self._number += 1
        case = Case(
            external_reference=f"{self.code.upper()}-{self._number:06d}",
            delivery_id=delivery_id,
            service=service,
            fields=dict(fields) if self.keep_fields else {},
            callback_url=callback_url,
            received_at=self.clock(),
            raw=raw if self.keep_raw else b"",
        )
        self._add(case)
        self._write(_Line(kind="case", case=case))
        return case, False

    def get(self, external_reference: str) -> Case | None:
        """Find a case by the back end's own reference."""
        return self._cases.get(external_reference)

    def by_delivery(self, delivery_id: str) -> list[Case]:
        """Find the cases that one delivery opened; more than one means that it had more than one effect."""
        return list(self._by_delivery.get(delivery_id, ()))

    def effects(self, delivery_id: str) -> int:
        """Count how many cases one delivery opened. Anything above one is a fault somewhere."""
        return len(self._by_delivery.get(delivery_id, ()))

    def change(self, case: Case, status: str, *, note: str = "", at: datetime | None = None) -> Change:
        """Set a case's status and keep the change. Times never fall, so that they can serve as a cursor."""
        when = at or self.clock()
        if self.changes and when < self.changes[-1].at:
            when = self.changes[-1].at
        change = Change(
            update_id=f"{self.code}-u{len(self.changes) + 1}",
            external_reference=case.external_reference,
            delivery_id=case.delivery_id,
            status=status,
            note=note,
            at=when,
        )
        self._apply(change)
        self._write(_Line(kind="change", change=change))
        return change

    def changes_between(self, start: datetime, end: datetime) -> list[Change]:
        """Say what changed from `start` (inclusive) to `end` (inclusive)."""
        first = bisect_left(self.changes, start, key=lambda change: change.at)
        found = []
        for change in self.changes[first:]:
            if change.at > end:
                break
            found.append(change)
        return found

    def reset(self) -> None:
        """Forget everything. References go on counting: an old one never comes to mean something else."""
        self._forget()
        self._write(_Line(kind="reset"))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _forget(self) -> None:
        self._cases.clear()
        self._by_delivery.clear()
        self.changes.clear()

    def _add(self, case: Case) -> None:
        self._cases[case.external_reference] = case
        if case.delivery_id:
            self._by_delivery.setdefault(case.delivery_id, []).append(case)

    def _apply(self, change: Change) -> None:
        self.changes.append(change)
        case = self._cases[change.external_reference]
        case.status = change.status
        case.history.append(change)

    def _write(self, line: _Line) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.encode(line) + b"\n")

    def _read(self, path: Path) -> None:
        decode = msgspec.json.Decoder(_Line).decode
        with path.open("r+b") as file:
            good = 0
            for text in file:
                if not text.endswith(b"\n"):
                    break  # the process died while it wrote this line, so nobody was told of it
                self._replay(decode(text))
                good += len(text)
            file.truncate(good)

    def _replay(self, line: _Line) -> None:
        match line.kind:
            case "case" if line.case is not None:
                self._add(line.case)
                self._number = max(self._number, int(line.case.external_reference.rpartition("-")[2]))
            case "repeat":
                self._cases[line.external_reference].repeats += 1
            case "change" if line.change is not None:
                self._apply(line.change)
            case _:
                self._forget()
