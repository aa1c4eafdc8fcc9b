"""Signed webhooks: what is sent, what answers mean, what is believed, and where requests must never go."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from adapters.addresses import OutsideResolver
from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Deduplication,
    Handover,
    Refused,
    Unavailable,
    Uncertain,
)
from adapters.http_connection import read_connection
from adapters.registry import make_adapter
from adapters.sandbox.core import Faults, Ledger, Lifecycle, Mode
from adapters.sandbox.webhook import WebhookSandbox, make
from adapters.standard_webhooks import WebhookSecrets
from adapters.webhook import WebhookAdapter, WebhookConnection, _event
from tests.adapters.fake_http import answer, serve
from tests.adapters.test_addresses import Names

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"our side's secret, 32 bytes long").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret, 32 bytes long, 1").decode()
BACK = "whsec_" + base64.b64encode(b"their side's secret, of 32 bytes").decode()
URL = "https://hooks.example/front-door"


def handover(**changes: Any) -> Handover:
    values: dict[str, Any] = {
        "delivery_id": "0195f0c2-8d5e-7abc-8def-0123456789ab",
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "barnet-homes",
        "service": "council-housing-repairs",
        "service_name": "Council housing repairs",
        "created_at": NOW,
        "fields": {"description": "Zephyrine's tap drips", "name": "Ann"},
    }
    return Handover(**(values | changes))


def adapter_to(url: str, **changes: Any) -> WebhookAdapter:
    return WebhookAdapter.from_connection({"url": url, "secret": SECRET, "allow_private": True} | changes)


@asynccontextmanager
async def provider(**options: Any) -> AsyncIterator[WebhookSandbox]:
    """A provider, moved by hand."""
    ledger = Ledger("homes", clock=lambda: NOW, keep_raw=True)
    backend = make("homes", ledger, Faults(), Lifecycle(ledger), {"secret": SECRET} | options)
    await backend.start(drive=False)
    try:
        yield backend
    finally:
        await backend.close()


async def test_the_reference_library_verifies_what_arrives() -> None:
    """A receiver built on the standard's own library believes our webhook, by either secret while one is changed."""
    async with serve(lambda _request: answer(200, {})()) as server:
        adapter = adapter_to(server.url, secret=[SECRET, OTHER])
        await adapter.deliver(
            handover(traceparent="00-a-b-01", callback_url="https://door.example/cb", lgsl=7)
        )
        (request,) = server.requests
        for secret in (SECRET, OTHER):
            event = Webhook(secret).verify(request.body, dict(request.headers))
        assert event == {
            "type": "referral.created",
            "timestamp": "2026-03-02T10:00:00+00:00",
            "data": {
                "deliveryId": handover().delivery_id,
                "reference": "BAR-7K3M-9QXD",
                "authority": "barnet",
                "service": "council-housing-repairs",
                "serviceName": "Council housing repairs",
                "priority": "normal",
                "lgsl": 7,
                "callbackUrl": "https://door.example/cb",
                "fields": {"description": "Zephyrine's tap drips", "name": "Ann"},
            },
        }
        assert request.headers["webhook-id"] == handover().delivery_id
        assert request.headers["traceparent"] == "00-a-b-01"
        await adapter.close()


async def test_every_attempt_has_the_same_id_and_a_fresh_time() -> None:
    """The organisation knows a repeat by its id; the timestamp is of the attempt, so it is never too old."""
    clock = iter([NOW, NOW, NOW + timedelta(hours=2), NOW + timedelta(hours=2)])
    async with serve(lambda _request: answer(200, b"")()) as server:
        connection = read_connection(
            {"url": server.url, "secret": SECRET, "allow_private": True}, WebhookConnection
        )
        adapter = WebhookAdapter(connection, clock=lambda: next(clock))
        await adapter.deliver(handover())
        await adapter.deliver(handover(attempt=2))
        first, second = server.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 7200
        assert first.body == second.body
        await adapter.close()


