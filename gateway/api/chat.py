"""The citizen's side of the chat: begin, say, choose, ask for a person, end, and tell how it was."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from gateway.api.chat_access import (
    CHAT,
    LIMITS,
    METERS,
    address_of,
    authority_of,
    entered,
    keep_within,
)
from gateway.api.chat_stream import stream
from gateway.api.endpoint import Auth, Endpoint, json_answer
from gateway.api.problems import ProblemError, invalid
from gateway.api.reading import checked_text, read_body, read_query
from gateway.api.staff import POOL, UNDERSTANDING
from gateway.chat import tracking
from gateway.chat.model import Conversation, Message
from gateway.chat.surveys import Opinion, Surveys
from gateway.chat.texts import texts
from gateway.chat.tracking import Standing
from gateway.errors import NotFound
from gateway.identifiers import read_reference

SURVEYS = web.AppKey("surveys", Surveys)

MOST_CHARACTERS: Final = 4000

Language = Literal["en", "cy"]
ClientId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{8,64}$")]


class NewConversation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to begin."""

    language: Language = "en"


class NewMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words, or one of the choices that stand: one of the two."""

    client_id: ClientId
    """The sender's own id for this message: sending it again is harmless."""
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)] | None = None
    choice: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    question: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The number of the message whose choice it is."""


class AskPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish to talk to somebody."""

    client_id: ClientId


class NewLanguage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which language the door goes on."""

    language: Language


class SurveyAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it was."""

    score: Annotated[int, msgspec.Meta(ge=1, le=5)]
    """1 very dissatisfied … 5 very satisfied."""
    words: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | None = None


