"""The agent's side of the chat, in the staff API: who waits, take, read, write, give back, close; and satisfaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.callbacks import CLOCK
from gateway.api.chat import MOST_CHARACTERS, ClientId, Told
from gateway.api.chat_files import file_of
from gateway.api.chat_stream import stream
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.reading import checked_text, read_body, read_query
from gateway.api.staff import POOL
from gateway.chat.desk import Desk
from gateway.chat.model import Conversation, Message
from gateway.errors import NotFound
from gateway.identifiers import read_reference
from gateway.store import attachments, surveys
from gateway.store.attachments import Attachment
from gateway.store.pool import unavailable_is_clear
from gateway.store.scope import scoped
from gateway.store.surveys import Satisfaction

DESK = web.AppKey("desk", Desk)

Name = Annotated[str, msgspec.Meta(min_length=2, max_length=100)]


class WaitingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose conversations."""

    holder: Literal["queue", "agent", "door"] | None = None
    """`queue`: those that wait for a person; `agent`: those that somebody has; `door`: those the helper answers. Without it,
    waiting and taken ones."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class Take(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who takes it."""

    name: Name
    """As the citizen will read it."""


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which taking this belongs to."""

    hold: Annotated[int, msgspec.Meta(ge=0)]
    """From the answer to `take`."""


class GiveBack(Hold, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it goes."""

    to: Literal["door", "queue"] = "door"
    """`door`: the automatic helper answers again; `queue`: to the front of the queue, for a colleague."""


class AgentMessage(Hold, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent says."""

    client_id: ClientId
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]


class ConversationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as agents see it."""

    conversation_id: UUID
    holder: str
    stage: str
    urgent: bool
    """Danger to a person was found in it."""
    language: str
    waiting_since: datetime | None
    agent: str | None
    hold: int
    lease_until: datetime | None
    references: list[str]
    """The requests it led to."""
    known: dict[str, str]
    """What the citizen has told already."""
    created_at: datetime
    closed_at: datetime | None
    last_number: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in the list."""

    conversation: ConversationInfo
    words: str
    """The first that the citizen wrote, up to 200 characters."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation with everything that was said."""

    conversation: ConversationInfo
    messages: list[Message]


class SatisfactionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the answers were given. Without it, the last 90 days."""

    since: datetime | None = None
    until: datetime | None = None


def info(conversation: Conversation) -> ConversationInfo:
    """A conversation as agents see it."""
    return ConversationInfo(
        conversation_id=conversation.conversation_id, holder=conversation.holder.value,
        stage=conversation.talk.stage.value, urgent=conversation.urgent, language=conversation.language,
        waiting_since=conversation.waiting_since, agent=conversation.agent, hold=conversation.hold,
        lease_until=conversation.lease_until, references=conversation.talk.references,
        known={fact: value for fact, value in conversation.talk.facts.items() if value},
        created_at=conversation.created_at, closed_at=conversation.closed_at, last_number=conversation.last_number,
    )  # fmt: skip


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/conversations."""
    query = read_query(request, WaitingQuery)
    holders = [query.holder] if query.holder else ["queue", "agent"]
    found = await request.app[DESK].listing(request[CALLER].authority, list(holders), query.limit)
    return json_answer([Waiting(conversation=info(each), words=words) for each, words in found])


async def read(request: web.Request) -> web.Response:
    """GET /api/v1/conversations/{conversation_id}."""
    conversation, messages = await request.app[DESK].read(request[CALLER].authority, _id(request))
    return json_answer(Whole(conversation=info(conversation), messages=messages))


async def listen(request: web.Request) -> web.StreamResponse:
    """GET /api/v1/conversations/{conversation_id}/stream."""
    authority, conversation_id = request[CALLER].authority, _id(request)
    await request.app[DESK].read(authority, conversation_id)
    return await stream(request, authority, conversation_id)


async def take(request: web.Request) -> web.Response:
    """POST /api/v1/conversations/{conversation_id}/take."""
    body = await read_body(request, Take)
    name = checked_text(body.name, "/name")
    return json_answer(info(await request.app[DESK].take(request[CALLER].authority, _id(request), name)))


async def renew(request: web.Request) -> web.Response:
    """POST /api/v1/conversations/{conversation_id}/renew."""
    body = await read_body(request, Hold)
    return json_answer(
        info(await request.app[DESK].renew(request[CALLER].authority, _id(request), body.hold))
    )


async def write(request: web.Request) -> web.Response:
    """POST /api/v1/conversations/{conversation_id}/messages."""
    body = await read_body(request, AgentMessage)
    text = checked_text(body.text, "/text")
    messages = await request.app[DESK].write(
        request[CALLER].authority, _id(request), body.hold, body.client_id, text
    )
    return json_answer(Told(messages=messages, replayed=False), 201)


async def give_back(request: web.Request) -> web.Response:
    """POST /api/v1/conversations/{conversation_id}/give-back."""
    body = await read_body(request, GiveBack)
    desk, authority = request.app[DESK], request[CALLER].authority
    return json_answer(info(await desk.give_back(authority, _id(request), body.hold, body.to)))


async def close(request: web.Request) -> web.Response:
    """POST /api/v1/conversations/{conversation_id}/close."""
    body = await read_body(request, Hold)
    return json_answer(
        info(await request.app[DESK].close(request[CALLER].authority, _id(request), body.hold))
    )


async def attachment(request: web.Request) -> web.Response:
    """GET /api/v1/conversations/{conversation_id}/attachments/{attachment_id}."""
    return await file_of(request, request[CALLER].authority, _id(request))


async def attached(request: web.Request) -> web.Response:
    """GET /api/v1/requests/{reference}/attachments."""
    reference = read_reference(request.match_info["reference"])
    if reference is None:
        raise NotFound("this is no reference")
    authority = request[CALLER].authority
    with unavailable_is_clear():
        async with scoped(request.app[POOL], authority) as connection:
            known = await connection.fetchval(
                "SELECT true FROM requests WHERE authority_id = $1 AND reference = $2", authority, reference
            )
            if known is None:
                raise NotFound(f"there is no request {reference}")
            return json_answer(await attachments.of_request(connection, authority, reference))


async def satisfaction(request: web.Request) -> web.Response:
    """GET /api/v1/satisfaction."""
    query = read_query(request, SatisfactionQuery)
    until = query.until or request.app[CLOCK].now() + timedelta(seconds=1)
    since = query.since or until - timedelta(days=90)
    authority = request[CALLER].authority
    with unavailable_is_clear():
        async with scoped(request.app[POOL], authority) as connection:
            return json_answer(
                await surveys.satisfaction(connection, authority, _aware(since), _aware(until))
            )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["conversation_id"])
    except ValueError:
        raise NotFound("conversation id: not an id") from None


