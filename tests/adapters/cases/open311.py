"""How Open311 joins the conformance suite: XML and JSON, and the three ways of removing duplicates."""

from __future__ import annotations

from typing import Any

from adapters.open311 import Open311Adapter
from adapters.sandbox.core import Mode, SandboxBackend
from adapters.sandbox.open311 import make
from tests.adapters.conformance import Case

SECRET = {"api_key": "sandbox-key", "jurisdiction_id": "barnet.example"}
STATUSES = ("investigating", "in_progress", "fixed")


def case(name: str, *, statuses: tuple[str, ...] = STATUSES, **settings: Any) -> Case:
    """Make a case; settings that both sides have go to both."""
    shared = {key: value for key, value in settings.items() if key in ("deduplication", "lookup_field")}
    back_end_only = {key: settings.pop(key) for key in ("tokens", "updates") if key in settings}

    def connection(backend: SandboxBackend) -> dict[str, Any]:
        return {"url": backend.url, **SECRET, **settings}

    return Case(
        name=name,
        protocol="open311",
        make=make,
        connection=connection,
        adapter=Open311Adapter.from_connection,
        options=lambda _url: SECRET | shared | back_end_only,
        # A back end that looks up or cannot tell has no answer for "you sent this before".
        expect={} if settings.get("deduplication") == "key" else {Mode.DUPLICATE: None},
        tells_duplicates=False,
        statuses=statuses,
    )


CASES = [
    case("open311-xml"),
    case("open311-json", format="json", lookup_field="device_id"),
    case("open311-key", deduplication="key", updates=False, statuses=("open", "open", "closed")),
    case("open311-none", deduplication="none", format="json"),
    case("open311-tokens", tokens=True),
]
