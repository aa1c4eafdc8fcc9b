"""Finding requests however they were typed, and views that staff keep of lists."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import KEYED
from gateway.api.desk import DESK, Code, created_once, looked, path_id
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.masking import WORDS
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, read_body
from gateway.errors import NotFound
from gateway.identifiers import uuid7
from gateway.model import State
from gateway.store import search as store
from gateway.store import views
from gateway.store.search import Filters, Found
from gateway.store.views import View
from gateway.work.words import Question, read_question

Aware = Annotated[datetime, msgspec.Meta(tz=True)]
_EXACT: Final = b"e"
_ALIKE: Final = b"a"


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for. All of it must fit."""

    state: State | None = None
    service: Code | None = None
    organisation: Code | None = None
    channel: Literal["phone", "chat", "web", "email", "in-person", "open311"] | None = None
    tag: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    since: Aware | None = None
    until: Aware | None = None
    cursor: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    """`next` of the page before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


class Search(SearchQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for. A body and not a query, so that nobody's name or number stands in an address or a log."""

    q: Annotated[str, msgspec.Meta(max_length=300)] = ""
    """Words, a name, a phone number, an e-mail address, a postcode or its beginning, a reference; also together."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, newest first."""

    items: list[Found]
    alike: bool
    """Whether these fit only by words that are spelt alike: those that fit as typed come before them."""
    whole: bool
    """`false`: the search ran out of patience, and what was found stands for the latest requests alone. Say more, or name a
    time with `since` and `until`."""
    next: str | None


class NewView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list to come back to."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    list: Literal["worklist", "search"]
    query: dict[str, str | int | bool]
    """The list's parameters."""
    shared: bool = False
    """Whether colleagues see it too."""


async def search(request: web.Request) -> web.Response:
    """POST /api/v1/search."""
    body, caller, desk = await read_body(request, Search), request[CALLER], request.app[DESK]
    typed = checked_text(body.q, "/q") if body.q.strip() else ""
    question = read_question(typed)
    filters = Filters(
        state=body.state.value if body.state else None,
        service=body.service,
        organisation=body.organisation,
        channel=body.channel,
        tag=body.tag,
        since=body.since,
        until=body.until,
    )
    phase, before = _read_cursor(body.cursor) if body.cursor else (_EXACT, None)
    async with desk.search(caller.authority) as connection:
        if question.reference is not None and not await store.known(connection, question.reference):
            question = read_question(typed, as_reference=False)
        words = await store.read_words(connection, question.words)
        if question.words and not words and question == Question(words=question.words):
            return json_answer(Results(items=[], alike=False, whole=True, next=None))
        exact = store.exactly(words)

        async def page(words: str | None, but: str | None, older: UUID | None) -> tuple[list[UUID], bool]:
            return await store.find(
                connection,
                question,
                filters,
                words=words,
                but=but,
                before=older,
                limit=body.limit + 1,
            )

        rows, whole = await page(exact, None, before) if phase == _EXACT else ([], True)
        alike = None
        if words and len(rows) <= body.limit:  # as typed there is no more
            alike = await store.alike(connection, words)
        if phase == _EXACT and not rows and alike is not None:
            phase, before = _ALIKE, None
        if phase == _ALIKE and alike is not None:
            rows, found_whole = await page(alike, exact, before)
            whole = whole and found_whole
    async with desk.view(caller.authority) as connection:
        items = await store.read(connection, caller.authority, rows[: body.limit])
    if items:
        await looked(request, "searched", [WORDS, "postcode"], requests=[item.request_id for item in items])
    more = None
    if len(rows) > body.limit:
        more = _cursor(phase, items[-1].request_id)
    elif phase == _EXACT and items and alike is not None:
        more = _cursor(_ALIKE, UUID(int=(1 << 128) - 1))
    return json_answer(Results(items=items, alike=phase == _ALIKE, whole=whole, next=more))


async def keep_view(request: web.Request) -> web.Response:
    """POST /api/v1/views."""
    body, caller, desk = await read_body(request, NewView), request[CALLER], request.app[DESK]
    now = desk.clock.now()
    view = View(
        view_id=uuid7(now),
        owner=caller.actor,
        name=checked_text(body.name, "/name"),
        list=body.list,
        query=body.query,
        shared=body.shared,
        created_at=now,
    )
    async with desk.change(caller.authority) as connection:

        async def make() -> View:
            await views.add(connection, caller.authority, view)
            return view

        return await created_once(request, connection, view.view_id, make)


async def list_views(request: web.Request) -> web.Response:
    """GET /api/v1/views."""
    caller = request[CALLER]
    async with request.app[DESK].view(caller.authority) as connection:
        return json_answer(await views.of_person(connection, caller.authority, caller.actor))


async def remove_view(request: web.Request) -> web.Response:
    """DELETE /api/v1/views/{view_id}."""
    caller, wanted = request[CALLER], path_id(request, "view_id", "view")
    async with request.app[DESK].change(caller.authority) as connection:
        if not await views.remove(connection, caller.authority, wanted, caller.actor):
            raise NotFound(f"you have no view {wanted}")
    return web.Response(status=204)


def _cursor(phase: bytes, request_id: UUID) -> str:
    return base64.urlsafe_b64encode(phase + request_id.bytes).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[bytes, UUID]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        phase, request_id = raw[:1], UUID(bytes=raw[1:])
    except (ValueError, binascii.Error):
        raise invalid("is no cursor of ours", "/cursor") from None
    if phase not in {_EXACT, _ALIKE}:
        raise invalid("is no cursor of ours", "/cursor")
    return phase, request_id


_READING: Any = (400, 401, 413, 415, 422, 503)

ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/search",
        handler=search,
        auth=Auth.KEY,
        tag="Search",
        summary="Find requests",
        description="By words, name, phone, e-mail, postcode or reference, newest first; changes nothing. What fits as "
        "typed comes first, then what is spelt alike. A question that would take too long is answered from the latest "
        "requests, and `whole` says so. A request can be found a moment after it came.",
        body=Search,
        answers={200: Results},
        problems=_READING,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/views",
        handler=list_views,
        auth=Auth.KEY,
        tag="Search",
        summary="Your saved views, and those that colleagues share",
        answers={200: list[View]},
        problems=(401, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/views",
        handler=keep_view,
        auth=Auth.KEY,
        tag="Search",
        summary="Save a view of a list",
        body=NewView,
        headers=KEYED,
        answers={201: View},
        problems=_READING,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/views/{view_id}",
        handler=remove_view,
        auth=Auth.KEY,
        tag="Search",
        summary="Forget a view of yours",
        answers={204: None},
        problems=(401, 404, 503),
    ),
]
