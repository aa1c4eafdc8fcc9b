"""Every organisation's line, made from its file, with secrets filled in from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from adapters.base import Adapter, ConfigurationError
from adapters.registry import make_adapter
from gateway.clock import Clock
from gateway.delivery.line import Line
from gateway.errors import StartError
from gateway.metrics import Metrics
from gateway.settings import Settings
from routing_rules.door import Door
from routing_rules.errors import MissingVariables
from routing_rules.organisation import Organisation, fill

log = structlog.get_logger()


class Replacement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an organisation is in a test environment."""

    connection: dict[str, Any]
    """Stands in for the `[connection]` table of its file."""
    poll_interval: float | None = None
    """Seconds between status polls."""


Replacements = dict[str, dict[str, Replacement]]
"""Authority → organisation → replacement; what `connections_file` holds."""


def make_lines(
    door: Door,
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    metrics: Metrics,
    kept: Mapping[tuple[str, str], Line] | None = None,
) -> dict[tuple[str, str], Line]:
    """A line for each organisation of each authority; of those `kept`, each whose organisation is as it was.

    An organisation whose variables are not set is not connected: its work stays with the council, on its worklist, where
    people see it. Raises `StartError` for a connection that is set and wrong.
    """
    replacements = _read(settings.connections_file) if settings.connections_file else {}
    lines = {}
    for code, authority in door.authorities.items():
        missing: dict[str, tuple[str, ...]] = {}
        for organisation in authority.organisations.values():
            replacement = replacements.get(code, {}).get(organisation.code)
            used = _replaced(organisation, replacement) if replacement else organisation
            there = (kept or {}).get((code, used.code))
            if there is not None and there.organisation == used:
                lines[code, used.code] = there
                continue
            adapter, missing[used.code] = _adapter(code, used, environ)
            lines[code, used.code] = Line(
                code,
                used,
                adapter,
                clock,
                metrics,
                lease_margin=settings.lease_margin,
                connected=not missing[used.code],
            )
        missing = {name: variables for name, variables in missing.items() if variables}
        if missing:
            log.warning("not connected: their work goes to the worklist", authority=code, missing=missing)
    return lines


def _read(file: Path) -> Replacements:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Replacements)
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise StartError(f"{file}: {error}") from None


def _replaced(organisation: Organisation, replacement: Replacement) -> Organisation:
    delivery = organisation.delivery
    if replacement.poll_interval is not None:
        delivery = msgspec.structs.replace(delivery, poll_interval=replacement.poll_interval)
    return msgspec.structs.replace(organisation, connection=replacement.connection, delivery=delivery)


def _adapter(
    authority: str, organisation: Organisation, environ: Mapping[str, str]
) -> tuple[Adapter, tuple[str, ...]]:
    """The adapter, and the variables it lacks: then it is the worklist in its place."""
    try:
        connection = fill(organisation.connection, environ)
    except MissingVariables as error:
        return make_adapter("worklist", {}), error.names
    try:
        return make_adapter(organisation.protocol, connection), ()
    except ConfigurationError as error:
        raise StartError(
            f"authorities/{authority}/organisations/{organisation.code}.toml: [connection]: {error}"
        ) from None
