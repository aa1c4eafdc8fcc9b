"""Which protocols there are. A new protocol is a module with an `Adapter` and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from adapters.base import Adapter, ConfigurationError, Connection
from adapters.email import EmailAdapter
from adapters.fhir import FhirAdapter
from adapters.open311 import Open311Adapter
from adapters.rest import RestAdapter
from adapters.webhook import WebhookAdapter
from adapters.worklist import WorklistAdapter

PROTOCOLS: Final[dict[str, Callable[[Connection], Adapter]]] = {
    "email": EmailAdapter.from_connection,
    "fhir": FhirAdapter.from_connection,
    "open311": Open311Adapter.from_connection,
    "rest": RestAdapter.from_connection,
    "webhook": WebhookAdapter.from_connection,
    "worklist": WorklistAdapter.from_connection,
}


def make_adapter(protocol: str, connection: Connection) -> Adapter:
    """Build the adapter for one organisation. Raises `ConfigurationError` naming what is wrong in its file."""
    if protocol not in PROTOCOLS:
        raise ConfigurationError(f"unknown protocol {protocol!r}; there are: {', '.join(sorted(PROTOCOLS))}")
    return PROTOCOLS[protocol](connection)
