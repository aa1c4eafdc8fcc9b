"""E-mail: for organisations that have nothing but a mailbox.

A mail server removes no duplicates, so an uncertain outcome needs a person (`Deduplication.NONE`). Every
attempt carries the same Message-ID, which at least lets the mailbox's owner see that two mails are one.

Mail brings no status back. Where the organisation's file has a `callback_secret`, each mail holds a link of
its own, with a token that only we can make; whoever opens it gets a page to say how the case goes on, and a
program may POST `{"status": …}` to it. Without one, staff of the front door mark the case when they hear
from the organisation. Opening the link alone changes nothing: mail scanners open every link.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from hashlib import sha256
from typing import ClassVar, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Connection,
    Deduplication,
    Handover,
    Poll,
    Receipt,
    StatusUpdate,
    Unavailable,
)
from adapters.email_message import Envelope, compose, message_id
from adapters.email_page import render
from adapters.http_connection import decode
from adapters.smtp import SmtpSender, SmtpServer, TlsMode
from adapters.text import plain

QUERY_HEADER: Final = ":query"
"""The name, impossible for a header, under which `read_callback` is given the callback's query string."""

STATUSES: Final = {
    "received": "We have it",
    "working": "We are working on it",
    "done": "It is done",
    "declined": "We cannot take it",
}
"""What can be chosen on the page behind the link, unless the organisation's file says otherwise."""

_PORTS: Final[dict[TlsMode, int]] = {"starttls": 587, "implicit": 465, "none": 25}
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_STATUS: Final = re.compile(r"\w[\w .-]{0,63}")
_NOTE_MOST: Final = 2000


class EmailConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an organisation's `connection` table may hold for e-mail."""

    host: str
    sender: str
    """The address that mail comes from; its domain ends the Message-ID."""
    to: str | list[str]
    """The organisation's mailbox, or several: all of them get it or none."""
    port: int | None = None
    """By default 587 for `starttls`, 465 for `implicit`."""
    tls: TlsMode = "starttls"
    """`none` is taken only towards a loopback address (`127.0.0.1`, not a name)."""
    ca_file: str | None = None
    """PEM file of the authorities to trust, instead of the system's."""
    username: str | None = None
    password: str | None = None
    sender_name: str = "Front door"
    reply_to: str | None = None
    hello: str | None = None
    """The name to greet the server with; by default the sender's domain."""
    timeout: float = 30.0
    """Seconds for the whole hand-over."""
    connect_timeout: float = 10.0
    """Seconds until the server has greeted us, spoken TLS and signed us in."""
    callback_secret: str | list[str] = []
    """At least 16 characters. The first makes the links' tokens, all of them are accepted."""
    statuses: dict[str, str] = msgspec.field(default_factory=lambda: dict(STATUSES))
    """The organisation's status words, and what the page behind the link says for each."""


