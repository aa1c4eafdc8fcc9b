"""Every organisation's line, made from its file, with secrets filled in from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from adapters.base import ConfigurationError
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
    door: Door, settings: Settings, environ: Mapping[str, str], clock: Clock, metrics: Metrics
) -> dict[tuple[str, str], Line]:
    """A line for each organisation of each authority.

    An organisation whose variables are not set is not connected: its work stays with the council, on its worklist, where
    people see it. Raises `StartError` for a connection that is set and wrong.
    """
    replacements = _read(settings.connections_file) if settings.connections_file else {}
    lines = {}
    for code, authority in door.authorities.items():
        for organisation in authority.organisations.values():
            replacement = replacements.get(code, {}).get(organisation.code)
            used = _replaced(organisation, replacement) if replacement else organisation
            lines[code, organisation.code] = _line(code, used, environ, clock, metrics, settings.lease_margin)
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


def _line(
    authority: str,
    organisation: Organisation,
    environ: Mapping[str, str],
    clock: Clock,
    metrics: Metrics,
    lease_margin: float,
) -> Line:
    connected = True
    protocol, connection = organisation.protocol, {}
    try:
        connection = fill(organisation.connection, environ)
    except MissingVariables as error:
        log.warning(
            "organisation not connected: its work goes to the worklist",
            authority=authority,
            organisation=organisation.code,
            missing=list(error.names),
        )
        protocol, connected = "worklist", False
    try:
        adapter = make_adapter(protocol, connection)
    except ConfigurationError as error:
        raise StartError(
            f"authorities/{authority}/organisations/{organisation.code}.toml: [connection]: {error}"
        ) from None
    return Line(
        authority, organisation, adapter, clock, metrics, lease_margin=lease_margin, connected=connected
    )
