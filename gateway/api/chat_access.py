"""Who may call the chat: pages of allowed origins, at a human rate, with the token of their own conversation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from gateway.api.problems import MEDIA_TYPE, ProblemError, problem
from gateway.api.staff import UNDERSTANDING
from gateway.chat.limits import Buckets
from gateway.chat.meters import ChatMeters
from gateway.chat.model import Conversation
from gateway.chat.service import Chat
from gateway.clock import Clock
from gateway.errors import NotFound
from gateway.settings import Settings

CHAT = web.AppKey("chat", Chat)
METERS = web.AppKey("chat_meters", ChatMeters)
SETTINGS = web.AppKey("settings", Settings)

PREFIX: Final = "/chat/v1/"
_ALLOWED_HEADERS: Final = "authorization, content-type, last-event-id, x-file-name"


class Limits:
    """The buckets of this process."""

    def __init__(self, clock: Clock, starts: int) -> None:
        self.starts = Buckets(clock, rate=starts / 60, burst=starts)
        """Conversations begun, by address."""
        self.calls = Buckets(clock, rate=1.0, burst=20)
        """Messages, by conversation."""
        self.files = Buckets(clock, rate=0.1, burst=6)
        """Attachments, by conversation."""
        self.proofs = Buckets(clock, rate=1 / 180, burst=5)
        """Tries to prove a request, by address and by reference: a postcode must not be guessed."""
        self.forms = Buckets(clock, rate=0.1, burst=20)
        """Forms sent, by address."""


LIMITS = web.AppKey("chat_limits", Limits)


def authority_of(request: web.Request) -> str:
    """The authority in the address. 404 for one that is not there."""
    authority = request.match_info["authority"]
    if authority not in request.app[UNDERSTANDING].door.authorities:
        raise NotFound("there is no such authority")
    return authority


async def entered(request: web.Request) -> tuple[Conversation, bytes]:
    """The caller's conversation and the hash of their token. 401 without a token that opens one of this authority."""
    authority = authority_of(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    found = await request.app[CHAT].enter(authority, token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        request.app[METERS].refused.labels(authority, "token").inc()
        raise problem(
            401,
            "conversation-token",
            "No such conversation",
            "the token opens no conversation here; start a new one",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return found


def address_of(request: web.Request) -> str:
    """Where a call comes from, past as many proxies as are trusted."""
    trusted = request.app[SETTINGS].trusted_proxies
    hops = [
        hop.strip()
        for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        if hop.strip()
    ]
    if trusted and len(hops) >= trusted:
        return hops[-trusted]
    return request.remote or "unknown"


def keep_within(request: web.Request, buckets: Buckets, name: str) -> None:
    """429 with Retry-After when a bucket is empty."""
    wait = buckets.take(name)
    if wait:
        authority = request.match_info.get("authority", "")
        if authority in request.app[UNDERSTANDING].door.authorities:
            request.app[METERS].refused.labels(authority, "too-many").inc()
        raise problem(
            429,
            "too-many",
            "Too many calls",
            "that was a lot in a short time; wait a little. If someone is in danger, call 999",
            headers={"Retry-After": str(int(wait) + 1)},
        )


def may_call(request: web.Request, origin: str) -> bool:
    """Whether a page of this origin may call: the front door's own, or one that the authority lists."""
    own = request.app[SETTINGS].public_url
    ours = (
        f"{urlsplit(own).scheme}://{urlsplit(own).netloc}"
        if own
        else f"{urlsplit(origin).scheme}://{request.host}"
    )
    if origin == ours:
        return True
    place = request.app[UNDERSTANDING].door.authorities.get(request.path.removeprefix(PREFIX).split("/")[0])
    return place is not None and origin in place.settings.chat.origins


@web.middleware
async def guard_origin(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """CORS: answer a page's question beforehand, and refuse calls from pages that have no business here."""
    origin = request.headers.get("Origin")
    if origin is None or not request.path.startswith(PREFIX):
        return await handler(request)
    if not may_call(request, origin):
        foreign = problem(
            403, "foreign-origin", "Foreign origin", "pages of this origin may not call the chat"
        )
        return _answer(foreign)
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
                "Access-Control-Max-Age": "600",
            },
        )
    return await handler(request)


def _answer(error: ProblemError) -> web.Response:
    return web.Response(
        status=error.problem.status, body=msgspec.json.encode(error.problem), content_type=MEDIA_TYPE
    )


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser that its page may read the answer; nothing of the chat is ever stored in a cache."""
    if not request.path.startswith(PREFIX):
        return
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin is not None and may_call(request, origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
