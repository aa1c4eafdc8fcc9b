"""Live updates as server-sent events."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.endpoint import CALLER, Auth, Endpoint
from gateway.api.reading import read_query
from gateway.store.live import Happening
from gateway.work.live import Live, Lost, Watcher

LIVE = web.AppKey("live", Live)
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment is sent, so that nobody in between takes the line for dead."""


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to be told of; everything, unless given."""

    kinds: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    """Kinds of events, by commas: `received,claimed`."""
    reference: Annotated[str, msgspec.Meta(max_length=20)] | None = None
    """One request alone."""


async def events(request: web.Request) -> web.StreamResponse:
    """GET /api/v1/events."""
    query, caller, live = read_query(request, EventsQuery), request[CALLER], request.app[LIVE]
    wanted = _Wanted(query)
    async with live.watch(caller.authority) as watcher:
        last = _last(request)
        missed = await live.missed(caller.authority, last) if last else []
        answer = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await answer.prepare(request)
        await answer.write(b"retry: 2000\n: watching\n\n")
        if missed is None:
            await answer.write(_RESET)
        for happening in missed or ():
            await _send(answer, happening, wanted)
        await _go_on(answer, watcher, wanted, {each.event_id for each in missed or ()})
    return answer


async def _go_on(answer: web.StreamResponse, watcher: Watcher, wanted: _Wanted, told: set[UUID]) -> None:
    while not watcher.closed:
        try:
            happening = await watcher.next(HEARTBEAT)
            if happening is not None and happening.event_id in told:
                continue
            if happening is not None:
                await _send(answer, happening, wanted)
            else:
                await answer.write(b": still here\n\n")
        except Lost:
            await answer.write(_RESET)
        except (ConnectionError, asyncio.CancelledError):
            return


class _Wanted:
    def __init__(self, query: EventsQuery) -> None:
        self._kinds = frozenset(query.kinds.split(",")) if query.kinds else None
        self._reference = query.reference

    def __call__(self, happening: Happening) -> bool:
        return (self._kinds is None or happening.kind in self._kinds) and (
            self._reference is None or happening.reference == self._reference
        )


async def _send(answer: web.StreamResponse, happening: Happening, wanted: _Wanted) -> None:
    if wanted(happening):
        await answer.write(
            b"id: %s\nevent: change\ndata: %s\n\n"
            % (str(happening.event_id).encode(), msgspec.json.encode(happening))
        )


_RESET: Final = b"event: reset\ndata: {}\n\n"


def _last(request: web.Request) -> UUID | None:
    try:
        return UUID(request.headers.get("Last-Event-ID", ""))
    except ValueError:
        return None


async def close(app: web.Application) -> None:
    """Before the process waits for its answers to end: these never would."""
    await app[LIVE].close()


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/events",
        handler=events,
        auth=Auth.KEY,
        tag="Work",
        summary="What happens, as it happens",
        description="Server-sent events: `change` with ids, kinds and states, never a citizen's words. Come back with "
        "Last-Event-ID and hear what you missed, some perhaps twice; `reset` says to read your lists again, because it "
        "was too long ago or you read too slowly.",
        query=EventsQuery,
        headers={"Last-Event-ID": "The id of the last event you had."},
        answers={200: Happening},
        problems=(401, 422, 503),
        media_type="text/event-stream",
    )
]