async def test_a_repeat_is_recognised() -> None:
    """The provider keeps one effect per id and says that it had it."""
    async with provider() as backend:
        adapter = adapter_to(backend.url)
        assert adapter.deduplication is Deduplication.KEY
        first = await adapter.deliver(handover())
        again = await adapter.deliver(handover())
        assert (first.duplicate, again.duplicate) == (False, True)
        assert first.external_reference == again.external_reference == "HOMES-000001"
        assert len(backend.ledger) == 1
        await adapter.close()


async def test_a_secret_that_does_not_fit_is_our_fault() -> None:
    """A provider that does not believe us has taken nothing, and the case is not to blame."""
    async with provider() as backend:
        adapter = adapter_to(backend.url, secret=OTHER)
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == 401
        assert len(backend.ledger) == 0
        await adapter.close()


OURS = handover().delivery_id


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(200, {"reference": "A-1"}), "A-1"),
        (answer(201, {"reference": 17}), "17"),
        (answer(202, {"id": "else"}), OURS),
        (answer(200, b""), OURS),
        (answer(204, b""), OURS),
        (answer(200, b"ok", {"Content-Type": "text/plain"}), OURS),
        (answer(200, b"thanks\r\n"), OURS),
        (answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"}), Uncertain),
        (answer(200, b"\x00\xff"), Uncertain),
        (answer(200, [1]), Uncertain),
        (answer(200, {"reference": ""}), Uncertain),
        (answer(200, {"reference": {}}), Uncertain),
        (answer(301, b"", {"Location": "/elsewhere"}), Unavailable),
        (answer(302, b"", {"Location": "/elsewhere"}), Uncertain),
        (answer(400, b"Zephyrine?"), Refused),
        (answer(404, b""), Refused),
        (answer(410, b""), Refused),
        (answer(500, b""), Uncertain),
        (answer(502, b""), Uncertain),
    ],
)
async def test_what_an_answer_means(reply: Any, expected: Any) -> None:
    """2xx is success whatever it says, as long as it is the endpoint's own; nothing else is, redirects included."""
    async with serve(lambda _request: reply()) as server:
        adapter = adapter_to(server.url)
        if isinstance(expected, str):
            assert (await adapter.deliver(handover())).external_reference == expected
        else:
            with pytest.raises(expected) as failed:
                await adapter.deliver(handover())
            assert type(failed.value) is expected
            assert "Zephyrine" not in failed.value.detail
        assert len(server.requests) == 1
        await adapter.close()


async def test_an_endpoint_that_is_gone_says_so() -> None:
    """410 means by the standard that the endpoint wants no more; staff see that in the attempt's record."""
    async with serve(lambda _request: answer(410, b"")()) as server:
        adapter = adapter_to(server.url)
        with pytest.raises(Refused, match="disabled itself"):
            await adapter.deliver(handover())
        await adapter.close()


@pytest.mark.parametrize(("status", "wait"), [(429, "7"), (503, "7"), (429, None)])
async def test_waiting_as_long_as_asked(status: int, wait: str | None) -> None:
    """Retry-After is passed on to the courier."""
    headers = {} if wait is None else {"Retry-After": wait}
    async with serve(lambda _request: answer(status, b"", headers)()) as server:
        adapter = adapter_to(server.url)
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.retry_after == (None if wait is None else 7.0)
        await adapter.close()


async def test_it_only_tells() -> None:
    """A webhook cannot be asked and is not polled."""
    adapter = adapter_to(URL)
    assert adapter.polls is False
    with pytest.raises(Unavailable):
        await adapter.lookup("d1")
    assert (await adapter.poll("c", [])).cursor == "c"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:192.168.0.1]/",
        "https://localhost/",
        "https://front.localhost/",
    ],
)
def test_an_inner_address_stops_the_start(url: str) -> None:
    """What leads inside by its looks is found when the file is read, unless the file allows it."""
    with pytest.raises(ConfigurationError, match="allow_private"):
        make_adapter("webhook", {"url": url, "secret": SECRET})
    make_adapter("webhook", {"url": url, "secret": SECRET, "allow_private": True})


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"]])
async def test_a_name_that_leads_inside_gets_nothing(addresses: list[str]) -> None:
    """A name is checked when it is resolved; one that points inside, or partly so, is not connected to at all."""
    async with serve(lambda _request: answer(200, b"")()) as server:
        port = server.url.rpartition(":")[2]
        connection = read_connection(
            {"url": f"http://hooks.example:{port}/", "secret": SECRET, "plain_http": True}, WebhookConnection
        )
        names = Names(*addresses)
        adapter = WebhookAdapter(connection, resolver=lambda: OutsideResolver(names))
        with pytest.raises(Unavailable, match="leads inside"):
            await adapter.deliver(handover())
        assert names.asked == 1
        assert server.requests == []
        await adapter.close()


