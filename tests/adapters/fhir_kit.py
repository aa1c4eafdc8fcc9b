"""What the FHIR tests share: hand-overs, an adapter with its sandbox, and a far end that is told what to say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from adapters.base import (
    Handover,
)
from adapters.fhir import FhirAdapter
from adapters.fhir_connection import FhirConnection
from adapters.fhir_message import Parties
from adapters.sandbox.core import Faults, Ledger, Lifecycle
from adapters.sandbox.fhir import FhirSandbox, make
from tests.adapters.cases.fhir import PARTIES
from tests.adapters.conformance import FixedClock

DELIVERY = "0195f0c2-0000-7000-8000-000000000001"
MEDIA = "application/fhir+json; version=1.0.0"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def handover(fields: Mapping[str, str] | None = None, **changes: Any) -> Handover:
    """Make a hand-over to a primary care trust."""
    values: dict[str, Any] = {
        "delivery_id": DELIVERY,
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "pct",
        "service": "register-gp",
        "service_name": "Register with a GP",
        "lgsl": 819,
        "created_at": NOW,
        "fields": fields or {},
    }
    return Handover(**(values | changes))


def parties(**changes: Any) -> Parties:
    """Make the two sides of a message."""
    values: dict[str, Any] = {
        "sender_ods_code": "E09000003",
        "sender_name": "Barnet",
        "receiver_ods_code": "5A9",
        "service_id": "2000001234",
        "source_endpoint": "https://door.example/callbacks/barnet/pct",
        "software": "front-door",
        "definition": "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral",
        "use_case": None,
        "consent": True,
    }
    return Parties(**(values | changes))


def resources(bundle: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give a message's resources by kind (the last one of each)."""
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}


class Pair:
    """An adapter and its back end, by one clock."""

    def __init__(self, adapter: FhirAdapter, backend: FhirSandbox, clock: FixedClock) -> None:
        self.adapter = adapter
        self.backend = backend
        self.ledger = backend.ledger
        self.clock = clock


@contextlib.asynccontextmanager
async def pair(*, options: Mapping[str, Any] | None = None, **settings_: Any) -> AsyncIterator[Pair]:
    """Start a back end and an adapter that knows it."""
    clock = FixedClock()
    ledger = Ledger("pct", clock=clock, keep_raw=True)
    backend = make("pct", ledger, Faults(), Lifecycle(ledger), options or {})
    await backend.start(drive=False)
    table = {"url": backend.url, "callback_token": "t", **PARTIES, **settings_}
    if (options or {}).get("token_endpoint"):
        table["token_url"] = f"{backend.control_url}/oauth2/token"
    adapter = FhirAdapter(FhirConnection(**table), clock=clock)
    yield Pair(adapter, backend, clock)
    await adapter.close()
    await backend.close()


def adapter_for(**settings_: Any) -> FhirAdapter:
    """Make an adapter that will not be asked to send."""
    return FhirAdapter.from_connection({"url": "https://pct.example/FHIR/R4", **PARTIES, **settings_})


class FarEnd:
    """A receiver that answers with whatever it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[web.Request] = []
        self.status = 200
        self.body: Any = {}
        self.headers: dict[str, str] = {}


@contextlib.asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    """Start one."""
    end = FarEnd()

    async def answer(request: web.Request) -> web.Response:
        end.seen.append(request)
        body = b"" if end.body is None else json.dumps(end.body).encode()
        headers = {"Content-Type": MEDIA, **end.headers}
        return web.Response(status=end.status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    end.url = f"http://127.0.0.1:{runner.addresses[0][1]}/FHIR/R4"
    yield end
    await runner.cleanup()


def answer_message(identifier: str = DELIVERY, code: str = "ok", **changes: Any) -> dict[str, Any]:
    """Make a receiver's message in answer."""
    header = {
        "resourceType": "MessageHeader",
        "id": "answer",
        "eventCoding": {"code": "servicerequest-response"},
        "response": {"identifier": identifier, "code": code},
    }
    request = {"resourceType": "ServiceRequest", "id": "R1", "status": "active"}
    entry = [{"resource": header}, {"resource": request}]
    return {"resourceType": "Bundle", "id": "A1", "type": "message", "entry": entry} | changes


def outcome(*codes: str) -> dict[str, Any]:
    """Make an OperationOutcome."""
    issues = [{"severity": "error", "code": code, "diagnostics": "Zephyrine said"} for code in codes]
    return {"resourceType": "OperationOutcome", "issue": issues}
