"""A conversation as server-sent events: everything behind Last-Event-ID, and then what is new as it is written."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.chat_access import CHAT, METERS, SETTINGS
from gateway.chat.hub import Listener
from gateway.chat.service import Chat
from gateway.errors import GatewayError, Overloaded
from gateway.store import conversations as store
from gateway.store.pool import unavailable_is_clear
from gateway.store.scope import scoped

KEEP_ALIVE: Final = 15.0
"""Seconds of silence after which a comment says that the stream is alive."""
SLOW: Final = 20.0
"""Seconds in which a reader must take what is written, or it is dropped: it comes back and misses nothing."""
MOST_OF_ONE: Final = 12
"""Streams of one conversation in one process."""


async def stream(request: web.Request, authority: str, conversation_id: UUID) -> web.StreamResponse:
    """Serve until the reader goes or the process ends. `reset` says: what you have is not ours, read all of it again."""
    chat = request.app[CHAT]
    hub = chat.hub
    if (
        hub.closing
        or hub.listening >= request.app[SETTINGS].most_streams
        or hub.streams_of(authority, conversation_id) >= MOST_OF_ONE
    ):
        raise Overloaded("too many streams are open", retry_after=5)
    asked = request.headers.get("Last-Event-ID", "0")
    with unavailable_is_clear():
        async with scoped(chat.pool, authority) as connection:
            last = await store.last_number(connection, authority, conversation_id)
    known = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else -1
    reset = not 0 <= known <= last
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    with (
        hub.listen(authority, conversation_id, 0 if reset else known) as listener,
        request.app[METERS].streams.track_inprogress(),
    ):
        listener.behind = True
        with contextlib.suppress(
            ConnectionError, TimeoutError
        ):  # the reader went, or takes nothing: it may come back
            await response.prepare(request)
            await _write(response, b"retry: 1000\n\n" + (b"event: reset\ndata: {}\n\n" if reset else b""))
            await _serve(response, chat, listener)
    return response


async def _serve(response: web.StreamResponse, chat: Chat, listener: Listener) -> None:
    while not listener.ended:
        try:
            found = await _news(chat, listener)
        except GatewayError:  # the store is away: the reader tries again, and here, when it is back
            return
        if found:
            await _write(response, found)
        elif not await listener.wait(KEEP_ALIVE):
            await _write(response, b": still here\n\n")


async def _news(chat: Chat, listener: Listener) -> bytes:
    events = [_event("message", message, message.number) for message in listener.take()]
    if listener.behind:
        listener.behind = False
        while messages := await chat.history(*listener.name, after=listener.told):
            listener.told = messages[-1].number
            events += [_event("message", message, message.number) for message in messages]
    if listener.place != listener.place_told:
        listener.place_told = listener.place
        events.append(_event("place", {"place": listener.place}))
    return b"".join(events)


def _event(kind: str, data: Any, number: int | None = None) -> bytes:
    identity = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: %s\n\n" % (identity, kind.encode(), msgspec.json.encode(data))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SLOW):
        await response.write(data)