async def test_a_legacy_way_of_writing_an_inner_address_gets_nothing() -> None:
    """127.0.0.1 written as one number, short, or in octal leads nowhere."""
    async with serve(lambda _request: answer(200, b"")()) as server:
        port = server.url.rpartition(":")[2]
        for host in ("2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1"):
            table = {"url": f"http://{host}:{port}/", "secret": SECRET, "plain_http": True}
            adapter = WebhookAdapter.from_connection(table)
            with pytest.raises(Unavailable):
                await adapter.deliver(handover())
            await adapter.close()
        assert server.requests == []


@asynccontextmanager
async def callbacks(adapter: WebhookAdapter) -> AsyncIterator[tuple[str, list[Any], list[int]]]:
    """The callback address, as the gateway serves it; `answers` says what to answer before listening."""
    updates: list[Any] = []
    answers: list[int] = []
    clock = [NOW]

    async def take(request: web.Request) -> web.Response:
        if answers:
            return web.Response(status=answers.pop(0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        updates.extend(adapter.read_callback(headers, await request.read(), clock[0]))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/cb", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/cb", updates, answers
    finally:
        await runner.cleanup()


async def test_status_comes_back_signed() -> None:
    """The provider reports in its own words, and a report that first meets a closed door arrives later, signed anew."""
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(provider(callback_secret=BACK))
        adapter = adapter_to(backend.url, callback_secret=[OTHER, BACK])
        stack.push_async_callback(adapter.close)
        url, updates, answers = await stack.enter_async_context(callbacks(adapter))
        answers += [503, 404]
        receipt = await adapter.deliver(handover(callback_url=url))
        backend._sender._pause = 0.001
        backend.ledger.clock = iter([NOW - timedelta(hours=1)] + [NOW] * 99).__next__
        (case,) = list(backend.ledger)
        await backend.publish(backend.lifecycle.advance(NOW + timedelta(seconds=60)))
        await backend.publish(
            [backend.lifecycle.move(case.external_reference, "rejected", note="not ours", at=NOW)]
        )
        await backend.flush()
        assert [update.status for update in updates] == ["accepted", "started", "finished", "declined"]
        assert {update.external_reference for update in updates} == {receipt.external_reference}
        assert {update.delivery_id for update in updates} == {handover().delivery_id}
        assert updates[-1].note == "not ours"
        assert len({update.update_id for update in updates}) == 4


def signed(body: Any, *, secret: str = BACK, at: datetime = NOW) -> tuple[dict[str, str], bytes]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = WebhookSecrets.from_connection(secret).sign("u1", raw, at)
    return {**headers, "content-type": "application/json"}, raw


def test_a_report_by_the_reference_library() -> None:
    """A provider that signs with the standard's own library is understood."""
    adapter = adapter_to(URL, callback_secret=BACK)
    body = json.dumps({"type": "case.updated", "data": {"reference": "A-1", "status": "started"}})
    headers = {
        "webhook-id": "u9",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(BACK).sign("u9", NOW, body),
    }
    (update,) = adapter.read_callback(headers, body.encode(), NOW)
    assert (update.external_reference, update.status, update.at, update.update_id) == (
        "A-1",
        "started",
        NOW,
        "u9",
    )


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (signed({"data": {"reference": "A-1", "status": "started"}}, secret=OTHER), 401),
        (signed({"data": {"reference": "A-1", "status": "started"}}, at=NOW - timedelta(minutes=6)), 401),
        (signed(b"nonsense"), 400),
        (signed(b"\xff"), 400),
        (signed(b"[" * 100_000), 400),
        (signed({"data": {"status": "started"}}), 400),
        (signed({"data": {"reference": "A-1"}}), 400),
        (signed({"data": {"reference": "A-1", "status": " "}}), 400),
        (signed({"data": {"reference": "A-1", "status": "x" * 201}}), 400),
        (signed({"status": "started"}), 400),
    ],
)
def test_a_report_that_is_not_believed_or_understood(
    message: tuple[dict[str, str], bytes], status: int
) -> None:
    """401 for whoever cannot prove it, 400 for what makes no sense."""
    adapter = adapter_to(URL, callback_secret=BACK)
    with pytest.raises(CallbackRejected) as rejected:
        adapter.read_callback(*message, NOW)
    assert rejected.value.status == status


