"""The front door, the textbook gateway and the bare handler, in one run on one machine, over the same requests."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec

from loadtest.arrivals import Step
from loadtest.children import Child, family_cpu, output, running
from loadtest.errors import TargetError
from loadtest.histogram import LatencySummary
from loadtest.messages import load_bank, services
from loadtest.product import Product, Running, database_url
from loadtest.results import Result
from loadtest.running import run_scenario, saturate
from loadtest.scenario import Expect, Ingredient, Scenario

CODED: Final = (Ingredient(kind="usual", coded=True), Ingredient(kind="chat", coded=True, channel="web"))
FREE_TEXT: Final = (Ingredient(kind="usual"),)
SHARES: Final = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
"""Of its own highest rate, for the curve of each."""

FRONT_DOOR: Final = "front door"
FREE: Final = "front door, free text"
TEXTBOOK: Final = "textbook gateway"
BARE: Final = "bare handler"

Say = Callable[[str], None]


class Highest(msgspec.Struct, frozen=True, kw_only=True):
    """The most requests a second, each of several rounds."""

    rates: list[float]
    server_cpu: list[float]
    """Microseconds of the server process's own time a request; the database's not included."""
    database_cpu: list[float]
    """The same of the database, with all its processes."""
    client_cpu: list[float]
    failed: int

    @property
    def median(self) -> float:
        """The one to quote."""
        return statistics.median(self.rates)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """Latency at one offered rate."""

    share: float
    offered: float
    accepted: float
    latency: LatencySummary
    lateness: LatencySummary
    curve: list[tuple[float, float]]
    failed: int
    shed: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What came out."""

    highest: dict[str, Highest]
    points: dict[str, list[Point]]
    connections: int
    database: str

    def ratio(self, one: str, other: str) -> float:
        """How many times the other's highest rate."""
        return self.highest[one].median / max(self.highest[other].median, 1e-9)


class _Contender(msgspec.Struct, frozen=True):
    url: str
    key: str
    child: Child
    mix: tuple[Ingredient, ...]


async def compare(
    product: Product, say: Say, *, rounds: int, seconds: float, connections: int, curve_seconds: float
) -> Comparison:
    """Measure each in turn, round by round, so that what disturbs the machine for a while disturbs them all.

    The front door runs without stand-ins: what it accepts stays in its queue, as it does at the textbook gateway.
    """
    async with AsyncExitStack() as stack:
        front = await stack.enter_async_context(product.gateway("compared"))
        database = await stack.enter_async_context(_textbook_database(front))
        postgres = front.child.database
        contenders = {
            BARE: await stack.enter_async_context(_partner(product.folder, "bare")),
            TEXTBOOK: await stack.enter_async_context(_textbook(product.folder, front, database.url)),
            FRONT_DOOR: _Contender(front.url, front.key, front.child, CODED),
            FREE: _Contender(front.url, front.key, front.child, FREE_TEXT),
        }
        for contender in contenders.values():  # everything is compiled, cached, connected; breakers are open
            await saturate(
                contender.url,
                contender.key,
                connections=connections,
                seconds=min(seconds, 3.0),
                mix=contender.mix,
            )
        highest = {
            name: Highest(rates=[], server_cpu=[], database_cpu=[], client_cpu=[], failed=0)
            for name in contenders
        }
        for number in range(rounds):
            for name, contender in contenders.items():
                found = await _one(contender, postgres, connections, seconds)
                highest[name] = _with(highest[name], *found)
                say(f"round {number + 1}: {name}: {highest[name].rates[-1]:,.0f} requests/s")
        points = {
            name: [
                await _point(contender, share, highest[name].median, connections, curve_seconds)
                for share in SHARES
            ]
            for name, contender in contenders.items()
        }
        return Comparison(highest=highest, points=points, connections=connections, database=database.version)


class _Spent(msgspec.Struct, frozen=True):
    server: float
    database: float


