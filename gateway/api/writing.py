"""Notes, messages to citizens with reply templates, and tags."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import IF_MATCH, KEYED, etag, if_match
from gateway.api.desk import CHANGE_PROBLEMS, DESK, Code, created_once, looked, reference
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, read_body, read_query
from gateway.errors import NotFound
from gateway.store import messages, versions
from gateway.store.messages import Message, TagCount
from gateway.store.pool import Connection
from gateway.store.reading import RequestRow, read_request
from gateway.work import writing
from gateway.work.seen import Seen
from gateway.work.writing import About, Draft

Tag = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9 :_-]{0,38}[a-z0-9]$|^[a-z0-9]$")]


class NewMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be written down."""

    kind: Literal["note", "message"] = "note"
    """`note`: for staff alone. `message`: the citizen sees it; that wants If-Match, so that not two answer at once."""
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5000)] | None = None
    reply: Code | None = None
    """In the place of `text`: one of the authority's replies, filled in."""
    referral_id: UUID | None = None
    """The need it is about."""


class RepliesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which need."""

    referral_id: UUID | None = None
    """The first one, unless given."""


class Tags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a request's tags."""

    tags: Annotated[list[Tag], msgspec.Meta(max_length=20)]


async def write(request: web.Request) -> web.Response:
    """POST /api/v1/requests/{reference}/messages."""
    seen = if_match(request) if "If-Match" in request.headers else None
    body, caller, desk = await read_body(request, NewMessage), request[CALLER], request.app[DESK]
    if (body.text is None) == (body.reply is None):
        raise invalid("give a text or a reply, one of them", "/text")
    if body.kind == "message":
        seen = seen or if_match(request)
    spoken = reference(request)
    text = checked_text(body.text, "/text") if body.text else await _filled(request, body, spoken)
    async with desk.change(caller.authority) as connection:
        whole = await desk.take_request(connection, caller.authority, spoken)
        await check_part(connection, caller.authority, whole.request_id, body.referral_id)

        async def make() -> Message:
            (seen or Seen()).check(whole.version)
            return await writing.note(
                connection,
                desk,
                caller.authority,
                whole.request_id,
                kind=body.kind,
                text=text,
                actor=caller.actor,
                referral_id=body.referral_id,
                reply=body.reply,
            )

        answer = await created_once(request, connection, whole.request_id, make)
        version = await versions.version_of(connection, caller.authority, whole.request_id)
    answer.headers.update(etag(version))
    return answer


async def replies(request: web.Request) -> web.Response:
    """GET /api/v1/requests/{reference}/replies."""
    query = read_query(request, RepliesQuery)
    found = await _read(request, reference(request))
    drafts = _drafts(request, found, query.referral_id)
    if found.citizen.get("name"):
        await looked(request, "read", ["name"], request_id=found.request_id)
    return json_answer(drafts)


async def tag(request: web.Request) -> web.Response:
    """PUT /api/v1/requests/{reference}/tags."""
    seen, body, caller = if_match(request), await read_body(request, Tags), request[CALLER]
    desk = request.app[DESK]
    async with desk.change(caller.authority) as connection:
        whole = await desk.take_request(connection, caller.authority, reference(request), seen=seen)
        tags = await writing.set_tags(
            connection,
            desk,
            caller.authority,
            whole.request_id,
            list(dict.fromkeys(body.tags)),
            caller.actor,
        )
        version = await versions.version_of(connection, caller.authority, whole.request_id)
    return json_answer(Tags(tags=tags), headers=etag(version))


async def tags_in_use(request: web.Request) -> web.Response:
    """GET /api/v1/tags."""
    caller = request[CALLER]
    async with request.app[DESK].view(caller.authority) as connection:
        return json_answer(await messages.tags_in_use(connection, caller.authority))


async def _read(request: web.Request, spoken: str) -> RequestRow:
    found = await read_request(request.app[DESK].pool, request[CALLER].authority, spoken)
    if found is None:
        raise NotFound(f"there is no request {spoken}")
    return found


def _drafts(request: web.Request, found: RequestRow, referral_id: UUID | None) -> list[Draft]:
    parts = [part for part in found.referrals if referral_id in {None, part.referral_id}]
    if not parts:
        raise invalid("is none of this request's", "referral_id")
    part = parts[0]
    about = About(
        reference=found.reference,
        name=found.citizen.get("name"),
        service=part.service,
        organisation=part.organisation,
        state=part.state,
        due=part.clock.resolve_by if part.clock else None,
    )
    return writing.drafts(request.app[DESK], request[CALLER].authority, about)


async def _filled(request: web.Request, body: NewMessage, spoken: str) -> str:
    found = await _read(request, spoken)
    drafts = {draft.id: draft for draft in _drafts(request, found, body.referral_id)}
    draft = drafts.get(body.reply or "")
    if draft is None:
        raise invalid(f"there is no reply {body.reply!r} for this", "/reply")
    if draft.missing:
        raise invalid(f"nothing is known for {', '.join(draft.missing)}: write it yourself", "/reply")
    return draft.text


async def check_part(
    connection: Connection, authority: str, request_id: UUID, referral_id: UUID | None
) -> None:
    """Raise a 422 unless the referral is one of the request's."""
    if referral_id is not None and not await connection.fetchval(
        "SELECT true FROM referrals WHERE authority_id = $1 AND referral_id = $2 AND request_id = $3",
        *(authority, referral_id, request_id),
    ):
        raise invalid("is none of this request's", "/referral_id")


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/requests/{reference}/messages",
        handler=write,
        auth=Auth.KEY,
        tag="Writing",
        summary="Write a note for staff, or a message that the citizen sees",
        description="A message is kept with the request and shown to the citizen where they look at it. It answers the "
        "promise to respond. It wants If-Match, so that not two people answer at once; a note does not.",
        body=NewMessage,
        headers={**IF_MATCH, **KEYED},
        answers={201: Message},
        problems=CHANGE_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/requests/{reference}/replies",
        handler=replies,
        auth=Auth.KEY,
        tag="Writing",
        summary="The replies that fit, filled in",
        query=RepliesQuery,
        answers={200: list[Draft]},
        problems=(401, 404, 422, 503),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/requests/{reference}/tags",
        handler=tag,
        auth=Auth.KEY,
        tag="Writing",
        summary="Set a request's tags",
        body=Tags,
        headers=IF_MATCH,
        answers={200: Tags},
        problems=CHANGE_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/tags",
        handler=tags_in_use,
        auth=Auth.KEY,
        tag="Writing",
        summary="The tags in use, commonest first",
        answers={200: list[TagCount]},
        problems=(401, 503),
    ),
]
