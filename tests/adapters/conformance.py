"""What an adapter says about itself to join the conformance suite, and the bench it is tried on.

To join, put a file `tests/adapters/cases/<protocol>.py` beside the others with a list `CASES`:

    def connection(backend: SandboxBackend) -> dict[str, Any]: ...   # the organisation's `connection` table

    CASES = [Case(name="rest", protocol="rest", make=make, connection=connection, adapter=…)]

The suite adds `timeout`, `connect_timeout` and (for TLS) `ca_file` to the table.
"""

from __future__ import annotations

import contextlib
import importlib.util
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.base import Adapter, Handover, Receipt, Refused, Unavailable, Uncertain
from adapters.sandbox.core import Faults, Ledger, Lifecycle, Mode, SandboxBackend
from adapters.sandbox.tls import server_context

WORDS = "Zephyrine-quillfeather says the bin is full"
"""What the citizen said in every test here. It must not turn up in an error or a log."""

TIMEOUT = 0.4
"""Seconds that an adapter waits where a test is about running out of time."""
PATIENCE = 15.0
"""Seconds that it waits everywhere else: more than a busy machine needs."""

EXPECTED: Mapping[Mode, type] = {
    Mode.REFUSE: Refused,
    Mode.DUPLICATE: Receipt,
    Mode.LOST_ANSWER: Uncertain,
    Mode.SLOW: Uncertain,
    Mode.HANG_BEFORE_ACCEPT: Uncertain,
    Mode.HANG_AFTER_ACCEPT: Uncertain,
    Mode.HTTP_500: Uncertain,
    Mode.HTTP_500_AFTER_ACCEPT: Uncertain,
    Mode.HTTP_503: Unavailable,
    Mode.HTTP_429: Unavailable,
    Mode.RESET_AFTER_ACCEPT: Uncertain,
    Mode.TRUNCATED: Uncertain,
    Mode.GARBAGE: Uncertain,
    Mode.WRONG_CONTENT_TYPE: Uncertain,
    Mode.HUGE_BODY: Uncertain,
}
"""What a hand-over must end in under each fault: a receipt, or the error."""

Make = Callable[[str, Ledger, Faults, Lifecycle, Mapping[str, Any]], SandboxBackend]

FULL_FIELDS: Mapping[str, str] = {
    "description": WORDS,
    "name": "Ottoline Featherstonehaugh",
    "email": "ottoline@example.org",
    "phone": "020 7946 0991",
    "address": "17 Peregrine Mews, London",
    "postcode": "NW4 4BG",
    "date_of_birth": "1951-03-27",
    "nhs_number": "9434765919",
    "national_insurance_number": "QQ123456C",
    "lat": "51.603125",
    "long": "-0.194037",
    "language": "cy-GB-x-quill",
    "notes": "Marmaduke answers the door",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One adapter, or one way of configuring it."""

    name: str
    protocol: str
    make: Make
    """The sandbox module's `make`."""
    connection: Callable[[SandboxBackend], dict[str, Any]]
    """The connection table for reaching a started sandbox."""
    adapter: Callable[[Mapping[str, Any]], Adapter]
    options: Callable[[str], dict[str, Any]] = lambda _callback_url: {}
    """The sandbox's options, given where status callbacks are received."""
    expect: Mapping[Mode, type | None] = field(default_factory=dict)
    """Where this protocol differs from `EXPECTED`; None: the fault does not exist in it."""
    tls: bool = True
    """Whether `https://` applies: the sandbox can be started with `ssl=`."""
    fields: Mapping[str, str] = field(default_factory=lambda: {"description": WORDS, "address": "17 Mews"})
    """The fields of an ordinary hand-over. Must hold `WORDS`."""
    tells_duplicates: bool = True
    """Whether the organisation says that it had a delivery before, or only gives the same reference."""
    reference: Callable[[str], str] = lambda delivery_id: delivery_id
    """What a receipt names for a delivery id, where the organisation gives no reference of its own."""
    needs: frozenset[str] = frozenset()
    """Fields without which the protocol cannot be spoken: they are in every hand-over of the field tests."""
    words: frozenset[str] = frozenset()
    """What the protocol itself says when a field is there (the name of a code system, "home")."""
    statuses: tuple[str, ...] = ()
    """Its own words for acknowledged, in progress, resolved; empty: status does not come back."""
    network: bool = True
    """False for an adapter that hands over to nobody (the worklist): only what needs no back end is tried."""

    def outcome(self, mode: Mode) -> type | None:
        """Say what a hand-over must end in under a fault; None: not applicable."""
        return self.expect.get(mode, EXPECTED.get(mode))


class FixedClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        # Near the real time, because tokens and polling windows are checked against that one.
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        """Say what time it is."""
        return self.now

    def forward(self, seconds: float) -> datetime:
        """Move on and say what time it is then."""
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass(kw_only=True)
class Bench:
    """An adapter and its sandbox, started."""

    case: Case
    adapter: Adapter
    make_adapter: Callable[[float], Adapter]
    backend: SandboxBackend
    clock: FixedClock

    @contextlib.asynccontextmanager
    async def another(self) -> AsyncIterator[Adapter]:
        """Make another adapter, patient, as the process may be another one that makes the next attempt."""
        adapter = self.make_adapter(PATIENCE)
        try:
            yield adapter
        finally:
            await adapter.close()

    @property
    def ledger(self) -> Ledger:
        """What the back end was given."""
        return self.backend.ledger

    def handover(self, **changes: Any) -> Handover:
        """Make a hand-over of a new delivery."""
        return handover(self.case, **changes)


def handover(case: Case, **changes: Any) -> Handover:
    """Make a hand-over of a new delivery."""
    values: dict[str, Any] = {
        "delivery_id": str(uuid.uuid4()),
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "sandbox",
        "service": "missed-bin",
        "service_name": "Missed bin collection",
        "created_at": datetime(2026, 3, 2, 9, 59, 30, tzinfo=UTC),
        "fields": case.fields,
    }
    return Handover(**(values | changes))


@contextlib.asynccontextmanager
async def bench(
    case: Case,
    *,
    path: Path | None = None,
    port: int = 0,
    callback_url: str = "",
    certificate: Path | None = None,
    trusted: bool = True,
    patience: float = PATIENCE,
) -> AsyncIterator[Bench]:
    """Start a case's sandbox, driven by hand, with an adapter that reaches it; end both."""
    clock = FixedClock()
    ledger = Ledger("sandbox", path=path, clock=clock, keep_raw=True)
    options = case.options(callback_url)
    backend = case.make("sandbox", ledger, Faults(), Lifecycle(ledger), options)
    ssl = server_context(certificate) if certificate is not None else None
    await backend.start(port=port, ssl=ssl, drive=False)
    table = case.connection(backend)
    if certificate is not None and trusted:
        table["ca_file"] = str(certificate)

    def make_adapter(seconds: float) -> Adapter:
        return case.adapter(table | limits(seconds))

    adapter = make_adapter(patience)
    try:
        yield Bench(case=case, adapter=adapter, make_adapter=make_adapter, backend=backend, clock=clock)
    finally:
        await adapter.close()
        await backend.close()


def limits(patience: float = PATIENCE) -> dict[str, Any]:
    """Make the part of a connection table that keeps tests short."""
    return {"timeout": patience, "connect_timeout": patience}


def load_cases() -> list[Case]:
    """Every case of every protocol that has a file here."""
    cases: list[Case] = []
    for path in sorted((Path(__file__).parent / "cases").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"conformance_case_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        cases += module.CASES
    return cases
