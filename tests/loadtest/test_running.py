"""A whole run against a stand-in gateway: load, faults, queue, loss, verdicts."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from loadtest.arrivals import Step
from loadtest.errors import ScenarioError, TargetError
from loadtest.running import allow_open_files, run_scenario, saturate
from loadtest.scenario import Expect, Fault, Ingredient, Scenario

SCENARIO = Scenario(
    about="A test.",
    name="test",
    steps=[Step(rate=100, seconds=0.5)],
    mix=[Ingredient(kind="usual")],
    expect=Expect(lost=0, failed=0, shed=0, drained_within=5),
)


class Gateway:
    """Answers as the front door does, as far as the load test asks it."""

    def __init__(self) -> None:
        self.kept: dict[str, list[str]] = {"one": [], "two": []}
        self.forget = 0
        """How many of those acknowledged are not kept."""
        self.shed_every = 0
        self.waiting = 0
        self.orders: list[str] = []
        self.url = ""
        self.count = 0

    async def create(self, request: web.Request) -> web.Response:
        self.count += 1
        if self.shed_every and self.count % self.shed_every == 0:
            return web.Response(status=503, headers={"Retry-After": "1"})
        key = request.headers["Authorization"].removeprefix("Bearer ")
        reference = f"BAR-{self.count:08}"
        if self.forget:
            self.forget -= 1
        else:
            self.kept[key].insert(0, reference)
        return web.json_response({"reference": reference, "parts": []}, status=201)

    async def listing(self, request: web.Request) -> web.Response:
        kept = self.kept[request.headers["Authorization"].removeprefix("Bearer ")]
        start = int(request.query.get("cursor", 0))
        end = start + 7
        items = [{"reference": reference} for reference in kept[start:end]]
        return web.json_response({"items": items, "next": str(end) if end < len(kept) else None})

    async def metrics(self, request: web.Request) -> web.Response:
        lines = [
            f'front_door_deliveries_waiting{{authority="a",organisation="x"}} {self.waiting}',
            'front_door_deliveries_waiting{authority="a",organisation="y"} 0.0',
        ]
        return web.Response(text="\n".join(lines))

    async def faults(self, request: web.Request) -> web.Response:
        order: dict[str, Any] = await request.json()
        self.orders.append(order["mode"])
        return web.json_response({}, status=400 if order["mode"] == "unheard_of" else 200)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    stand_in = Gateway()
    app = web.Application()
    app.router.add_post("/api/v1/requests", stand_in.create)
    app.router.add_get("/api/v1/requests", stand_in.listing)
    app.router.add_get("/metrics", stand_in.metrics)
    app.router.add_post("/_sandbox/faults", stand_in.faults)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand_in.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stand_in
    await runner.cleanup()


def missed(result) -> list[str]:
    return [verdict.name for verdict in result.verdicts if not verdict.ok]


async def test_a_good_gateway_meets_every_expectation(gateway: Gateway):
    """Everything acknowledged is found again, over pages and keys."""
    result = await run_scenario(SCENARIO, gateway.url, ["one", "two"])
    assert missed(result) == []
    assert result.accepted == result.offered == gateway.count > 20
    assert len(gateway.kept["one"]) > 7
    assert result.lost == 0
    assert result.drained is not None


async def test_every_acknowledged_request_that_is_not_there_is_counted(gateway: Gateway):
    """Three forgotten are three lost."""
    gateway.forget = 3
    result = await run_scenario(SCENARIO, gateway.url, ["one", "two"])
    assert result.lost == 3
    assert missed(result) == ["lost"]


async def test_shedding_is_told_apart_and_judged_apart(gateway: Gateway):
    """A 503 with Retry-After is no failure, but more of them than expected is a miss."""
    gateway.shed_every = 2
    result = await run_scenario(SCENARIO, gateway.url, ["one"])
    assert result.shed == gateway.count // 2
    assert result.failed == 0
    assert missed(result) == ["shed"]


async def test_a_queue_that_does_not_empty_is_a_miss(gateway: Gateway):
    """It is looked at through the gateway's own metrics, summed over organisations."""
    gateway.waiting = 4
    scenario = replace(SCENARIO, expect=replace(SCENARIO.expect, drained_within=0.5))
    result = await run_scenario(scenario, gateway.url, ["one"])
    assert missed(result) == ["drained"]
    assert max(point.waiting for point in result.queue) == 4


async def test_faults_are_put_in_force_and_taken_back(gateway: Gateway):
    """At their time, by the stand-in's own control address."""
    scenario = replace(SCENARIO, faults=[Fault(organisation="barnet_re", at=0.1, seconds=0.2)])
    await run_scenario(scenario, gateway.url, ["one"], {"barnet_re": gateway.url})
    assert gateway.orders == ["http_503", "none"]


async def test_faults_without_a_stand_in_are_refused_before_anything_is_sent(gateway: Gateway):
    """Or the scenario would show nothing and pass."""
    scenario = replace(SCENARIO, faults=[Fault(organisation="barnet_re", at=0.1, seconds=0.2)])
    with pytest.raises(ScenarioError, match="no stand-in is known for barnet_re"):
        await run_scenario(scenario, gateway.url, ["one"])
    assert gateway.count == 0


async def test_a_fault_that_the_stand_in_does_not_know_ends_the_run(gateway: Gateway):
    """Rather than measuring something else."""
    scenario = replace(SCENARIO, faults=[Fault(organisation="x", at=0, seconds=0.1, mode="unheard_of")])
    with pytest.raises(TargetError, match="unheard_of"):
        await run_scenario(scenario, gateway.url, ["one"], {"x": gateway.url})


async def test_a_target_without_metrics_is_loaded_but_not_asked():
    """The comparison partners keep no list."""
    from tests.loadtest.servers import created, serving  # noqa: PLC0415

    async def answer(number: int) -> bytes:
        return created(number)

    async with serving(answer) as server:
        result = await run_scenario(SCENARIO, server.url, ["one"], look=False)
    assert result.lost is None
    assert "lost" not in [verdict.name for verdict in result.verdicts]
    assert result.accepted == result.offered


async def test_saturating_counts_what_was_acknowledged(gateway: Gateway):
    """No more and no less."""
    result = await saturate(
        gateway.url, "one", connections=4, seconds=0.3, mix=[Ingredient(kind="usual", coded=True)]
    )
    assert result.accepted == len(gateway.kept["one"]) > 0
    assert result.connections == 4
    await asyncio.sleep(0)


def test_more_connections_than_the_system_allows_are_refused():
    """With the number it does allow; otherwise the generator would measure its own failures."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system has no limit")
    with pytest.raises(ScenarioError, match=f"this system allows {hard}"):
        allow_open_files(hard)


def test_as_many_open_files_as_wanted_are_allowed():
    """Never fewer than before."""
    before, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_open_files(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before
