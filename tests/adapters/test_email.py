"""E-mail from end to end: a real mail server at the far end, TLS, sign-in, and the link that brings status back."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Deduplication,
    Handover,
    Refused,
    Unavailable,
)
from adapters.email import QUERY_HEADER, EmailAdapter
from adapters.registry import make_adapter
from adapters.sandbox.core import Faults, Ledger, Lifecycle, Mode, SandboxBackend
from adapters.sandbox.email import EmailSandbox, make
from adapters.sandbox.tls import self_signed, server_context

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SECRET = "one secret for the links"
FIELDS = {"description": "Zephyrine says the bin is full", "name": "Ann"}
PLAIN = {
    "host": "127.0.0.1",
    "port": 25,
    "tls": "none",
    "sender": "door@barnet.example",
    "to": "box@charity.example",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def handover(**changes: Any) -> Handover:
    values: dict[str, Any] = {
        "delivery_id": "0195f0c2-8d5e-7abc-8def-0123456789ab",
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "charity",
        "service": "befriending",
        "service_name": "Befriending",
        "created_at": NOW,
        "fields": FIELDS,
    }
    return Handover(**(values | changes))


@asynccontextmanager
async def mailbox(
    certificate: Path | None = None, options: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[tuple[EmailSandbox, EmailAdapter]]:
    """A mailbox, moved by hand, and an adapter that reaches it."""
    ledger = Ledger("charity", clock=lambda: NOW, keep_raw=True)
    backend = make("charity", ledger, Faults(), Lifecycle(ledger), options or {})
    assert isinstance(backend, SandboxBackend)
    await backend.start(ssl=server_context(certificate) if certificate else None, drive=False)
    table = (
        PLAIN | {"port": int(backend.url.rpartition(":")[2]), "tls": backend.tls, "timeout": 5.0} | changes
    )
    adapter = EmailAdapter.from_connection(table)
    try:
        yield backend, adapter
    finally:
        await adapter.close()
        await backend.close()


async def test_the_reference_is_the_message_id() -> None:
    """The receipt names the mail as the mailbox knows it, the same for every attempt."""
    async with mailbox() as (backend, adapter):
        first = await adapter.deliver(handover())
        second = await adapter.deliver(handover(attempt=2))
        assert first.external_reference == "<0195f0c2-8d5e-7abc-8def-0123456789ab@barnet.example>"
        assert second == first
        assert {case.fields["message-id"] for case in backend.ledger} == {first.external_reference}
        assert len({case.raw for case in backend.ledger}) == 1


async def test_a_mail_server_does_not_know_a_mail_again() -> None:
    """It is said plainly: no duplicates are removed, nothing can be asked, so an unknown outcome needs a person."""
    async with mailbox() as (backend, adapter):
        assert adapter.deduplication is Deduplication.NONE
        assert adapter.polls is False
        assert (await adapter.poll("c", [])).updates == []
        with pytest.raises(Unavailable):
            await adapter.lookup("d1")
        await adapter.deliver(handover())
        await adapter.deliver(handover())
        assert backend.ledger.effects(handover().delivery_id) == 2


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_mail_travels_under_tls(certificate: Path, tls: str) -> None:
    """Both ways of speaking TLS work with a trusted certificate."""
    async with mailbox(certificate, {"tls": tls}, ca_file=str(certificate)) as (backend, adapter):
        await adapter.deliver(handover())
        assert backend.url.startswith("smtps://" if tls == "implicit" else "smtp://")
        assert [case.fields["name"] for case in backend.ledger] == ["Ann"]


def test_tls_is_recent_and_checked() -> None:
    """TLS 1.2 or later, a trusted certificate, for the right name: nothing in the file can lower that."""
    context = EmailAdapter.from_connection(PLAIN | {"tls": "implicit"})._smtp._server.context
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_without_starttls_nothing_is_sent() -> None:
    """A server that does not offer TLS gets nothing, not even who the mail is for."""
    async with mailbox() as (backend, _):
        table = PLAIN | {"port": int(backend.url.rpartition(":")[2]), "tls": "starttls"}
        adapter = EmailAdapter.from_connection(table)
        with pytest.raises(Unavailable):
            await adapter.deliver(handover())
        assert len(backend.ledger) == 0
        await adapter.close()


async def test_a_certificate_for_another_name_is_not_trusted(certificate: Path) -> None:
    """Trusting the issuer is not enough: the certificate must be for the host in the organisation's file."""
    ledger = Ledger("charity")
    backend = make("charity", ledger, Faults(), Lifecycle(ledger), {})
    await backend.start("127.0.0.2", ssl=server_context(certificate), drive=False)
    changes = {"host": "127.0.0.2", "port": int(backend.url.rpartition(":")[2]), "tls": "starttls"}
    adapter = EmailAdapter.from_connection(PLAIN | changes | {"ca_file": str(certificate)})
    with pytest.raises(Unavailable, match="TLS failed"):
        await adapter.deliver(handover())
    assert len(ledger) == 0
    await adapter.close()
    await backend.close()