async def _one(
    contender: _Contender, postgres: int | None, connections: int, seconds: float
) -> tuple[Result, _Spent]:
    before = _spent(contender, postgres)
    result = await saturate(
        contender.url, contender.key, connections=connections, seconds=seconds, mix=contender.mix
    )
    after = _spent(contender, postgres)
    return result, _Spent(after.server - before.server, after.database - before.database)


def _spent(contender: _Contender, postgres: int | None) -> _Spent:
    return _Spent(contender.child.cpu(), 0.0 if postgres is None else family_cpu(postgres))


def _with(highest: Highest, result: Result, spent: _Spent) -> Highest:
    each = 1e6 / max(result.accepted, 1)
    return Highest(
        rates=[*highest.rates, result.accepted / result.seconds],
        server_cpu=[*highest.server_cpu, spent.server * each],
        database_cpu=[*highest.database_cpu, spent.database * each],
        client_cpu=[*highest.client_cpu, result.client_cpu * each],
        failed=highest.failed + result.failed + result.shed,
    )


async def _point(
    contender: _Contender, share: float, highest: float, connections: int, seconds: float
) -> Point:
    scenario = Scenario(
        name="point",
        about="One point of the curve.",
        steps=[Step(rate=share * highest, seconds=seconds)],
        mix=list(contender.mix),
        connections=connections,
        idempotency_keys=False,
        expect=Expect(lost=None, failed=None),
    )
    result = await run_scenario(scenario, contender.url, [contender.key], look=False)
    return Point(
        share=share,
        offered=result.offered / seconds,
        accepted=result.accepted / seconds,
        latency=result.latency,
        lateness=result.lateness,
        curve=result.curve,
        failed=result.failed,
        shed=result.shed,
    )


class _Database(msgspec.Struct, frozen=True):
    url: str
    version: str


@contextlib.asynccontextmanager
async def _textbook_database(front: Running) -> AsyncIterator[_Database]:
    """A database of its own on the same server, with the front door's schema."""
    admin = await asyncpg.connect(database_url(front.folder, "front_door"))
    try:
        await admin.execute("CREATE DATABASE textbook")
        version = str(await admin.fetchval("SHOW server_version"))
    finally:
        await admin.close()
    url = database_url(front.folder, "textbook")
    await output("gateway", "migrate", environ={"DATABASE_URL": url})
    yield _Database(url, f"PostgreSQL {version}, embedded, on the same machine, fsync on")


@contextlib.asynccontextmanager
async def _partner(
    folder: Path, name: str, *options: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[_Contender]:
    command = (f"loadtest.partners.{name}", *options)
    async with running(name, *command, folder=folder, environ=environ) as child:
        yield _Contender(await child.first_line(), "none", child, CODED)


@contextlib.asynccontextmanager
async def _textbook(folder: Path, front: Running, database: str) -> AsyncIterator[_Contender]:
    routes = folder / "routes.json"
    routes.write_bytes(msgspec.json.encode(await learn_routes(front)))
    environ = {"DATABASE_URL": database}
    async with _partner(folder, "textbook", "--routes", str(routes), environ=environ) as contender:
        yield contender


async def learn_routes(front: Running) -> dict[str, Any]:
    """What the front door decides for each service's code: sent once, and read back. Raises `TargetError`."""
    routes = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {front.key}"}) as session:
        for service in services(load_bank()):
            address = f"{front.url}/api/v1/requests"
            body = {"text": "About this service.", "service": service}
            async with session.post(address, json=body) as answer:
                if answer.status != 201:
                    raise TargetError(f"the front door answered {answer.status} to the service {service!r}")
                told = await answer.json()
            async with session.get(f"{address}/{told['reference']}") as answer:
                kept = await answer.json()
            part, referral = kept["decision"]["parts"][0], kept["referrals"][0]
            routes[service] = {
                "decision": kept["decision"],
                "organisation": part.get("organisation"),
                "state": referral["state"] if referral["state"] in {"triage", "signposted"} else "routed",
                "priority": part["priority"],
                "chain": part["chain"],
                "answer": told["parts"][0],
            }
    return routes
