"""Handing one message to one mail server, and what each way of failing means.

The server takes over when it answers the end of the message, the line with a single dot. Until that line leaves,
a failure is harmless and it may be tried again: no server keeps half a message. From then until the answer nobody can
tell, for a mail server removes no duplicates. So the dot is held back until all before it has gone, and it is not
sent when too little of the time is left to wait for the answer: a slow server is tried again, not wondered about.

Connections are kept for a short while, since a TLS handshake costs more than the message.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from typing import Final, Literal, cast

import aiosmtplib
import msgspec
from aiosmtplib.protocol import SMTPProtocol

from adapters.base import DeliveryError, Refused, Unavailable, Uncertain

TlsMode = Literal["starttls", "implicit", "none"]

_IDLE_SECONDS: Final = 20.0
_IDLE_MOST: Final = 16
_QUIT_SECONDS: Final = 1.0
_BEFORE_THE_DOT: Final = 2 / 3
"""Of the time for a hand-over, the part in which the message must have gone; the rest is for the answer alone."""
_LINE_START_DOT: Final = re.compile(rb"(?m)^\.")
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_NOT_SIGNED_IN: Final = frozenset({530, 534, 535, 538})
"""The server wants us to sign in, or in another way: our set-up is wrong, not this message."""
_NO_STEP: Final = "before the message"


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes and how."""

    host: str
    port: int
    tls: TlsMode = "starttls"
    """`none` is for this machine alone; whoever reads the organisation's file sees to that."""
    context: ssl.SSLContext | None = None
    """Needed unless `tls` is `none`."""
    username: str | None = None
    password: str | None = None
    hello: str = "localhost"
    """The name we greet with."""
    timeout: float = 30.0
    """Seconds for the whole hand-over; the last third of them is for the answer to the message's end."""
    connect_timeout: float = 10.0
    """Seconds until a new connection is ready for mail."""


class SmtpSender:
    """Sends messages to one server. Used by many tasks at once; each uses a connection of its own."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []

    async def send(self, sender: str, recipients: Sequence[str], message: bytes) -> int:
        """Hand over one message (lines end in CRLF) to all recipients or to none, and give the server's code.

        Raises `Refused`, `Unavailable` or `Uncertain`. Their details hold codes, never the server's words:
        servers like to quote from the message.
        """
        clients: list[aiosmtplib.SMTP] = []
        left = False
        try:
            async with asyncio.timeout(self._server.timeout):
                async with asyncio.timeout(self._server.timeout * _BEFORE_THE_DOT):
                    client = await self._envelope(sender, recipients, clients)
                    await _send_all_but_the_dot(client, message)
                _send_the_dot(client)
                left = True
                code = await _answer(client)
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            raise _meaning(error, left=left) from None
        else:
            self._keep(clients.pop())
            return code
        finally:
            for broken in clients:
                _drop(broken)

    async def close(self) -> None:
        """Take leave of the server."""
        while self._idle:
            _, client = self._idle.pop()
            try:
                await client.quit(timeout=_QUIT_SECONDS)
            except (aiosmtplib.SMTPException, OSError, TimeoutError):
                _drop(client)

    async def _envelope(
        self, sender: str, recipients: Sequence[str], clients: list[aiosmtplib.SMTP]
    ) -> aiosmtplib.SMTP:
        """Bring a connection to where the server waits for the message. Keeps track of it in `clients`."""
        kept = self._take()
        if kept is not None:
            clients.append(kept)
            try:
                await _announce(kept, sender, recipients)
            except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, ConnectionError):
                pass  # it had gone away while we kept it: nothing was said, so begin anew
            except aiosmtplib.SMTPResponseException as error:
                if error.code != aiosmtplib.SMTPStatus.domain_unavailable:
                    raise
            else:
                return kept
            _drop(clients.pop())
        client = self._client()
        clients.append(client)
        async with asyncio.timeout(self._server.connect_timeout):
            await client.connect()
        await _announce(client, sender, recipients)
        return client

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=server.hello,
            timeout=server.timeout,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=server.context,
        )

    def _take(self) -> aiosmtplib.SMTP | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, client = self._idle.pop()
            if client.is_connected and now - since < _IDLE_SECONDS:
                return client
            _drop(client)
        return None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        if client.is_connected and len(self._idle) < _IDLE_MOST:
            self._idle.append((asyncio.get_running_loop().time(), client))
        else:
            _drop(client)


async def _announce(client: aiosmtplib.SMTP, sender: str, recipients: Sequence[str]) -> None:
    await client.mail(sender)
    for recipient in recipients:
        await client.rcpt(recipient)
    answer = await client.execute_command(b"DATA")
    if answer.code != aiosmtplib.SMTPStatus.start_input:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)


# Not `client.data()`: it would not tell us whether the message had left when the connection broke.


async def _send_all_but_the_dot(client: aiosmtplib.SMTP, message: bytes) -> None:
    """Return once it is out of this process's hands."""
    protocol = _protocol(client)
    transport = cast("asyncio.WriteTransport", protocol.transport)
    transport.set_write_buffer_limits(high=0)  # so that "not paused" means that nothing is left
    body = _LINE_START_DOT.sub(b"..", message)
    protocol.write(body + (b"" if body.endswith(b"\r\n") else b"\r\n"))
    await protocol._drain_helper()  # noqa: SLF001  asyncio's own way, which aiosmtplib does not pass on


def _send_the_dot(client: aiosmtplib.SMTP) -> None:
    _protocol(client).write(b".\r\n")


async def _answer(client: aiosmtplib.SMTP) -> int:
    answer = await _protocol(client).read_response(timeout=client.timeout)
    if not 200 <= answer.code < 300:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)
    return answer.code


def _protocol(client: aiosmtplib.SMTP) -> SMTPProtocol:
    if client.protocol is None or client.protocol.transport is None:
        raise aiosmtplib.SMTPServerDisconnected("connection lost")
    return client.protocol


def _meaning(error: Exception, *, left: bool) -> DeliveryError:
    """Say what a failure means, given whether the message had left by then."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and 400 <= error.code < 600:
        step = "after the message" if left else _step_of(error)
        detail = f"SMTP {_code_of(error)} {step}"
        if error.code < 500 or step == _NO_STEP or error.code in _NOT_SIGNED_IN:
            return Unavailable(detail, status=error.code)
        return Refused(detail, status=error.code)
    kind = "time ran out" if isinstance(error, TimeoutError) else type(error).__name__
    if left:
        return Uncertain(f"the message left, its answer did not come or made no sense ({kind})")
    if isinstance(error, ssl.SSLError):
        return Unavailable(f"TLS failed, so nothing was sent ({kind})")
    return Unavailable(f"the mail server could not be reached or used ({kind})")


def _step_of(error: aiosmtplib.SMTPResponseException) -> str:
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return "at MAIL"
    if isinstance(error, aiosmtplib.SMTPRecipientRefused):
        return "at RCPT"
    if isinstance(error, aiosmtplib.SMTPDataError):
        return "at DATA"
    return _NO_STEP


def _code_of(error: aiosmtplib.SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)


def _drop(client: aiosmtplib.SMTP) -> None:
    # Not `close()` alone: a TLS peer that hangs would keep the transport waiting for its farewell.
    transport = client.transport
    client.close()
    abort = getattr(transport, "abort", None)
    if abort is not None:
        abort()
