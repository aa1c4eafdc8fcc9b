"""What every HTTP adapter shares: what a failure means, and what a connection table may hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from adapters.base import ConfigurationError, Refused, Unavailable, Uncertain
from adapters.http import Answer, HttpClient, TooLong, parse_retry_after
from adapters.http_connection import HttpConnection, check_url, read_connection

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class Far:
    """The far end: answers as it is told to."""

    url: str
    answer: Handler
    seen: list[web.Request]


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    """Start a far end."""
    end = Far()
    end.seen = []

    async def handle(request: web.Request) -> web.StreamResponse:
        end.seen.append(request)
        return await end.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    end.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield end
    await runner.cleanup()


@pytest.fixture
async def client(far: Far) -> AsyncIterator[HttpClient]:
    """Make a client of the far end that reads at most 1,000 bytes."""
    client = HttpClient(HttpConnection(url=far.url, max_body=1000), clock=lambda: NOW)
    yield client
    await client.close()


def says(status: int, *, body: bytes = b"{}", **headers: str) -> Handler:
    """Answer with a status."""

    async def answer(_request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json"} | named)

    return answer


MEANS: dict[int, type[Exception]] = {
    300: Uncertain,
    301: Unavailable,
    302: Uncertain,
    303: Uncertain,
    307: Unavailable,
    308: Unavailable,
    400: Refused,
    401: Unavailable,
    403: Unavailable,
    404: Refused,
    407: Unavailable,
    408: Uncertain,
    409: Refused,
    410: Refused,
    413: Refused,
    422: Refused,
    425: Unavailable,
    429: Unavailable,
    451: Refused,
    500: Uncertain,
    501: Uncertain,
    502: Uncertain,
    503: Unavailable,
    504: Uncertain,
    520: Uncertain,
}


@pytest.mark.parametrize(("status", "meaning"), MEANS.items())
async def test_what_a_status_means(
    status: int, meaning: type[Exception], far: Far, client: HttpClient
) -> None:
    """Each HTTP status means refused, unavailable or uncertain; to a question that changes nothing, unavailable."""
    far.answer = says(status, Location="http://127.0.0.1:1/elsewhere")
    answer = await client.exchange("POST", far.url, body=b"x")
    with pytest.raises(meaning) as raised:
        answer.check(code="(code 7)")
    assert type(raised.value) is meaning
    assert str(raised.value) == f"HTTP {status} (code 7)"
    safe = await client.exchange("GET", far.url, safe=True)
    with pytest.raises(Unavailable):
        safe.check()
    assert len(far.seen) == 2  # no redirect was followed


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success(status: int, far: Far, client: HttpClient) -> None:
    """Any 2xx passes."""
    far.answer = says(status)
    (await client.exchange("POST", far.url, body=b"x")).check()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("0.5", 0.5),
        ("Mon, 02 Mar 2026 10:01:30 GMT", 90.0),
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0.0),
        ("Mon, 02 Mar 2026 10:01:30 -0000", 90.0),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("Mon, 99 Mar 2026 10:01:30 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Retry-After is read as seconds or as a date, and ignored where it is nonsense."""
    assert parse_retry_after(value, NOW) == seconds


async def test_retry_after_reaches_the_courier(far: Far, client: HttpClient) -> None:
    """An HTTP date in a 503 comes out as seconds from the client's clock."""
    far.answer = says(503, Retry_After="Mon, 02 Mar 2026 10:00:20 GMT")
    answer = await client.exchange("POST", far.url, body=b"x")
    with pytest.raises(Unavailable) as raised:
        answer.check()
    assert raised.value.retry_after == 20
    assert raised.value.status == 503


async def test_a_refusal_cut_off_is_still_a_refusal(far: Far, client: HttpClient) -> None:
    """A 400 whose explanation never arrives whole is refused all the same; so is one that explains at length."""

    async def cut_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400)
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    for answer in (cut_off, says(400, body=b"x" * 5000)):
        far.answer = answer
        with pytest.raises(Refused):
            (await client.exchange("POST", far.url, body=b"x")).check()


async def test_too_long(far: Far, client: HttpClient) -> None:
    """An answer over the limit proves nothing; to a question it says that less should be asked for."""
    far.answer = says(200, body=b"x" * 1001)
    with pytest.raises(Uncertain, match="longer than 1000 bytes"):
        await client.exchange("POST", far.url, body=b"x")
    with pytest.raises(TooLong):
        await client.exchange("GET", far.url, safe=True)
    far.answer = says(200, body=b'"' + b"x" * 998 + b'"')
    assert len((await client.exchange("POST", far.url, body=b"x")).json(str)) == 998


