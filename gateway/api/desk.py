"""What the routes of staff's work share: the desk, ids from the path, names from the header, answers with an ETag."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import etag
from gateway.api.endpoint import CALLER, json_answer
from gateway.api.reading import idempotency_key, trace_id
from gateway.api.staff import WITNESS
from gateway.errors import NotFound
from gateway.identifiers import read_reference
from gateway.store.once import Once, first_answer, keep_answer
from gateway.store.pool import Connection
from gateway.store.work import Item
from gateway.work.desk import Desk

DESK = web.AppKey("desk", Desk)

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Person = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""How events name them: `key:<name>` for an API key."""

CHANGE_PROBLEMS = (400, 401, 404, 409, 412, 413, 415, 422, 428, 503)
"""Of a route that changes something under If-Match."""


def path_id(request: web.Request, name: str, what: str) -> UUID:
    """An id from the path. 404 for what is no id."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound(f"there is no such {what}") from None


def referral_id(request: web.Request) -> UUID:
    """The referral that the path names."""
    return path_id(request, "referral_id", "referral")


def reference(request: web.Request) -> str:
    """The reference in the path, forgiving how it was written. 404 for what can be none."""
    found = read_reference(request.match_info["reference"])
    if found is None:
        raise NotFound("this is no reference; check it again with the person who gave it")
    return found


def item_answer(item: Item, status: int = 200) -> web.Response:
    """A referral with its ETag."""
    return json_answer(item, status, etag(item.version))


async def looked(
    request: web.Request,
    action: str,
    fields: Sequence[str],
    *,
    request_id: UUID | None = None,
    **shown: Sequence[object],
) -> None:
    """Write down which of citizens' details the answer holds, before it leaves. `shown`: ids, by what they are of."""
    await request.app[WITNESS].saw(
        request[CALLER],
        action,
        request_id=request_id,
        fields=fields,
        detail={name: [str(each) for each in ids] for name, ids in shown.items() if ids},
        trace_id=trace_id(request, os.urandom(16).hex()),
    )


async def created_once(
    request: web.Request,
    connection: Connection,
    about: UUID,
    make: Callable[[], Awaitable[Any]],
) -> web.Response:
    """Make something under the caller's Idempotency-Key, or give the first answer again; 201. `about`: the request's id."""
    caller = request[CALLER]
    once = Once(
        scope=f"{caller.subject} {request.method} {request.path}",
        key=idempotency_key(request),
        body=await request.read(),
    )
    now = request.app[DESK].clock.now()
    first = await first_answer(connection, caller.authority, once, about, now)
    if first is not None:
        return json_answer(first, 201, {"Idempotency-Replayed": "true"})
    answer = msgspec.json.encode(await make())
    await keep_answer(connection, caller.authority, once, answer)
    return json_answer(answer, 201)