class Track(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which request, and what proves that it is theirs."""

    reference: Annotated[str, msgspec.Meta(min_length=8, max_length=40)]
    proof: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    """The postcode, e-mail address or phone number that came with it."""


class TrackSurvey(Track, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a request was dealt with."""

    score: Annotated[int, msgspec.Meta(ge=1, le=5)]
    words: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | None = None
    fixed: bool | None = None
    """`false` asks to look at it again."""


class LanguageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In which language."""

    language: Language = "en"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as its citizen sees it."""

    holder: str
    """`door`, `queue` while they wait for a person, `agent`."""
    stage: str
    language: str
    closed: bool
    question: int | None
    """The message whose choices stand."""
    agent: str | None
    messages: list[Message]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and the token to go on with it. Keep it out of addresses; it is shown this once."""

    token: str
    conversation: View


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The message as it was taken, and what the door said to it."""

    messages: list[Message]
    replayed: bool


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a page needs to show the chat."""

    name: str
    short_name: str
    phone: str | None
    open: bool
    """Whether people are there to talk."""
    most_characters: int
    texts: dict[str, str]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to the survey was kept."""

    thanks: str
    reference: str | None = None
    """Of the new report, where it was not fixed."""


def view(conversation: Conversation, messages: list[Message]) -> View:
    """A conversation as its citizen sees it."""
    return View(
        holder=conversation.holder.value,
        stage=conversation.talk.stage.value,
        language=conversation.language,
        closed=conversation.closed,
        question=conversation.talk.question,
        agent=conversation.agent,
        messages=messages,
    )


async def about(request: web.Request) -> web.Response:
    """GET /chat/v1/{authority}/about."""
    query = read_query(request, LanguageQuery)
    place = request.app[UNDERSTANDING].door.authorities[authority_of(request)]
    settings = place.settings
    return json_answer(
        About(
            name=settings.name,
            short_name=settings.short_name,
            phone=settings.public_contact.phone,
            open=place.clocks.authority.is_open(request.app[CHAT].clock.now()),
            most_characters=MOST_CHARACTERS,
            texts=texts(query.language).page,
        )
    )


async def start(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversations."""
    authority = authority_of(request)
    body = await read_body(request, NewConversation)
    keep_within(request, request.app[LIMITS].starts, address_of(request))
    token, conversation, messages = await request.app[CHAT].start(authority, body.language)
    return json_answer(Opened(token=token, conversation=view(conversation, messages)), 201)


async def resume(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/resume."""
    conversation, token_hash = await entered(request)
    token, conversation, messages = await request.app[CHAT].resume(conversation, token_hash)
    return json_answer(Opened(token=token, conversation=view(conversation, messages)))


async def read(request: web.Request) -> web.Response:
    """GET /chat/v1/{authority}/conversation."""
    conversation, _ = await entered(request)
    name = conversation.authority_id, conversation.conversation_id
    return json_answer(view(conversation, await request.app[CHAT].history(*name)))


async def listen(request: web.Request) -> web.StreamResponse:
    """GET /chat/v1/{authority}/conversation/stream."""
    conversation, _ = await entered(request)
    name = conversation.authority_id, conversation.conversation_id
    del conversation  # a stream lasts long, and there are many
    return await stream(request, *name)


async def say(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/messages."""
    conversation, _ = await entered(request)
    body = await read_body(request, NewMessage)
    chat = request.app[CHAT]
    text = None if body.text is None else checked_text(body.text, "/text")
    try:
        keep_within(request, request.app[LIMITS].calls, str(conversation.conversation_id))
    except ProblemError:
        if text is None or request.app[UNDERSTANDING].door.find_danger(text) is None:
            raise
    if text is not None and body.choice is None and body.question is None:
        messages, replayed = await chat.say(conversation, body.client_id, text)
    elif text is None and body.choice is not None and body.question is not None:
        messages, replayed = await chat.pick(conversation, body.client_id, body.choice, body.question)
    else:
        raise invalid("send text, or choice and question", "/text")
    return json_answer(Told(messages=messages, replayed=replayed), 200 if replayed else 201)


async def ask_person(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/person."""
    conversation, _ = await entered(request)
    body = await read_body(request, AskPerson)
    keep_within(request, request.app[LIMITS].calls, str(conversation.conversation_id))
    messages, replayed = await request.app[CHAT].ask_for_person(conversation, body.client_id)
    return json_answer(Told(messages=messages, replayed=replayed), 200 if replayed else 201)


async def speak(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/language."""
    conversation, _ = await entered(request)
    body = await read_body(request, NewLanguage)
    await request.app[CHAT].speak(conversation, body.language)
    return web.Response(status=204)


async def close(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/close."""
    conversation, _ = await entered(request)
    return json_answer(
        Told(messages=await request.app[CHAT].close(conversation), replayed=conversation.closed)
    )


async def survey(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/survey."""
    conversation, _ = await entered(request)
    body = await read_body(request, SurveyAnswer)
    words = None if body.words is None else checked_text(body.words, "/words")
    await request.app[SURVEYS].of_conversation(conversation, Opinion(score=body.score, words=words))
    return json_answer(Kept(thanks=texts(conversation.language).say("thanks")), 201)


async def track(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/track."""
    body = await read_body(request, Track)
    return json_answer(await proved(request, authority_of(request), body.reference, body.proof))


async def track_survey(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/track/survey."""
    body = await read_body(request, TrackSurvey)
    authority = authority_of(request)
    standing = await proved(request, authority, body.reference, body.proof)
    words = None if body.words is None else checked_text(body.words, "/words")
    opinion = Opinion(score=body.score, words=words, fixed=body.fixed)
    new = await request.app[SURVEYS].of_request(authority, standing, opinion)
    return json_answer(Kept(thanks=texts("en").say("thanks"), reference=new), 201)


async def proved(request: web.Request, authority: str, spoken: str, proof: str) -> Standing:
    """The request, if the proof is right. 404 where it is not, and alike where there is none; 429 for guessing."""
    reference = read_reference(spoken) or ""
    limits, names = request.app[LIMITS].proofs, (address_of(request), reference)
    for name in names:
        keep_within(request, limits, name)
    standing = await tracking.look(request.app[POOL], authority, reference, proof=proof)
    if not standing.proved:
        raise NotFound("nothing was found with this reference and this proof")
    for name in names:
        limits.give_back(name)
    return standing


_TAG: Final = "Chat"
_ONE: Final = "/chat/v1/{authority}/conversation"
_TOKEN: Final[dict[str, str]] = {"Authorization": "`Bearer` and the conversation's token."}
_WRITE: Final = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


def _mine(method: str, path: str, handler: Any, summary: str, **more: Any) -> Endpoint:
    headers = {**_TOKEN, **more.pop("headers", {})}
    return Endpoint(
        method=method, path=f"{_ONE}{path}", handler=handler, summary=summary, auth=Auth.CONVERSATION, tag=_TAG,
        headers=headers, **more,
    )  # fmt: skip


ENDPOINTS = [
    Endpoint(
        method="GET", path="/chat/v1/{authority}/about", handler=about, auth=Auth.PUBLIC, tag=_TAG,
        summary="What a page needs to show the chat", query=LanguageQuery, answers={200: About}, problems=(403, 404, 422),
    ),
    Endpoint(
        method="POST", path="/chat/v1/{authority}/conversations", handler=start, auth=Auth.PUBLIC, tag=_TAG,
        summary="Begin a conversation", body=NewConversation, answers={201: Opened},
        problems=(400, 403, 404, 413, 415, 422, 429, 503),
        description="The token opens this conversation and no other. It belongs in the Authorization header, never in an "
        "address.",
    ),
    _mine("POST", "/resume", resume, "Go on after a reload: a fresh token in exchange, and all that was said",
          description="The old token ends a minute after the fresh one was first used.",
          answers={200: Opened}, problems=(401, 403, 404, 503)),
    _mine("GET", "", read, "The conversation as it stands", answers={200: View}, problems=(401, 403, 404, 503)),
    _mine("GET", "/stream", listen, "The conversation as server-sent events",
          description="`message` carries a message under its number as id; `place` the place in the queue; `reset` says "
          "that Last-Event-ID is none of ours: all messages follow again.",
          headers={"Last-Event-ID": "The number of the last message that was received."},
          answers={200: str}, media_type="text/event-stream", problems=(401, 403, 404, 503)),
    _mine("POST", "/messages", say, "Say something, or pick a choice",
          description="Sending it again under the same client id is harmless (200 instead of 201). Words in which danger to "
          "a person is found are taken at any rate.",
          body=NewMessage, answers={201: Told, 200: Told}, problems=_WRITE),
    _mine("POST", "/person", ask_person, "Ask for a person", body=AskPerson,
          answers={201: Told, 200: Told}, problems=_WRITE),
    _mine("POST", "/language", speak, "Go on in another language", body=NewLanguage, answers={204: None},
          problems=(400, 401, 403, 404, 409, 413, 415, 422, 503)),
    _mine("POST", "/close", close, "End the conversation", answers={200: Told}, problems=(401, 403, 404, 409, 503)),
    _mine("POST", "/survey", survey, "Say how it was", body=SurveyAnswer, answers={201: Kept},
          problems=(400, 401, 403, 404, 413, 415, 422, 503)),
    Endpoint(
        method="POST", path="/chat/v1/{authority}/track", handler=track, auth=Auth.PUBLIC, tag=_TAG,
        summary="Where a request stands, for whoever can prove that it is theirs", body=Track, answers={200: Standing},
        problems=(400, 403, 404, 413, 415, 422, 429, 503),
        description="A wrong proof and an unknown reference look alike. Guessing is stopped.",
    ),
    Endpoint(
        method="POST", path="/chat/v1/{authority}/track/survey", handler=track_survey, auth=Auth.PUBLIC, tag=_TAG,
        summary="Say how a request was dealt with; “not fixed” has it looked at again", body=TrackSurvey,
        answers={201: Kept}, problems=(400, 403, 404, 409, 413, 415, 422, 429, 503),
    ),
]  # fmt: skip
__all__ = ["ENDPOINTS", "METERS", "SURVEYS", "proved", "view"]
