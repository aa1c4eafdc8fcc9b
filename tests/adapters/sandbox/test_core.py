"""The stand-in back ends' own machinery: the ledger counts, cases move, faults come when ordered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest
from aiohttp import web

from adapters.sandbox.callbacks import Callback, CallbackSender
from adapters.sandbox.core import (
    Case,
    Change,
    Fault,
    Faults,
    HttpSandbox,
    Ledger,
    Lifecycle,
    Mode,
    SandboxBackend,
    Scope,
)
from adapters.sandbox.faults import NO_FAULT
from tests.adapters.conformance import FixedClock


class Plain(HttpSandbox):
    """The smallest back end: takes a delivery id as the body."""

    protocol: ClassVar[str] = "plain"
    path: ClassVar[str] = "/cases"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__("plain", ledger, Faults(), Lifecycle(ledger))
        self.callback_url = ""
        self.route("POST", self.path, self._take, scope=Scope.DELIVER)
        self.route("GET", self.path, self._list)

    async def _take(self, request: web.Request) -> web.Response:
        case, repeat = self.ledger.take(await request.text(), {"said": "x"})
        if not repeat:
            self.opened(case)
        return web.json_response({"reference": case.external_reference})

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([case.external_reference for case in self.ledger])

    def callback(self, change: Change, case: Case) -> Callback | None:
        """Report the status word alone."""
        return Callback(url=self.callback_url, body=change.status.encode()) if self.callback_url else None


@pytest.fixture
async def backend() -> AsyncIterator[Plain]:
    """Start the smallest back end."""
    backend = Plain(Ledger("plain", clock=FixedClock()))
    await backend.start(drive=False)
    yield backend
    await backend.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client."""
    async with aiohttp.ClientSession() as session:
        yield session


def test_a_ledger_counts_effects() -> None:
    """A delivery that is taken twice has two effects, and one that is recognised has one."""
    ledger = Ledger("re")
    first, repeat = ledger.take("d1", {"a": "1"})
    assert not repeat
    same, repeat = ledger.take("d1", {"a": "1"})
    assert repeat
    assert same is first
    assert (ledger.effects("d1"), first.repeats) == (1, 1)
    second, repeat = ledger.take("d1", {"a": "1"}, deduplicate=False)
    assert not repeat
    assert second.external_reference != first.external_reference
    assert ledger.effects("d1") == 2
    assert ledger.effects("unknown") == 0
    ledger.take("", {})
    ledger.take("", {})
    assert (len(ledger), ledger.effects("")) == (4, 0)


