"""Signed webhooks (Standard Webhooks): for organisations that want to be told, and tell us back likewise.

    POST {url}   webhook-id: <delivery id>, webhook-timestamp, webhook-signature
                 {"type": "referral.created", "timestamp": …, "data": {"deliveryId": …, "fields": {…}}}
        2xx      taken; {"reference": …, "duplicate": true} may say more

    POST {callback_url}   signed likewise, with `callback_secret`
                 {"type": "case.updated", "timestamp": …, "data": {"deliveryId" or "reference": …, "status":
                 …}}

The id is the delivery's and stays the same, so the organisation knows a repeat; the timestamp is of each
attempt. Unless its file says `allow_private = true`, an address that leads inside (this machine, a private
network) is never spoken to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from adapters.addresses import InnerAddressError, OutsideResolver, is_literal, is_outside
from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Connection,
    Deduplication,
    Handover,
    Poll,
    Receipt,
    Refused,
    StatusUpdate,
    Unavailable,
)
from adapters.http import Answer, HttpClient
from adapters.http_connection import HttpConnection, read_connection
from adapters.standard_webhooks import WebhookSecrets
from adapters.text import one_line, plain, utf8

_WORD_MOST: Final = 200
_NOTE_MOST: Final = 2000


class WebhookConnection(HttpConnection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an organisation's `connection` table may hold for signed webhooks."""

    secret: str | list[str]
    """`whsec_…`; while it is being changed, the new one and the old one."""
    callback_secret: str | list[str] | None = None
    """What the organisation signs its status callbacks with; without it none is accepted."""
    allow_private: bool = False
    """Let the address be on this machine or a private network."""


class _Taken(msgspec.Struct, kw_only=True):
    """What the answer to a webhook may say."""

    reference: str | int | None = None
    status: str | None = None
    duplicate: bool = False


class _Update(msgspec.Struct, kw_only=True):
    reference: str | None = None
    delivery_id: str | None = msgspec.field(name="deliveryId", default=None)
    status: str
    note: str = ""
    at: datetime | None = None


class _Event(msgspec.Struct, kw_only=True):
    """A status callback's body."""

    data: _Update
    timestamp: datetime | None = None


class WebhookAdapter:
    """Hands referrals over by signed webhook."""

    protocol: ClassVar[str] = "webhook"
    polls: bool = False
    deduplication = Deduplication.KEY

    def __init__(
        self,
        connection: WebhookConnection,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolver: Callable[[], AbstractResolver] = OutsideResolver,
    ) -> None:
        if not connection.allow_private:
            check_outside("url", connection.url)
        self._url = connection.url
        self._clock = clock
        self._secrets = WebhookSecrets.from_connection(connection.secret, key="connection.secret")
        self._callback_secrets = (
            None
            if connection.callback_secret is None
            else WebhookSecrets.from_connection(connection.callback_secret, key="connection.callback_secret")
        )
        self._client = HttpClient(
            connection, clock=clock, resolver=None if connection.allow_private else resolver
        )

    @classmethod
    def from_connection(cls, connection: Connection) -> WebhookAdapter:
        """Build it from an organisation's `connection`. Raises `ConfigurationError` naming the key."""
        return cls(read_connection(connection, WebhookConnection))

    async def deliver(self, handover: Handover) -> Receipt:
        """Post it. Raises as the contract says; an endpoint that disabled itself (410) has `Refused`."""
        body = msgspec.json.encode(_event(handover))
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            **self._secrets.sign(handover.delivery_id, body, self._clock()),
        }
        if handover.traceparent is not None:
            headers["traceparent"] = handover.traceparent
        try:
            answer = await self._client.exchange("POST", self._url, headers=headers, body=body)
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, aiohttp.ClientConnectorError) and isinstance(
                cause.os_error, InnerAddressError
            ):
                raise Unavailable("the address leads inside, and allow_private is not set") from error
            raise
        if answer.status == 410:
            raise Refused("HTTP 410: the endpoint has disabled itself", status=410)
        answer.check()
        return _receipt(answer, handover.delivery_id)

    async def lookup(self, delivery_id: str) -> Receipt | None:  # noqa: ARG002  the contract's
        """Say that it cannot be told: a webhook only takes."""
        raise Unavailable("a webhook cannot be asked what it was given")

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:  # noqa: ARG002
        """Bring nothing: status comes by callback."""
        return Poll(updates=[], cursor=cursor)

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[StatusUpdate]:
        """Check the signature and read the status. Raises `CallbackRejected`."""
        if self._callback_secrets is None:
            raise CallbackRejected("no callback_secret is set, so no callback can be believed", status=401)
        message_id = self._callback_secrets.verify(headers, body, now)
        try:
            event = msgspec.json.decode(body, type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CallbackRejected("the body cannot be read", status=400) from None
        update = event.data
        status = one_line(update.status)
        if not 0 < len(status) <= _WORD_MOST or not (update.reference or update.delivery_id):
            raise CallbackRejected("a status, and a reference or deliveryId, are needed", status=400)
        at = update.at or event.timestamp or now
        return [
            StatusUpdate(
                external_reference=update.reference,
                delivery_id=update.delivery_id,
                status=status,
                at=at if at.tzinfo is not None else at.replace(tzinfo=UTC),
                note=plain(update.note, _NOTE_MOST),
                update_id=message_id,
            )
        ]

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def check_outside(key: str, url: str) -> None:
    """Refuse what is an inner address by its looks. Raises `ConfigurationError`.

    Names are checked again whenever they are resolved.
    """
    host = urlsplit(url).hostname or ""
    inner = not is_outside(host) if is_literal(host) else host == "localhost" or host.endswith(".localhost")
    if inner:
        raise ConfigurationError(f"connection.{key} leads inside; set allow_private = true if that is meant")


def _event(handover: Handover) -> dict[str, Any]:
    data: dict[str, Any] = {
        "deliveryId": handover.delivery_id,
        "reference": handover.reference,
        "authority": handover.authority,
        "service": handover.external_code or handover.service,
        "serviceName": handover.service_name,
        "priority": handover.priority,
        "fields": {name: utf8(value) for name, value in handover.fields.items()},
    }
    if handover.lgsl is not None:
        data["lgsl"] = handover.lgsl
    if handover.callback_url is not None:
        data["callbackUrl"] = handover.callback_url
    return {"type": "referral.created", "timestamp": handover.created_at.isoformat(), "data": data}


def _receipt(answer: Answer, delivery_id: str) -> Receipt:
    """Read what a 2xx says. Nothing, or a few plain words, are fine; a web page is somebody else's answer."""
    taken = _Taken()
    if answer.content_type == "application/json" and answer.body:
        taken = answer.json(_Taken)
    elif answer.body and not _is_plain(answer):
        raise answer.unreadable("the answer is neither JSON nor plain text")
    reference = one_line(str(taken.reference)) if taken.reference is not None else delivery_id
    if not 0 < len(reference) <= _WORD_MOST:
        raise answer.unreadable("its reference cannot be used")
    return Receipt(
        external_reference=reference,
        status=one_line(taken.status, _WORD_MOST) if taken.status else None,
        duplicate=taken.duplicate,
        detail=f"HTTP {answer.status}",
    )


def _is_plain(answer: Answer) -> bool:
    if answer.content_type not in ("text/plain", "application/octet-stream", ""):
        return False
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return False
    return plain(text) == text.replace("\r\n", "\n")
