"""A whole town of stand-in back ends in one process: one for each organisation that is asked for.

config = TownConfig(organisations=[Organisation(code="re", protocol="open311")])
async with await start_town(config) as town:
    town.urls["re"]       # where the protocol is spoken
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from adapters.sandbox.core import STAGES, Clock, Faults, Ledger, Lifecycle, SandboxBackend, utc_now
from adapters.sandbox.tls import server_context

Make = Callable[[str, Ledger, Faults, Lifecycle, Mapping[str, Any]], SandboxBackend]

PROTOCOLS: Final[dict[str, str]] = {
    "email": "adapters.sandbox.email",
    "fhir": "adapters.sandbox.fhir",
    "open311": "adapters.sandbox.open311",
    "rest": "adapters.sandbox.rest",
    "webhook": "adapters.sandbox.webhook",
    "worklist": "adapters.sandbox.worklist",
}
"""Module of each protocol's sandbox. Each has `make(code, ledger, faults, lifecycle, options)`."""


class Organisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stand-in back end."""

    code: str
    protocol: str
    port: int = 0
    """Fixed, or 0 for any free one."""
    stages: tuple[tuple[str, float], ...] = STAGES
    """Status and seconds after the one before it."""
    options: dict[str, Any] = {}
    """The protocol's own: keys, secrets, callback addresses, …"""
    certificate: str | None = None
    """PEM file with certificate and key; speaks TLS if given."""


class TownConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `python -m adapters.sandbox --config` reads, as JSON."""

    organisations: list[Organisation]
    host: str = "127.0.0.1"
    ledger_folder: str | None = None
    """Where each ledger is kept as `<code>.jsonl` and read back at the next start. None: in memory only."""
    keep_fields: bool = True
    """Whether ledgers keep what arrived; a load test of millions counts effects only."""


class Town:
    """The running back ends by organisation code."""

    def __init__(self, backends: dict[str, SandboxBackend]) -> None:
        self.backends = backends

    @property
    def urls(self) -> dict[str, str]:
        """Where each protocol is spoken."""
        return {code: backend.url for code, backend in self.backends.items()}

    def describe(self) -> dict[str, Any]:
        """Make what is printed at start."""
        return {
            "organisations": {
                code: {
                    "protocol": backend.protocol,
                    "url": backend.url,
                    "control_url": backend.control_url,
                }
                for code, backend in self.backends.items()
            }
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop every back end."""
        for backend in self.backends.values():
            await backend.close()


def make_backend(
    organisation: Organisation,
    *,
    ledger_folder: Path | None = None,
    keep_fields: bool = True,
    clock: Clock = utc_now,
) -> SandboxBackend:
    """Make one back end, not yet listening. Raises `ValueError` for an unknown protocol or wrong options."""
    if organisation.protocol not in PROTOCOLS:
        known = ", ".join(sorted(PROTOCOLS))
        raise ValueError(
            f"{organisation.code}: unknown protocol {organisation.protocol!r}; there are: {known}"
        )
    make: Make = importlib.import_module(PROTOCOLS[organisation.protocol]).make
    path = ledger_folder / f"{organisation.code}.jsonl" if ledger_folder is not None else None
    ledger = Ledger(organisation.code, path=path, clock=clock, keep_fields=keep_fields)
    lifecycle = Lifecycle(ledger, stages=organisation.stages)
    try:
        return make(organisation.code, ledger, Faults(), lifecycle, organisation.options)
    except ValueError as error:  # msgspec.ValidationError is one
        ledger.close()
        raise ValueError(f"{organisation.code}: {error}") from error


async def start_town(config: TownConfig, *, clock: Clock = utc_now) -> Town:
    """Start one back end for each organisation; all of them, or none if one cannot."""
    folder = Path(config.ledger_folder) if config.ledger_folder is not None else None
    codes = [organisation.code for organisation in config.organisations]
    if len(set(codes)) != len(codes):
        raise ValueError("an organisation's code is there twice")
    town = Town({})
    try:
        for organisation in config.organisations:
            backend = make_backend(
                organisation, ledger_folder=folder, keep_fields=config.keep_fields, clock=clock
            )
            town.backends[organisation.code] = backend
            ssl = server_context(Path(organisation.certificate)) if organisation.certificate else None
            await backend.start(config.host, organisation.port, ssl=ssl)
    except BaseException:
        await town.close()
        raise
    return town
