"""Files in a conversation, and the conversation as a text to keep."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote, unquote
from uuid import UUID

from aiohttp import web

from gateway.api.chat import Told
from gateway.api.chat_access import CHAT, LIMITS, entered, keep_within
from gateway.api.endpoint import Auth, Endpoint, json_answer
from gateway.api.problems import ProblemError, problem
from gateway.api.staff import UNDERSTANDING
from gateway.chat import files
from gateway.chat.model import Author, Conversation, Message, Said
from gateway.chat.service import Chat
from gateway.chat.talk import Talking
from gateway.chat.texts import texts
from gateway.errors import NotFound
from gateway.identifiers import uuid7
from gateway.store import attachments as store
from gateway.store.attachments import Attachment
from gateway.store.pool import Connection, unavailable_is_clear
from gateway.store.scope import scoped

MOST_AT_ONCE: Final = 2
UNPACKING = web.AppKey("unpacking", asyncio.Semaphore)
"""Pictures drawn anew at once: each may take much memory for a moment."""


async def attach(request: web.Request) -> web.Response:
    """POST /chat/v1/{authority}/conversation/attachments."""
    conversation, _ = await entered(request)
    if conversation.closed:
        raise problem(409, "conversation-closed", "The conversation has ended", "please start a new one")
    keep_within(request, request.app[LIMITS].files, str(conversation.conversation_id))
    content = await _read(request)
    name = unquote(request.headers.get("X-File-Name", "file"))
    try:
        async with request.app[UNPACKING]:
            clean = await asyncio.to_thread(files.clean, name, content)
    except files.WrongFile as error:
        raise _refused(415, str(error)) from None
    return json_answer(Told(messages=await _keep(request, conversation, clean), replayed=False), 201)


async def _keep(request: web.Request, conversation: Conversation, clean: files.CleanFile) -> list[Message]:
    chat: Chat = request.app[CHAT]
    authority = conversation.authority_id
    size = len(clean.content)
    most = request.app[UNDERSTANDING].door.authority(authority).settings.chat.attachments_megabytes
    with unavailable_is_clear():
        async with scoped(chat.pool, authority) as connection:
            full = await store.total(connection, authority) + size > most * 1024 * 1024
    if full:
        raise _refused(507, "no more files can be kept just now; describe it in words instead")
    now = chat.clock.now()
    new = Attachment(
        attachment_id=uuid7(now), conversation_id=conversation.conversation_id, reference=None, name=clean.name,
        media_type=clean.media_type, size=size, created_at=now,
    )  # fmt: skip

    async def think(turn: Talking) -> None:
        total = turn.before.attached_bytes + size
        if total > files.MOST_OF_A_CONVERSATION:
            raise _refused(413, "that is more than one conversation may hold")
        turn.change(attached_bytes=total)
        said = Said(
            text="", name=new.name, attachment=str(new.attachment_id), media_type=new.media_type, size=size
        )
        turn.write(Author.CITIZEN, "attachment", said)

    async def keep(connection: Connection) -> None:
        await store.add(connection, authority, new, clean.content)

    return await chat.turn(conversation, think, keep)


async def _read(request: web.Request) -> bytes:
    """The body as it comes, up to the bound: what is too large is not read to its end."""
    if (request.content_length or 0) > files.MOST_BYTES:
        raise _refused(413, "the file is too large")
    parts, size = [], 0
    async for part in request.content.iter_chunked(64 * 1024):
        size += len(part)
        if size > files.MOST_BYTES:
            raise _refused(413, "the file is too large")
        parts.append(part)
    return b"".join(parts)


def _refused(status: int, detail: str) -> ProblemError:
    return problem(status, "file-refused", "The file cannot be taken", detail)


async def fetch(request: web.Request) -> web.Response:
    """GET /chat/v1/{authority}/conversation/attachments/{attachment_id}."""
    conversation, _ = await entered(request)
    return await file_of(request, conversation.authority_id, conversation.conversation_id)


async def file_of(request: web.Request, authority: str, conversation_id: UUID) -> web.Response:
    """A file of a conversation, for whoever may see the conversation."""
    try:
        attachment_id = UUID(request.match_info["attachment_id"])
    except ValueError:
        raise NotFound("attachment id: not an id") from None
    with unavailable_is_clear():
        async with scoped(request.app[CHAT].pool, authority) as connection:
            found = await store.content(connection, authority, conversation_id, attachment_id)
    if found is None:
        raise NotFound(f"there is no attachment {attachment_id}")
    about, content = found
    return web.Response(
        body=content,
        content_type=about.media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(about.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


async def transcript(request: web.Request) -> web.Response:
    """GET /chat/v1/{authority}/conversation/transcript."""
    conversation, _ = await entered(request)
    messages = await request.app[CHAT].history(conversation.authority_id, conversation.conversation_id)
    text = as_text(conversation, messages)
    return web.Response(text=text, headers={"Content-Disposition": 'attachment; filename="conversation.txt"'})


def as_text(conversation: Conversation, messages: list[Message]) -> str:
    """A conversation to read and to keep."""
    page = texts(conversation.language).page
    names = {Author.CITIZEN: page["you"], Author.DOOR: page["helper"], Author.AGENT: page["person-label"]}
    lines = []
    for message in messages:
        who = (message.said.name if message.author is Author.AGENT else None) or names[message.author]
        words = message.said.text or page["file"].format(name=message.said.name)
        lines.append(f"[{message.at:%Y-%m-%d %H:%M} UTC] {who}: {words}")
        lines += [f"    - {item}" for item in message.said.items]
    return "\n".join(lines) + "\n"


_ONE: Final = "/chat/v1/{authority}/conversation"
_TOKEN: Final = {"Authorization": "`Bearer` and the conversation's token."}

ENDPOINTS = [
    Endpoint(
        method="POST", path=f"{_ONE}/attachments", handler=attach, auth=Auth.CONVERSATION, tag="Chat",
        summary="Send a picture or a PDF",
        description=f"The file itself is the body, at most {files.MOST_BYTES // 1024 // 1024} MB. What it is is read from "
        "its bytes. JPEG, PNG, WebP and GIF are drawn anew, so that nothing but the picture is kept.",
        headers={**_TOKEN, "X-File-Name": "The file's name, percent-encoded."},
        answers={201: Told}, problems=(401, 403, 404, 409, 413, 415, 429, 503, 507),
    ),
    Endpoint(
        method="GET", path=f"{_ONE}/attachments/{{attachment_id}}", handler=fetch, auth=Auth.CONVERSATION, tag="Chat",
        summary="A file of the conversation", headers=_TOKEN, answers={200: str}, media_type="application/octet-stream",
        problems=(401, 403, 404, 503),
    ),
    Endpoint(
        method="GET", path=f"{_ONE}/transcript", handler=transcript, auth=Auth.CONVERSATION, tag="Chat",
        summary="The conversation as a text to keep", headers=_TOKEN, answers={200: str}, media_type="text/plain",
        problems=(401, 403, 404, 503),
    ),
]  # fmt: skip