_TAG: Final = "Conversations"
_ONE: Final = "/api/v1/conversations/{conversation_id}"
_CHANGE: Final = (400, 401, 404, 409, 413, 415, 422, 503)


def _staff(method: str, path: str, handler: Any, summary: str, **more: Any) -> Endpoint:
    return Endpoint(
        method=method, path=path, handler=handler, summary=summary, auth=Auth.KEY, tag=_TAG, **more
    )


ENDPOINTS = [
    _staff("GET", "/api/v1/conversations", listing, "Who waits for a person, and who has whom",
           description="Urgent ones first, then who has waited longest.", query=WaitingQuery, answers={200: list[Waiting]},
           problems=(401, 422, 503)),
    _staff("GET", _ONE, read, "A whole conversation", answers={200: Whole}, problems=(401, 404, 503)),
    _staff("GET", f"{_ONE}/stream", listen, "A conversation as server-sent events, as its citizen has it",
           headers={"Last-Event-ID": "The number of the last message that was received."}, answers={200: str},
           media_type="text/event-stream", problems=(401, 404, 503)),
    _staff("POST", f"{_ONE}/take", take, "Take a conversation",
           description="The automatic helper lets go and says so. It is yours under a lease of two minutes that every call "
           "renews; `hold` must be named in each. When the lease runs out, the citizen is at the front of the queue again.",
           body=Take, answers={200: ConversationInfo}, problems=_CHANGE),
    _staff("POST", f"{_ONE}/renew", renew, "Keep a conversation", body=Hold, answers={200: ConversationInfo},
           problems=_CHANGE),
    _staff("POST", f"{_ONE}/messages", write, "Write to the citizen",
           description="Sending it again under the same client id is harmless.", body=AgentMessage, answers={201: Told},
           problems=_CHANGE),
    _staff("POST", f"{_ONE}/give-back", give_back, "Hand a conversation back", body=GiveBack,
           answers={200: ConversationInfo}, problems=_CHANGE),
    _staff("POST", f"{_ONE}/close", close, "End a conversation", body=Hold, answers={200: ConversationInfo},
           problems=_CHANGE),
    _staff("GET", f"{_ONE}/attachments/{{attachment_id}}", attachment, "A file that the citizen sent", answers={200: str},
           media_type="application/octet-stream", problems=(401, 404, 503)),
    _staff("GET", "/api/v1/requests/{reference}/attachments", attached, "The files that came with a request",
           answers={200: list[Attachment]}, problems=(401, 404, 503)),
    _staff("GET", "/api/v1/satisfaction", satisfaction, "What citizens answered to the survey",
           description="By organisation, service and channel; without an organisation where nothing was handed over.",
           query=SatisfactionQuery, answers={200: list[Satisfaction]}, problems=(401, 422, 503)),
]  # fmt: skip
