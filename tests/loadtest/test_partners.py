"""The comparison is fair: the textbook gateway stores what the front door stores."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from loadtest.arrivals import Step
from loadtest.children import running
from loadtest.messages import load_bank, services
from loadtest.partners.reading import READER
from loadtest.partners.textbook import Route, store
from loadtest.running import run_scenario
from loadtest.scenario import Expect, Ingredient, Scenario

ROUTE = {
    "decision": {"parts": [{"text": "x", "action": "route", "service": "pothole", "organisation": "re"}]},
    "organisation": "re",
    "state": "routed",
    "priority": "normal",
    "chain": ["council"],
    "answer": {"action": "route", "service": "pothole", "organisation": "re"},
}


async def test_the_textbook_gateway_stores_the_same_rows(database_url: str):
    """One request, one referral, one delivery that waits, two events: as one group commit of the front door does."""
    connection = await asyncpg.connect(database_url)
    body = READER.decode(b'{"text":"a hole","service":"pothole","citizen":{"name":"A"},"postcode":"N3 1XW"}')
    reference = await store(connection, body, msgspec.convert(ROUTE, Route), datetime.now(UTC))
    counts = {
        table: await connection.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("requests", "referrals", "deliveries", "events", "alarms", "idempotency")
    }
    delivery = await connection.fetchrow("SELECT * FROM deliveries")
    kept = await connection.fetchval("SELECT reference FROM requests")
    await connection.close()
    assert counts == {
        "requests": 1,
        "referrals": 1,
        "deliveries": 1,
        "events": 2,
        "alarms": 0,
        "idempotency": 0,
    }
    assert (delivery["state"], delivery["organisation"], delivery["role"]) == ("waiting", "re", "lead")
    assert kept == reference


async def test_the_textbook_gateway_serves_as_a_command(database_url: str, tmp_path: Path):
    """Every request of a coded load is acknowledged, and is then in the database."""
    routes = tmp_path / "routes.json"
    routes.write_bytes(msgspec.json.encode(dict.fromkeys(services(load_bank()), ROUTE)))
    command = ("loadtest.partners.textbook", "--routes", str(routes))
    environ = {"DATABASE_URL": database_url}
    async with running("textbook", *command, folder=tmp_path, environ=environ) as child:
        result = await run_scenario(_coded(), await child.first_line(), ["none"], look=False)
        assert child.cpu() > 0
    connection = await asyncpg.connect(database_url)
    stored = await connection.fetchval("SELECT count(*) FROM requests")
    await connection.close()
    assert result.accepted == result.offered == stored > 10


async def test_the_bare_handler_serves_as_a_command(tmp_path: Path):
    """It acknowledges everything."""
    async with running("bare", "loadtest.partners.bare", folder=tmp_path) as child:
        result = await run_scenario(_coded(), await child.first_line(), ["none"], look=False)
    assert result.accepted == result.offered > 10


def _coded() -> Scenario:
    return Scenario(
        about="A test.",
        steps=[Step(rate=60, seconds=0.5)],
        mix=[Ingredient(kind="usual", coded=True)],
        expect=Expect(),
    )