async def test_signing_in(certificate: Path) -> None:
    """With name and password the server takes it; with a wrong password or none it is unavailable, not refused."""
    options = {"username": "door", "password": "pass wörd"}
    trusted = {"ca_file": str(certificate)}
    async with mailbox(certificate, options, **trusted, username="door", password="pass wörd") as (
        backend,
        adapter,
    ):
        await adapter.deliver(handover())
        assert len(backend.ledger) == 1
    async with mailbox(certificate, options, **trusted, username="door", password="wrong") as (
        backend,
        adapter,
    ):
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == 535
    async with mailbox(certificate, options, **trusted) as (backend, adapter):
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == 530
        assert len(backend.ledger) == 0


@pytest.mark.parametrize(
    ("mode", "kind", "status"),
    [
        (Mode.REFUSE, Refused, 554),
        (Mode.HTTP_500, Unavailable, 451),
        (Mode.HTTP_503, Unavailable, 421),
        (Mode.HTTP_429, Unavailable, 450),
    ],
)
async def test_what_the_mailbox_answers(mode: Mode, kind: type, status: int) -> None:
    """A no for good is a refusal; a no for now is unavailable and goes through later."""
    async with mailbox() as (backend, adapter):
        backend.faults.set(mode, count=1)
        with pytest.raises(kind) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == status
        assert len(backend.ledger) == 0
        await adapter.deliver(handover())
        assert len(backend.ledger) == 1