async def test_a_pooled_connection_that_died(far: Far, client: HttpClient) -> None:
    """A kept connection that the far end drops under a POST leaves it uncertain: the POST may have arrived."""
    far.answer = says(200)
    await client.exchange("POST", far.url, body=b"x")

    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    far.answer = drop
    with pytest.raises(Uncertain, match="after the request was sent"):
        await client.exchange("POST", far.url, body=b"x")
    assert len(far.seen) == 2  # it was not sent a second time behind our back


async def test_no_slot_in_time(far: Far) -> None:
    """Waiting in vain for a free connection is unavailable: nothing was sent."""
    arrived, hold = asyncio.Event(), asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        arrived.set()
        await hold.wait()
        return web.Response()

    far.answer = wait
    client = HttpClient(HttpConnection(url=far.url, max_connections=1, connect_timeout=0.2, timeout=10))
    first = asyncio.create_task(client.exchange("POST", far.url, body=b"x"))
    await arrived.wait()
    with pytest.raises(Unavailable):
        await client.exchange("POST", far.url, body=b"x")
    hold.set()
    await first
    await client.close()
    assert len(far.seen) == 1


async def test_not_http(far: Far) -> None:
    """Something that answers in another protocol leaves it uncertain."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient(HttpConnection(url=far.url))
    with pytest.raises(Uncertain):
        await client.exchange("POST", f"http://127.0.0.1:{port}/", body=b"x")
    await client.close()
    server.close()
    await server.wait_closed()


async def test_an_unknown_host(client: HttpClient) -> None:
    """A host name that nobody knows is unavailable."""
    with pytest.raises(Unavailable):
        await client.exchange("POST", "http://nowhere.invalid/", body=b"x")


async def test_nothing_is_kept_between_requests(far: Far, client: HttpClient) -> None:
    """A cookie set for one citizen's hand-over is not sent with the next."""
    far.answer = says(200, Set_Cookie="session=of-the-first")
    await client.exchange("POST", far.url, body=b"x")
    await client.exchange("POST", far.url, body=b"x")
    assert "Cookie" not in far.seen[1].headers


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "url"),
        ({"url": "https://a.example", "ulr": 1}, "ulr"),
        ({"url": "https://a.example", "timeout": "20"}, "connection.timeout"),
        ({"url": "https://a.example", "timeout": 0}, "connection.timeout"),
        ({"url": "https://a.example", "connect_timeout": -1}, "connection.connect_timeout"),
        ({"url": "https://a.example", "max_body": 0}, "connection.max_body"),
        ({"url": "https://a.example", "max_connections": 1.5}, "connection.max_connections"),
        ({"url": "ftp://a.example"}, "connection.url"),
        ({"url": "a.example"}, "connection.url"),
        ({"url": "https://"}, "connection.url"),
        ({"url": "https://a.example:port"}, "connection.url"),
        ({"url": "https://name:word@a.example"}, "connection.url"),
        ({"url": "http://a.example"}, "plain_http"),
        ({"url": 7}, "connection.url"),
    ],
)
def test_a_wrong_connection_table(table: dict[str, Any], key: str) -> None:
    """A connection table that cannot be used is an error that names the key."""
    with pytest.raises(ConfigurationError, match=key):
        read_connection(table, HttpConnection)


def test_a_wrong_file(tmp_path: Path) -> None:
    """A file of authorities or a certificate that is not there, or is none, is found at start."""
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing of the kind")
    for key in ("ca_file", "client_certificate"):
        for path in (tmp_path / "missing.pem", broken):
            connection = HttpConnection(**{"url": "https://a.example", key: str(path)})
            with pytest.raises(ConfigurationError, match=f"connection.{key}"):
                HttpClient(connection)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80/x", "http://[::1]/", "http://localhost:8/", "https://a.example"]
)
def test_where_citizens_details_may_go(url: str) -> None:
    """Over TLS anywhere, in clear to this machine only, unless the file says otherwise."""
    check_url("url", url, plain_http=False)
    check_url("url", "http://elsewhere.example", plain_http=True)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"a": 1}'])
def test_unreadable_json(body: bytes) -> None:
    """A 2xx that is not the JSON it should be is uncertain, and unavailable to a question."""
    for safe, kind in ((False, Uncertain), (True, Unavailable)):
        answer = Answer(
            status=200, headers={"Content-Type": "application/fhir+json"}, body=body, now=NOW, safe=safe
        )
        with pytest.raises(kind):
            answer.json(list[str])
    html = msgspec.structs.replace(answer, headers={"Content-Type": "text/html"}, body=b"[]")
    with pytest.raises(Unavailable, match="not JSON"):
        html.json(list[str])
