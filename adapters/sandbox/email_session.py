"""One connection to the mailbox's server, which can be failed in ways that aiosmtpd never would."""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
import struct
from typing import Any, Literal, cast

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class EmailOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be chosen for this sandbox."""

    tls: Literal["starttls", "implicit"] = "starttls"
    """How TLS is spoken when the sandbox is started with a certificate."""
    username: str | None = None
    password: str = ""
    """With a name, mail is taken only after signing in, and signing in only after STARTTLS."""


class Session(SMTP):
    """One connection, which can be failed in ways that aiosmtpd never would."""

    def __init__(
        self,
        sessions: set[Session],
        handler: object,
        context: tls.SSLContext | None,
        options: EmailOptions,
    ) -> None:
        super().__init__(
            handler,
            hostname="sandbox.invalid",
            ident="front-door sandbox",
            tls_context=context,
            require_starttls=context is not None,
            auth_required=options.username is not None,
            authenticator=_authenticator(options) if options.username is not None else None,
            loop=asyncio.get_running_loop(),
        )
        self._sessions = sessions
        self.gone: asyncio.Future[None] = self.loop.create_future()
        """Done when the connection is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be known to the mailbox."""
        self._sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Be forgotten."""
        self._leave()
        super().connection_lost(error)

    def say(self, text: bytes) -> None:
        """Answer with whatever this is, unless the client is gone."""
        if self.transport is not None and not self.transport.is_closing():
            cast("asyncio.WriteTransport", self.transport).write(text)

    def hang_up(self) -> None:
        """Close without an answer."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        # Both: in the middle of a TLS handshake the inner one does not tell us that it is gone.
        for transport in (self.transport, self._original_transport):
            if transport is not None:
                cast("asyncio.WriteTransport", transport).abort()
        self.loop.call_soon(self._leave)

    def _leave(self) -> None:
        self._sessions.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)


def _authenticator(options: EmailOptions) -> Any:
    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        wanted = LoginPassword((options.username or "").encode(), options.password.encode())
        return AuthResult(success=data == wanted, handled=False)

    return authenticate
