"""Notices to subscribers by Standard Webhooks: told that something happened, never what anybody said.

    POST {url}   webhook-id: <constant over every attempt>, webhook-timestamp, webhook-signature
                 {"type": "referral.changed", "timestamp": …, "data": {…}}
        2xx      taken, whatever else the answer says
        410      the subscriber wants no more
        else     tried again

Not a protocol of an organisation's file: subscribers are made by the API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from adapters.addresses import InnerAddressError, OutsideResolver, is_literal, is_outside
from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Deduplication,
    Handover,
    Poll,
    Receipt,
    Refused,
    StatusUpdate,
    Unavailable,
    Uncertain,
)
from adapters.http import HttpClient
from adapters.http_connection import HttpConnection
from adapters.standard_webhooks import WebhookSecrets

URL_MOST: Final = 2000
"""Characters of a subscriber's address."""
ANSWER_MOST: Final = 64 * 1024
"""Bytes of an answer that are read before the connection is let go; none of them matters."""
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
"""What ends a host that some systems read as an IP address: 127.1, 2130706433, 0x7f000001."""
INSIDE: Final = "the address leads inside"


class Notice(Handover, frozen=True, kw_only=True):
    """What a subscriber is told: no field of a hand-over leaves, only this."""

    event: Mapping[str, Any]
    """The whole body: `type`, `timestamp`, `data`."""


class NoticeAdapter:
    """One subscriber's endpoint.

    `secrets` gives what is valid now, newest first: it is asked at each attempt, so that a changed secret counts at once.
    """

    protocol: ClassVar[str] = "notice"
    deduplication = Deduplication.KEY
    polls: bool = False

    def __init__(
        self,
        url: str,
        secrets: Callable[[datetime], Sequence[str]],
        *,
        allow_private: bool,
        timeout: float,
        max_connections: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolver: Callable[[], AbstractResolver] = OutsideResolver,
    ) -> None:
        check_subscriber_url(url, allow_private=allow_private)
        self.answered_at: datetime | None = None
        """When it last took a notice."""
        self._url = url
        self._secrets = secrets
        self._clock = clock
        connection = HttpConnection(
            url=url, timeout=timeout, max_body=ANSWER_MOST, max_connections=max_connections
        )
        self._client = HttpClient(connection, clock=clock, resolver=None if allow_private else resolver)

    async def deliver(self, handover: Handover) -> Receipt:
        """Tell it. Raises `Refused` for 410 alone; every other failure is worth another try."""
        if not isinstance(handover, Notice):
            raise TypeError("a subscriber is given notices, never hand-overs")
        now = self._clock()
        body = msgspec.json.encode(handover.event)
        headers = {
            "Content-Type": "application/json",
            **WebhookSecrets.from_connection(list(self._secrets(now))).sign(handover.delivery_id, body, now),
        }
        if handover.traceparent:
            headers["traceparent"] = handover.traceparent
        status = await self._post(headers, body)
        self.answered_at = now
        return Receipt(external_reference=handover.delivery_id, detail=f"HTTP {status}")

    async def _post(self, headers: Mapping[str, str], body: bytes) -> int:
        try:
            answer = await self._client.exchange("POST", self._url, headers=headers, body=body)
        except Uncertain as error:
            if error.status is not None and 200 <= error.status < 300:
                return error.status  # it said yes, and then more than anybody wants to read
            raise
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, aiohttp.ClientConnectorError) and isinstance(
                cause.os_error, InnerAddressError
            ):
                raise Unavailable(INSIDE) from error
            raise
        if answer.status == 410:
            raise Refused("HTTP 410: it wants no more", status=410)
        if not 200 <= answer.status < 300:
            raise Unavailable(f"HTTP {answer.status}", status=answer.status, retry_after=answer.retry_after())
        return answer.status

    async def lookup(self, delivery_id: str) -> Receipt | None:  # noqa: ARG002  the contract's
        """Say that it cannot be told: a subscriber only listens."""
        raise Unavailable("a subscriber cannot be asked what it was told")

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:  # noqa: ARG002
        """Bring nothing."""
        return Poll(updates=[], cursor=cursor)

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[StatusUpdate]:  # noqa: ARG002
        """Believe nothing: subscribers do not report."""
        raise CallbackRejected("a subscriber reports nothing", status=401)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def check_subscriber_url(url: str, *, allow_private: bool) -> None:
    """Refuse an address that notices must not go to. Raises `ConfigurationError` saying why.

    Only ASCII and read by the parser that sends: what looks like a name here cannot become an inner address there. Names
    are checked again whenever they are resolved.
    """
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_MOST:
        raise ConfigurationError(f"is no address: at most {URL_MOST} printable ASCII characters, no spaces")
    try:
        parts = URL(url)
        host = parts.host
    except ValueError as error:
        raise ConfigurationError(f"is no address: {error}") from None
    if parts.scheme not in ({"https", "http"} if allow_private else {"https"}) or not host or "%" in host:
        raise ConfigurationError("must be an https:// address")
    if parts.user is not None or parts.password is not None:
        raise ConfigurationError("must not hold a name or password")
    if parts.raw_fragment:
        raise ConfigurationError("must not hold a fragment (#…)")
    bare = host.rstrip(".").lower()
    if not is_literal(bare) and _NUMBER.fullmatch(bare.split(".")[-1]):
        raise ConfigurationError("must be written as a name or a whole IP address")
    inner = not is_outside(bare) if is_literal(bare) else bare.split(".")[-1] == "localhost"
    if inner and not allow_private:
        raise ConfigurationError(INSIDE)