class EmailAdapter:
    """Hands referrals over by mail."""

    protocol: ClassVar[str] = "email"
    polls: bool = False
    deduplication = Deduplication.NONE

    def __init__(self, connection: EmailConnection) -> None:
        recipients = [connection.to] if isinstance(connection.to, str) else connection.to
        secrets = connection.callback_secret
        self._envelope = Envelope(
            sender=connection.sender,
            sender_name=connection.sender_name,
            recipients=recipients,
            reply_to=connection.reply_to,
        )
        self._secrets = [secret.encode() for secret in ([secrets] if isinstance(secrets, str) else secrets)]
        self._statuses = connection.statuses
        _check(connection, recipients, self._secrets)
        self._smtp = SmtpSender(
            SmtpServer(
                host=connection.host,
                port=connection.port or _PORTS[connection.tls],
                tls=connection.tls,
                context=None if connection.tls == "none" else _context(connection.ca_file),
                username=connection.username,
                password=connection.password,
                hello=connection.hello or connection.sender.rpartition("@")[2],
                timeout=connection.timeout,
                connect_timeout=connection.connect_timeout,
            )
        )

    @classmethod
    def from_connection(cls, connection: Connection) -> EmailAdapter:
        """Build it from an organisation's `connection`. Raises `ConfigurationError` naming the key."""
        return cls(decode(connection, EmailConnection))

    async def deliver(self, handover: Handover) -> Receipt:
        """Mail it. Raises as the contract says; a mail that left without an answer is `Uncertain`."""
        mail = compose(handover, self._envelope, self._link(handover))
        code = await self._smtp.send(self._envelope.sender, self._envelope.recipients, mail)
        return Receipt(
            external_reference=message_id(handover.delivery_id, self._envelope.sender),
            detail=f"SMTP {code}",
        )

    async def lookup(self, delivery_id: str) -> Receipt | None:  # noqa: ARG002  the contract's
        """Say that it cannot be told: a mail server answers no questions."""
        raise Unavailable("a mail server cannot be asked what it was given")

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:  # noqa: ARG002
        """Bring nothing: status comes by the link in the mail."""
        return Poll(updates=[], cursor=cursor)

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[StatusUpdate]:
        """Read what came through a mail's link: a form or JSON with `status`, perhaps `note` and `update_id`.

        `delivery` and `token` come from the link's query (`QUERY_HEADER`) or in the body. Raises
        `CallbackRejected`: 400 for what cannot be read, 401 for a token that we did not make, 415 for
        another content type.
        """
        values = dict(parse_qsl(headers.get(QUERY_HEADER, ""))) | _values(headers, body)
        delivery_id = self._delivery(values)
        status, note = values.get("status", ""), plain(values.get("note", "").strip(), _NOTE_MOST)
        if not _STATUS.fullmatch(status):
            raise CallbackRejected("status must be a word or a few", status=400)
        update_id = values.get("update_id") or f"{status}\n{note}"
        return [
            StatusUpdate(
                delivery_id=delivery_id,
                status=status,
                at=now,
                note=note,
                # Hashed, for it may hold a note, and comes from outside at whatever length.
                update_id=sha256(f"{delivery_id}\n{update_id}".encode("utf-8", "replace")).hexdigest()[:32],
            )
        ]

    def callback_page(self, query: str) -> str:
        """Make the HTML page that a mail's link opens: a form that POSTs to the address it was opened at.

        Raises `CallbackRejected` (401) for a link that we did not make.
        """
        values = dict(parse_qsl(query))
        self._delivery(values)
        return render(values, self._statuses)

    async def close(self) -> None:
        """Let go of connections."""
        await self._smtp.close()

    def _link(self, handover: Handover) -> str | None:
        if handover.callback_url is None or not self._secrets:
            return None
        token = _token(self._secrets[0], handover.delivery_id)
        query = urlencode({"delivery": handover.delivery_id, "token": token})
        return f"{handover.callback_url}{'&' if '?' in handover.callback_url else '?'}{query}"

    def _delivery(self, values: Mapping[str, str]) -> str:
        """Give the delivery that the token proves."""
        delivery_id, token = values.get("delivery", ""), values.get("token", "").encode("utf-8", "replace")
        proven = False
        for secret in self._secrets:
            proven |= hmac.compare_digest(_token(secret, delivery_id).encode(), token)
        if not proven or not delivery_id:
            raise CallbackRejected("this link was not made here", status=401)
        return delivery_id


def _token(secret: bytes, delivery_id: str) -> str:
    text = b"front-door e-mail status\n" + delivery_id.encode("utf-8", "replace")
    return base64.urlsafe_b64encode(hmac.digest(secret, text, sha256)).decode().rstrip("=")


def _values(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode("utf-8"), max_num_fields=16))
        if media == "application/json":
            return msgspec.json.decode(body, type=dict[str, str])
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise CallbackRejected("the body cannot be read", status=400) from None
    raise CallbackRejected("a form or JSON is needed", status=415)


def _check(connection: EmailConnection, recipients: list[str], secrets: list[bytes]) -> None:
    if not recipients:
        raise ConfigurationError("connection.to needs at least one address")
    _check_addresses("sender", [connection.sender])
    _check_addresses("to", recipients)
    _check_addresses("reply_to", [] if connection.reply_to is None else [connection.reply_to])
    _check_server(connection)
    if not connection.sender_name.isprintable():
        raise ConfigurationError("connection.sender_name must be one line of text")
    if any(len(secret) < 16 for secret in secrets):
        raise ConfigurationError("connection.callback_secret needs at least 16 characters")
    for status in connection.statuses:
        if not _STATUS.fullmatch(status):
            raise ConfigurationError(f"connection.statuses: {status!r} must be a word or a few")


def _check_addresses(key: str, addresses: list[str]) -> None:
    for address in addresses:
        try:
            if _ADDRESS.fullmatch(address):
                Address(addr_spec=address)
                continue
        except (ValueError, MessageError):
            pass
        raise ConfigurationError(f"connection.{key}: {address!r} is no plain e-mail address")


def _check_server(connection: EmailConnection) -> None:
    for key, seconds in (("timeout", connection.timeout), ("connect_timeout", connection.connect_timeout)):
        if not seconds > 0:
            raise ConfigurationError(f"connection.{key} must be above zero")
    if connection.port is not None and not 0 < connection.port < 65536:
        raise ConfigurationError("connection.port must be from 1 to 65535")
    for key, name in (("host", connection.host), ("hello", connection.hello)):
        if name is not None and not _HOST.fullmatch(name):
            raise ConfigurationError(f"connection.{key}: {name!r} is no host name")
    if connection.password is not None and connection.username is None:
        raise ConfigurationError("connection.password is there, connection.username is not")
    if connection.tls == "none" and not _is_loopback(connection.host):
        raise ConfigurationError(
            "connection.tls = 'none' would send citizens' details in clear; use 'starttls' or 'implicit'"
        )


def _context(ca_file: str | None) -> ssl.SSLContext:
    try:
        # Python's default is what public bodies ask for: TLS 1.2 or later, certificate and name checked.
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"connection.ca_file cannot be used: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