def test_without_a_secret_no_report_is_believed() -> None:
    """An organisation whose file has no callback secret cannot report at all."""
    headers, body = signed({"data": {"reference": "A-1", "status": "started"}})
    with pytest.raises(CallbackRejected) as rejected:
        adapter_to(URL).read_callback(headers, body, NOW)
    assert rejected.value.status == 401


def test_a_note_is_made_fit_to_keep() -> None:
    """What a database cannot hold is replaced, and the length is bounded."""
    adapter = adapter_to(URL, callback_secret=BACK)
    message = signed({"data": {"reference": "A-1", "status": "s\u0000x", "note": "a\u0000b" + "c" * 9000}})
    (update,) = adapter.read_callback(*message, NOW)
    assert update.status == "s\ufffdx"
    assert update.note.startswith("a\ufffdb")
    assert len(update.note) == 2000


@given(
    st.dictionaries(st.sampled_from(["description", "name", "notes"]), st.text(st.characters(codec="utf-8")))
)
def test_texts_arrive_exactly(fields: dict[str, str]) -> None:
    """JSON carries any text as it is, and only the fields that were given."""
    raw = msgspec.json.encode(_event(handover(fields=fields)))
    assert json.loads(raw)["data"]["fields"] == fields


def test_a_lone_surrogate_does_not_stop_a_case() -> None:
    """What no encoding can carry is replaced, and the rest arrives."""
    assert msgspec.json.encode(_event(handover(fields={"description": "a\ud800b"})))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"secret": "plain"}, "connection.secret"),
        ({"secret": []}, "connection.secret"),
        ({"callback_secret": "whsec_AAAA"}, "connection.callback_secret"),
        ({"url": "http://hooks.example/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"sekret": SECRET}, "sekret"),
        ({"timeout": 0.0}, "timeout"),
    ],
)
def test_a_mistake_in_the_file_stops_the_start(changes: dict[str, Any], key: str) -> None:
    """What cannot work is found when the file is read, and the key is named."""
    with pytest.raises(ConfigurationError, match=key) as error:
        make_adapter("webhook", {"url": URL, "secret": SECRET} | changes)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("options", [{}, {"secret": "plain"}, {"secret": SECRET, "colour": "red"}])
def test_the_stand_in_wants_right_options(options: dict[str, Any]) -> None:
    """A missing or wrong option is a mistake."""
    ledger = Ledger("homes")
    with pytest.raises(ValueError, match=r"secret|colour"):
        make("homes", ledger, Faults(), Lifecycle(ledger), options)


async def test_faults_leave_one_effect() -> None:
    """A lost answer is uncertain; sending again makes nothing twice."""
    async with provider() as backend:
        adapter = adapter_to(backend.url)
        backend.faults.set(Mode.LOST_ANSWER, count=1)
        with pytest.raises(Uncertain):
            await adapter.deliver(handover())
        assert (await adapter.deliver(handover(attempt=2))).duplicate
        assert backend.ledger.effects(handover().delivery_id) == 1
        await adapter.close()
