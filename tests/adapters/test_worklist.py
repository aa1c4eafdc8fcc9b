"""The worklist: no back end, no network, nothing to go wrong."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from adapters.base import CallbackRejected, ConfigurationError, Handover, Poll
from adapters.registry import make_adapter
from adapters.sandbox.core import Faults, Ledger, Lifecycle, SandboxBackend
from adapters.sandbox.worklist import make
from adapters.worklist import WAITING, WorklistAdapter, short_reference


def handover(delivery_id: str) -> Handover:
    return Handover(
        delivery_id=delivery_id,
        reference="BAR-7K3M-9QXD",
        authority="barnet",
        organisation="worklist",
        service="missed-bin",
        service_name="Missed bin",
        created_at=datetime.now(UTC),
    )


async def test_it_waits_for_staff() -> None:
    """A hand-over ends at once with a reference made of the delivery id, and the word that it waits for staff."""
    adapter = make_adapter("worklist", {})
    delivery_id = "0195f0c2-8d5e-7abc-8def-0123456789ab"
    receipt = await adapter.deliver(handover(delivery_id))
    assert receipt.external_reference == "WL-0123456789AB"
    assert receipt.status == WAITING == "waiting_for_staff"
    assert await adapter.lookup(delivery_id) is not None
    await adapter.close()


def test_references_differ() -> None:
    """Different deliveries have different references."""
    assert len({short_reference(str(uuid.uuid4())) for _ in range(1000)}) == 1000


async def test_nobody_outside_reports() -> None:
    """Nothing is polled for, and no callback is taken."""
    adapter = WorklistAdapter.from_connection({})
    assert await adapter.poll("c", ["WL-1"]) == Poll(updates=[], cursor="c")
    with pytest.raises(CallbackRejected):
        adapter.read_callback({}, b"{}", datetime.now(UTC))


def test_there_is_nothing_to_configure() -> None:
    """A key in its connection is a mistake, and is named."""
    with pytest.raises(ConfigurationError, match="url"):
        WorklistAdapter.from_connection({"url": "https://a.example"})


async def test_its_stand_in_stands_for_nothing() -> None:
    """It takes its place among back ends, listens nowhere, and has no options."""
    ledger = Ledger("worklist")
    backend = make("worklist", ledger, Faults(), Lifecycle(ledger), {})
    assert isinstance(backend, SandboxBackend)
    assert await backend.start() == ""
    await backend.publish([])
    await backend.flush()
    await backend.close()
    assert len(backend.ledger) == 0
    with pytest.raises(ValueError, match="port"):
        make("worklist", Ledger("worklist"), Faults(), Lifecycle(ledger), {"port": 1})
