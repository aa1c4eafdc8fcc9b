"""One HTTP/1.1 connection, kept alive, one request at a time, with as little work of our own as there can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

_MOST_KEPT: Final = 4096
"""Bytes of an answer that are kept: the reference stands at its start."""


class Connection(asyncio.Protocol):
    """Tells `on_answer(self, status, sheds, body)` of each answer, and `on_lost(self)` once when it ends.

    `sheds` is whether the answer says when to come back (Retry-After).
    """

    __slots__ = (
        "_body", "_on_answer", "_on_lost", "_parser", "_sheds", "_transport", "alive", "idle_since", "ticket",
    )  # fmt: skip

    def __init__(
        self,
        on_answer: Callable[[Connection, int, bool, bytes], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._body = b""
        self._sheds = False
        self.alive = False
        self.idle_since = 0.0
        self.ticket: object | None = None
        """Whatever the user attached to the request under way."""

    def send(self, request: bytes) -> None:
        """Send one whole request; its answer is awaited before the next."""
        self._body, self._sheds = b"", False
        if self._transport is not None:
            self._transport.write(request)

    def close(self) -> None:
        """End it at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport, self.alive = cast("asyncio.Transport", transport), True  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Pass on that it ended."""
        self.alive = False
        self._on_lost(self)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002
        """Look for the one header that matters."""
        if len(name) == 11 and name.lower() == b"retry-after":
            self._sheds = True

    def on_body(self, body: bytes) -> None:
        """Keep the start."""
        if len(self._body) < _MOST_KEPT:
            self._body += body

    def on_message_complete(self) -> None:
        """Pass the answer on."""
        if not self._parser.should_keep_alive():
            self.alive = False
        self._on_answer(self, self._parser.get_status_code(), self._sheds, self._body)
        if not self.alive:
            self.close()