@asynccontextmanager
async def front_door(adapter: EmailAdapter) -> AsyncIterator[tuple[str, list[Any]]]:
    """The callback address, served as the gateway does: the adapter's page on GET, its reading on POST."""
    updates: list[Any] = []

    async def show(request: web.Request) -> web.Response:
        try:
            return web.Response(text=adapter.callback_page(request.query_string), content_type="text/html")
        except CallbackRejected as error:
            return web.Response(status=error.status)

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers[QUERY_HEADER] = request.query_string
        try:
            updates.extend(adapter.read_callback(headers, await request.read(), NOW))
        except CallbackRejected as error:
            return web.Response(status=error.status)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/callbacks/barnet/charity", show)
    app.router.add_post("/callbacks/barnet/charity", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks/barnet/charity", updates
    finally:
        await runner.cleanup()


class Form(HTMLParser):
    """What a browser would send for a page: its hidden fields, and the choices of each radio button."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.choices: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "input" and values["type"] == "hidden":
            self.hidden[values["name"]] = values["value"]
        if tag == "input" and values["type"] == "radio":
            self.choices.append(values["value"])


async def test_a_person_reports_through_the_link() -> None:
    """Opening the link changes nothing; choosing and sending does; sending the same page twice counts once."""
    async with AsyncExitStack() as stack:
        backend, adapter = await stack.enter_async_context(mailbox(callback_secret=SECRET))
        url, updates = await stack.enter_async_context(front_door(adapter))
        await adapter.deliver(handover(callback_url=url))
        (case,) = list(backend.ledger)
        assert case.callback_url is not None
        http = await stack.enter_async_context(aiohttp.ClientSession())
        page = await (await http.get(case.callback_url)).text()
        assert updates == []
        assert "Zephyrine" not in page
        form = Form(page)
        assert form.choices == ["received", "working", "done", "declined"]
        sent = form.hidden | {"status": "done", "note": "visited\x00\r\non Monday"}
        for _ in range(2):
            assert (await http.post(case.callback_url, data=sent)).status == 204
        again = Form(await (await http.get(case.callback_url)).text()).hidden | {"status": "done"}
        assert (await http.post(case.callback_url, data=again)).status == 204
        assert [update.status for update in updates] == ["done"] * 3
        assert updates[0].delivery_id == handover().delivery_id
        assert updates[0].note == "visited\ufffd\non Monday"
        assert updates[0].at == NOW
        assert updates[0].update_id == updates[1].update_id != updates[2].update_id


async def test_the_mailbox_reports_by_itself() -> None:
    """The stand-in's owner opens each mail's link as the case moves along, in the page's words."""
    async with AsyncExitStack() as stack:
        backend, adapter = await stack.enter_async_context(mailbox(callback_secret=SECRET))
        url, updates = await stack.enter_async_context(front_door(adapter))
        await adapter.deliver(handover(callback_url=f"{url}?via=mail"))
        await backend.publish(backend.lifecycle.advance(NOW + timedelta(seconds=60)))
        (case,) = list(backend.ledger)
        await backend.publish([backend.lifecycle.move(case.external_reference, "rejected", note="full up")])
        await backend.flush()
        assert [update.status for update in updates] == ["received", "working", "done", "declined"]
        assert updates[-1].note == "full up"
        assert len({update.update_id for update in updates}) == 4


async def test_without_a_secret_there_is_no_link() -> None:
    """An organisation whose file has no secret is asked to answer by mail, and no callback is believed."""
    async with mailbox() as (backend, adapter):
        await adapter.deliver(handover(callback_url="https://door.example/cb"))
        (case,) = list(backend.ledger)
        assert case.callback_url is None
        assert "door.example" not in case.fields["text"]
        await backend.publish(backend.lifecycle.advance(NOW + timedelta(seconds=60)))
        with pytest.raises(CallbackRejected):
            adapter.read_callback({"content-type": "application/json"}, b'{"status": "done"}', NOW)


def link_of(adapter: EmailAdapter, delivery_id: str) -> str:
    """The query of the link that a mail about this delivery would hold."""
    link = adapter._link(handover(delivery_id=delivery_id, callback_url="https://door.example/cb"))
    assert link is not None
    return urlsplit(link).query


def read(adapter: EmailAdapter, query: str, body: Mapping[str, str]) -> Any:
    headers = {"content-type": "application/json", QUERY_HEADER: query}
    return adapter.read_callback(headers, json.dumps(body).encode(), NOW)


def test_a_link_is_for_its_own_delivery() -> None:
    """The token of one mail says nothing about another delivery."""
    adapter = EmailAdapter.from_connection(PLAIN | {"callback_secret": SECRET})
    (update,) = read(adapter, link_of(adapter, "d1"), {"status": "done"})
    assert update.delivery_id == "d1"
    stolen = dict(parse_qsl(link_of(adapter, "d1")))["token"]
    for query in (
        f"delivery=d2&token={stolen}",
        f"delivery=&token={stolen}",
        f"token={stolen}",
        "delivery=d1",
        "",
    ):
        with pytest.raises(CallbackRejected) as rejected:
            read(adapter, query, {"status": "done"})
        assert rejected.value.status == 401
        with pytest.raises(CallbackRejected):
            adapter.callback_page(query)


def test_links_outlive_a_change_of_secret() -> None:
    """Mails sent before the secret was changed still have good links while the old one is listed behind the new."""
    before = EmailAdapter.from_connection(PLAIN | {"callback_secret": SECRET})
    after = EmailAdapter.from_connection(PLAIN | {"callback_secret": ["a new secret for links", SECRET]})
    gone = EmailAdapter.from_connection(PLAIN | {"callback_secret": "a new secret for links"})
    query = link_of(before, "d1")
    assert read(after, query, {"status": "done"})
    assert link_of(after, "d1") == link_of(gone, "d1") != query
    with pytest.raises(CallbackRejected):
        read(gone, query, {"status": "done"})


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"status": 1}', 400),
        ("application/json", b'{"status": ""}', 400),
        ("application/json", b'{"status": "a\\nb"}', 400),
        ("application/json", b"{}", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'{"status": "' + b"x" * 65 + b'"}', 400),
        ("application/x-www-form-urlencoded", b"\xff", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 1000, 400),
        ("application/x-www-form-urlencoded", b"note=hello", 400),
        ("text/plain", b"status=done", 415),
        ("", b'{"status": "done"}', 415),
    ],
)
def test_a_report_that_makes_no_sense(content_type: str, body: bytes, status: int) -> None:
    """With a good link too, what cannot be read is turned down with a fitting status."""
    adapter = EmailAdapter.from_connection(PLAIN | {"callback_secret": SECRET})
    with pytest.raises(CallbackRejected) as rejected:
        adapter.read_callback({"content-type": content_type, QUERY_HEADER: link_of(adapter, "d1")}, body, NOW)
    assert rejected.value.status == status


