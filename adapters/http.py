"""What every adapter that speaks HTTP shares: one client per organisation, and what a failure means.

The one question that matters after a failure is whether the organisation may have taken the hand-over:

    no connection, TLS failure, no free slot in time   → Unavailable  nothing was sent
    429, 503, 425                                      → Unavailable  with Retry-After, if it said
    401, 403, 407, 301, 307, 308                       → Unavailable  our configuration is wrong, not the case
    any other 4xx                                      → Refused
    time out or connection lost once the request went  → Uncertain
    408, any other 5xx, any other 3xx                  → Uncertain
    2xx that is cut off, too big or makes no sense     → Uncertain

A request marked `safe` (a look-up, a poll, a token) changes nothing at the far end, so each of its failures
is `Unavailable`, never `Uncertain` or `Refused`.

No body of an answer ever goes into an error: organisations echo what they were sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from adapters.base import DeliveryError, Refused, Unavailable, Uncertain
from adapters.elapsed import elapsed
from adapters.http_connection import HttpConnection, ssl_context

_OUR_FAULT: Final = frozenset({301, 307, 308, 401, 403, 407})
_LATER: Final = frozenset({425, 429, 503})
_KEEP_ALIVE: Final = 2.0
"""Seconds. Shorter than servers keep an idle connection, so that a POST seldom meets one just closed."""

_Shape = TypeVar("_Shape")


class TooLong(Unavailable):
    """The answer to a safe question is longer than `max_body`: ask for less."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, read whole and within the limit."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    safe: bool = False
    now: datetime

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def unreadable(self, detail: str) -> DeliveryError:
        """Make the error for a 2xx answer that makes no sense."""
        detail = f"HTTP {self.status}, but {detail}"
        kind = Unavailable if self.safe else Uncertain
        return kind(detail, status=self.status)

    def check(self, *, code: str = "") -> None:
        """Return for a 2xx, else raise what the status means.

        `code` is added to the detail: the protocol's error code, a plain word and never free text.
        """
        status = self.status
        if 200 <= status < 300:
            return
        detail = f"HTTP {status} {code}".rstrip()
        if status in _LATER or status in _OUR_FAULT or self.safe:
            raise Unavailable(detail, status=status, retry_after=self.retry_after())
        if 400 <= status < 500 and status != 408:
            raise Refused(detail, status=status)
        raise Uncertain(detail, status=status)

    def retry_after(self) -> float | None:
        """Seconds that the organisation asked us to wait, from seconds or an HTTP date."""
        return parse_retry_after(self.headers.get("Retry-After"), self.now)

    def json(self, shape: type[_Shape]) -> _Shape:
        """Read a JSON body as `shape`. Raises what `unreadable` makes."""
        media = self.content_type
        if media != "application/json" and not media.endswith("+json"):
            raise self.unreadable("the answer is not JSON")
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self.unreadable("the answer could not be read") from None


class HttpClient:
    """One organisation's HTTP client: no redirects, no cookies, no proxies from the environment."""

    def __init__(
        self,
        connection: HttpConnection,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._resolver = resolver
        self._ssl = ssl_context(connection)
        self._session: aiohttp.ClientSession | None = None

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        safe: bool = False,
        within: float | None = None,
        send_by: float | None = None,
    ) -> Answer:
        """Send a request and read the answer, whatever its status. Raises `Unavailable` or `Uncertain`.

        `within` is for an exchange that has less than the connection's time: the seconds that are left. `send_by` is
        the `Handover`'s: looked at just before the bytes leave, since a process may have been frozen until then.
        """
        trace = SimpleNamespace(sent=False, late=False, send_by=send_by)
        options: dict[str, Any] = {"headers": headers, "params": params, "data": body}
        if within is not None:
            connect = min(within, self._connection.connect_timeout)
            options["timeout"] = aiohttp.ClientTimeout(total=within, connect=connect)
        try:
            return await self._exchange(method, url, trace, safe=safe, allow_redirects=False, **options)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if trace.late:
                raise Unavailable("it was too late to send it") from error
            detail = _what_happened(error)
            if trace.sent and not safe:
                raise Uncertain(f"{detail} after the request was sent") from error
            raise Unavailable(detail) from error

    async def close(self) -> None:
        """Let go of connections. A later `exchange` opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(
        self, method: str, url: str, trace: SimpleNamespace, *, safe: bool, **options: Any
    ) -> Answer:
        async with self._open().request(method, url, trace_request_ctx=trace, **options) as response:
            body, whole = b"", True
            try:
                body, whole = await self._read(response)
            except (aiohttp.ClientError, TimeoutError, OSError):
                # A refusal stays a refusal without its explanation; a half-read acceptance proves nothing.
                if response.status < 400:
                    raise
            answer = Answer(
                status=response.status, headers=response.headers, body=body, safe=safe, now=self._clock()
            )
            if not whole and response.status < 400:
                detail = f"the answer is longer than {self._connection.max_body} bytes"
                raise TooLong(detail, status=response.status) if safe else answer.unreadable(detail)
            return answer

    async def _read(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        limit = self._connection.max_body
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                response.close()  # not back into the pool: the rest of the flood is still coming
                return bytes(body[:limit]), False
        return bytes(body), True

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connection = self._connection
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_note_sent)
            trace.on_request_chunk_sent.append(_not_too_late)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=connection.max_connections,
                    ssl=self._ssl,
                    keepalive_timeout=_KEEP_ALIVE,
                    resolver=self._resolver() if self._resolver is not None else None,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=connection.timeout, connect=connection.connect_timeout),
                trace_configs=[trace],
                # Nothing is compressed, so the limit on a body counts what is held in memory.
                headers={"Accept-Encoding": "identity", "User-Agent": "front-door"},
            )
        return self._session


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header as seconds from `now`, never below zero; `None` if absent or unreadable."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


async def _note_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    # Called just before the first byte leaves: with this flag down, the organisation saw nothing of it.
    context.trace_request_ctx.sent = True


async def _not_too_late(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    # Called just before the body leaves, headers and all: aiohttp holds them back until then.
    trace = context.trace_request_ctx
    if trace.send_by is not None and elapsed() >= trace.send_by:
        trace.late = True
        raise aiohttp.ClientConnectionError("too late")


_WHAT_HAPPENED: Final[tuple[tuple[type[Exception], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "TLS failed"),
    (aiohttp.ClientConnectorSSLError, "TLS failed"),
    (aiohttp.ClientConnectorDNSError, "the host name is unknown"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (aiohttp.ClientConnectorError, "no connection"),
    (TimeoutError, "time ran out"),
    (aiohttp.ClientPayloadError, "the answer was cut off"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (aiohttp.InvalidURL, "the address is wrong"),
)


def _what_happened(error: Exception) -> str:
    """Name a failure without quoting anything that came from the far end."""
    return next((what for kind, what in _WHAT_HAPPENED if isinstance(error, kind)), "the connection was lost")