def test_a_ledger_outlives_its_process(tmp_path: Path) -> None:
    """Everything answered for is in the file; a line that was being written when the process died is not."""
    path = tmp_path / "deep" / "re.jsonl"
    ledger = Ledger("re", path=path)
    case, _ = ledger.take("d1", {"said": "à\x00b"}, callback_url="http://127.0.0.1:1/")
    ledger.take("d1", {})
    ledger.change(case, "rejected", note="No")
    ledger.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"case","case":{"external_refe')

    again = Ledger("re", path=path)
    (read,) = again
    assert read == case
    assert [change.status for change in again.changes] == ["rejected"]
    second, _ = again.take("d2", {})
    assert second.external_reference == "RE-000002"
    again.close()
    assert path.read_bytes().startswith(whole)

    third = Ledger("re", path=path)
    assert len(third) == 2
    third.reset()
    third.close()
    fourth = Ledger("re", path=path)
    assert len(fourth) == 0
    assert fourth.effects("d1") == 0
    assert fourth.take("d9", {})[0].external_reference not in ("RE-000001", "RE-000002")
    fourth.close()


def test_times_never_fall() -> None:
    """A change cannot be dated before an earlier one, so a time serves as a cursor."""
    clock = FixedClock()
    ledger = Ledger("re", clock=clock)
    case, _ = ledger.take("d1", {})
    now = clock.now
    ledger.change(case, "acknowledged", at=now + timedelta(seconds=9))
    late = ledger.change(case, "in_progress", at=now)
    assert late.at == now + timedelta(seconds=9)
    between = ledger.changes_between(now, now + timedelta(seconds=8))
    assert between == []
    assert len(ledger.changes_between(now, now + timedelta(seconds=9))) == 2


def test_a_life() -> None:
    """A case moves through the stages after their delays, several at once if time jumped."""
    clock = FixedClock()
    ledger = Ledger("re", clock=clock)
    lifecycle = Lifecycle(ledger, stages=(("acknowledged", 1.0), ("resolved", 10.0)))
    case, _ = ledger.take("d1", {})
    lifecycle.begin(case)
    assert lifecycle.advance(clock.forward(0.9)) == []
    assert [change.status for change in lifecycle.advance(clock.forward(0.1))] == ["acknowledged"]
    assert lifecycle.advance(clock.forward(9.9)) == []
    other, _ = ledger.take("d2", {})
    lifecycle.begin(other)
    changes = lifecycle.advance(clock.forward(100))
    assert [(change.delivery_id, change.status) for change in changes] == [
        ("d1", "resolved"),
        ("d2", "acknowledged"),
        ("d2", "resolved"),
    ]
    assert [change.at for change in changes] == sorted(change.at for change in changes)


def test_a_life_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Cases read back from a file go on from where they were; one that was rejected stays so."""
    clock = FixedClock()
    path = tmp_path / "re.jsonl"
    ledger = Ledger("re", path=path, clock=clock)
    lifecycle = Lifecycle(ledger)
    for number in range(3):
        lifecycle.begin(ledger.take(f"d{number}", {})[0])
    lifecycle.advance(clock.forward(1))
    lifecycle.move("RE-000002", "rejected")
    ledger.close()
    again = Ledger("re", path=path, clock=clock)
    Lifecycle(again).advance(clock.forward(3600))
    assert {case.delivery_id: case.status for case in again} == {
        "d0": "resolved",
        "d1": "rejected",
        "d2": "resolved",
    }
    again.close()


async def test_faults_are_counted() -> None:
    """A fault comes as often as ordered, in its scope, and then no more."""
    faults = Faults()
    faults.set(Mode.HTTP_503, count=2)
    assert faults.take(Scope.OTHER) is NO_FAULT
    assert [faults.take().mode for _ in range(3)] == [Mode.HTTP_503, Mode.HTTP_503, Mode.NONE]
    faults.set("refuse", scope=Scope.ALL)
    assert {faults.take(scope).mode for scope in (Scope.OTHER, Scope.DELIVER)} == {Mode.REFUSE}
    assert faults.committed == 4
    faults.clear()
    assert faults.take() is NO_FAULT


async def test_control_over_http(backend: Plain, http: aiohttp.ClientSession) -> None:
    """Whoever can only speak HTTP orders faults, moves time and reads the ledger."""
    assert isinstance(backend, SandboxBackend)
    control = f"{backend.control_url}/_sandbox"
    order = {"mode": "http_503", "count": 1, "retry_after": 3}
    async with http.post(f"{control}/faults", json=order) as answer:
        assert answer.status == 200
    async with http.post(backend.url, data="d1") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
    async with http.post(backend.url, data="d1") as answer:
        reference = (await answer.json())["reference"]
    async with http.post(f"{control}/advance", json={"seconds": 1}) as answer:
        assert [change["status"] for change in (await answer.json())["changes"]] == ["acknowledged"]
    move = {"external_reference": reference, "status": "rejected", "note": "No"}
    async with http.post(f"{control}/move", json=move) as answer:
        assert (await answer.json())["changes"][0]["note"] == "No"
    async with http.post(f"{control}/move", json=move | {"external_reference": "?"}) as answer:
        assert answer.status == 404
    for query, count in (
        ("", 1),
        ("?delivery_id=d1", 1),
        ("?delivery_id=d2", 0),
        ("?external_reference=?", 0),
    ):
        async with http.get(f"{control}/ledger{query}") as answer:
            found = await answer.json()
        assert (found["code"], found["count"], len(found["cases"])) == ("plain", count, count)
    async with http.post(f"{control}/faults", json={"mode": "earthquake"}) as answer:
        assert answer.status == 400
    async with http.post(f"{control}/faults", data=b"nonsense") as answer:
        assert answer.status == 400
    async with http.post(f"{control}/faults", json={"mode": "http_500"}):
        pass
    async with http.post(f"{control}/faults", json={"mode": "none"}):
        pass
    assert backend.faults.fault == Fault(mode=Mode.NONE)
    async with http.post(f"{control}/reset"):
        pass
    assert len(backend.ledger) == 0


@pytest.mark.parametrize(
    ("mode", "taken"),
    [
        (Mode.REFUSE, 0),
        (Mode.HTTP_500, 0),
        (Mode.HTTP_503, 0),
        (Mode.HTTP_429, 0),
        (Mode.DUPLICATE, 1),
        (Mode.LOST_ANSWER, 1),
        (Mode.RESET_AFTER_ACCEPT, 1),
        (Mode.TRUNCATED, 1),
        (Mode.GARBAGE, 1),
        (Mode.WRONG_CONTENT_TYPE, 1),
        (Mode.HTTP_500_AFTER_ACCEPT, 1),
    ],
)
async def test_whether_a_fault_takes_the_delivery(
    mode: Mode, taken: int, backend: Plain, http: aiohttp.ClientSession
) -> None:
    """What a fault promises about the effect is what the ledger then says."""
    backend.faults.set(mode, count=1)
    try:
        async with http.post(backend.url, data="d1") as answer:
            await answer.read()
            broken = answer.status >= 400
    except aiohttp.ClientError:
        broken = True
    assert broken is (mode not in (Mode.DUPLICATE, Mode.GARBAGE, Mode.WRONG_CONTENT_TYPE))
    assert backend.ledger.effects("d1") == taken


async def test_a_hang_ends_when_told(backend: Plain, http: aiohttp.ClientSession) -> None:
    """A request that hangs is let go by clearing the fault; before accept it takes nothing."""
    backend.faults.set(Mode.HANG_BEFORE_ACCEPT)
    hanging = asyncio.create_task(http.post(backend.url, data="d1"))
    while not backend.faults.committed:
        await asyncio.sleep(0.01)
    backend.faults.clear()
    async with await hanging as answer:
        assert answer.status == 504
    await backend.faults.quiet()
    assert backend.ledger.effects("d1") == 0


async def test_callbacks_come_in_order_and_at_last(backend: Plain) -> None:
    """A front door that is not there yet, or answers with an error, gets each message once, in order."""
    heard: list[str] = []
    answers = [503, 404, 500]

    async def hear(request: web.Request) -> web.Response:
        if answers:
            return web.Response(status=answers.pop())
        heard.append(await request.text())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend._sender = CallbackSender(pause=0.01)
    backend.callback_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    case, _ = backend.ledger.take("d1", {})
    backend.lifecycle.begin(case)
    await backend.publish(backend.lifecycle.advance(backend.ledger.clock() + timedelta(hours=1)))
    await backend.flush()
    assert heard == ["acknowledged", "in_progress", "resolved"]
    await runner.cleanup()


async def test_a_callback_that_is_turned_down(backend: Plain) -> None:
    """A message that the front door understood and rejected is not sent for ever."""

    async def reject(_request: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_post("/", reject)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sender = CallbackSender(pause=0.01, tries=2)
    sender.send("case", Callback(url=f"http://127.0.0.1:{runner.addresses[0][1]}/", body=b"x"))
    await sender.flush()
    assert sender.given_up == 1
    await runner.cleanup()
    sender.send("case", Callback(url=f"http://127.0.0.1:{runner.addresses or 1}/", body=b"x"))
    await sender.close()


async def test_the_driver_moves_cases_by_itself() -> None:
    """Left alone, a started back end moves its cases and reports them."""
    clock = FixedClock()
    backend = Plain(Ledger("plain", clock=clock))
    await backend.start()
    case, _ = backend.ledger.take("d1", {})
    backend.lifecycle.begin(case)
    clock.forward(3600)
    async with asyncio.timeout(10):
        while case.status != "resolved":
            await asyncio.sleep(0.02)
    await backend.close()
    assert [change.at for change in case.history] == [clock.now] * 3