@given(
    st.dictionaries(st.sampled_from(["delivery", "token", "status", "note", "update_id"]), st.text()),
    st.text(),
)
def test_no_report_breaks_the_reading(values: dict[str, str], query: str) -> None:
    """Whatever is sent without a good link, it is turned down and nothing breaks."""
    adapter = _ADAPTER
    with pytest.raises(CallbackRejected):
        read(adapter, query, values)


_ADAPTER = EmailAdapter.from_connection(PLAIN | {"callback_secret": SECRET})


def test_the_page_escapes_what_it_shows() -> None:
    """Status words and the link's own values cannot become markup."""
    adapter = EmailAdapter.from_connection(
        PLAIN | {"callback_secret": SECRET, "statuses": {"done": '<b>It\'s "done"</b>'}}
    )
    page = adapter.callback_page(link_of(adapter, "<script>'\""))
    assert "<script" not in page
    assert "<b>" not in page
    assert Form(page).hidden["delivery"] == "<script>'\""
    assert re.search(r'<label for="note">', page)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"tls": "none", "host": "mail.charity.example"}, "tls"),
        ({"tls": "none", "host": "10.0.0.1"}, "tls"),
        ({"tls": "none", "host": "localhost"}, "tls"),
        ({"tls": "ssl"}, "tls"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": "a@b.example\r\nRCPT TO:<x@y>"}, "sender"),
        ({"sender": "Door <a@b.example>"}, "sender"),
        ({"to": []}, "to"),
        ({"to": ["a@b.example", "a@b.example>"]}, "to"),
        ({"to": "a..b@c.example"}, "to"),
        ({"reply_to": "ä@b.example"}, "reply_to"),
        ({"sender_name": "a\nb"}, "sender_name"),
        ({"host": "a b"}, "host"),
        ({"host": ""}, "host"),
        ({"hello": "a\r\nb"}, "hello"),
        ({"port": 0}, "port"),
        ({"port": "25"}, "port"),
        ({"timeout": 0}, "timeout"),
        ({"connect_timeout": -1}, "connect_timeout"),
        ({"password": "x"}, "username"),
        ({"ca_file": "/nowhere.pem", "tls": "starttls"}, "ca_file"),
        ({"callback_secret": "short"}, "callback_secret"),
        ({"statuses": {"a\nb": "x"}}, "statuses"),
        ({"callbacksecret": SECRET}, "callbacksecret"),
    ],
)
def test_a_mistake_in_the_file_stops_the_start(changes: dict[str, Any], key: str) -> None:
    """What cannot work is found when the file is read, and the key is named."""
    with pytest.raises(ConfigurationError, match=key) as error:
        make_adapter("email", PLAIN | changes)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("missing", ["host", "sender", "to"])
def test_a_missing_key_stops_the_start(missing: str) -> None:
    """What is needed is asked for by name."""
    with pytest.raises(ConfigurationError, match=missing):
        make_adapter("email", {key: value for key, value in PLAIN.items() if key != missing})


def test_the_stand_in_wants_right_options() -> None:
    """An option that does not exist is a mistake."""
    ledger = Ledger("charity")
    with pytest.raises(ValueError, match="smtp"):
        make("charity", ledger, Faults(), Lifecycle(ledger), {"smtp": 1})
