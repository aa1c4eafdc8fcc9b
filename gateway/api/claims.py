"""Who works on what: claim, renew, release, hand over, and the warm transfer with its answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from aiohttp import web

from gateway.api.conditions import IF_MATCH, if_match
from gateway.api.desk import CHANGE_PROBLEMS, DESK, Person, Reason, item_answer, looked, referral_id
from gateway.api.endpoint import CALLER, Auth, Endpoint
from gateway.api.masking import WORDS
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, read_body
from gateway.callers import LEAD
from gateway.errors import NotFound
from gateway.store import work
from gateway.store.work import Item
from gateway.work import claims

Minutes = Annotated[int, msgspec.Meta(ge=1, le=240)]


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work on it."""

    minutes: Minutes = 15
    """How long it is yours unless you renew it."""
    take_over: Reason | None = None
    """Why it is taken from a colleague who works on it: for supervisors. Without it theirs stays theirs."""


class Renew(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Go on."""

    minutes: Minutes = 15


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to say: `{}`."""


class HandOver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To whom: a colleague, or a skill."""

    to: Person | None = None
    skill: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    """`group:…`, `organisation:…` or `service:…`."""
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is asked."""

    to: Person
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


async def read(request: web.Request) -> web.Response:
    """GET /api/v1/referrals/{referral_id}."""
    caller, wanted = request[CALLER], referral_id(request)
    async with request.app[DESK].view(caller.authority) as connection:
        item = await work.look(connection, caller.authority, wanted)
    if item is None:
        raise NotFound(f"there is no referral {wanted}")
    fields = [WORDS] if item.postcode is None else ["postcode", WORDS]
    await looked(request, "read", fields, request_id=item.request_id, referrals=[wanted])
    return item_answer(item)


async def claim(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/claim."""
    seen, body, caller = if_match(request), await read_body(request, Claim), request[CALLER]
    item = await claims.claim(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        actor=caller.actor,
        seen=seen,
        lease=timedelta(minutes=body.minutes),
        take_over=checked_text(body.take_over, "/take_over") if body.take_over else None,
        leads=caller.has(*LEAD),
    )
    return item_answer(item)


async def renew(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/renew."""
    body, caller = await read_body(request, Renew), request[CALLER]
    lease = timedelta(minutes=body.minutes)
    item = await claims.renew(
        request.app[DESK], caller.authority, referral_id(request), actor=caller.actor, lease=lease
    )
    return item_answer(item)


async def release(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/release."""
    seen, caller = if_match(request), request[CALLER]
    await read_body(request, Nothing)
    return item_answer(
        await claims.release(
            request.app[DESK], caller.authority, referral_id(request), actor=caller.actor, seen=seen
        )
    )


async def hand_over(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/hand-over."""
    seen, body, caller = if_match(request), await read_body(request, HandOver), request[CALLER]
    if (body.to is None) == (body.skill is None):
        raise invalid("name a colleague or a skill, one of them", "/to")
    item = await claims.hand_over(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        actor=caller.actor,
        seen=seen,
        to=checked_text(body.to, "/to") if body.to else None,
        skill=body.skill,
        note=checked_text(body.note, "/note") if body.note else "",
    )
    return item_answer(item)


async def offer(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/offer."""
    seen, body, caller = if_match(request), await read_body(request, Offer), request[CALLER]
    item = await claims.offer(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        actor=caller.actor,
        seen=seen,
        to=checked_text(body.to, "/to"),
        note=checked_text(body.note, "/note") if body.note else "",
    )
    return item_answer(item)


async def accept(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/offer/accept."""
    return await _answer(request, accept=True)


async def decline(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/offer/decline."""
    return await _answer(request, accept=False)


async def _answer(request: web.Request, *, accept: bool) -> web.Response:
    seen, caller = if_match(request), request[CALLER]
    await read_body(request, Nothing)
    item = await claims.answer_offer(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        actor=caller.actor,
        seen=seen,
        accept=accept,
    )
    return item_answer(item)


def _change(path: str, handler: object, body: type, summary: str, description: str = "") -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/v1/referrals/{{referral_id}}/{path}",
        handler=handler,
        auth=Auth.KEY,
        tag="Work",
        summary=summary,
        description=description,
        body=body,
        headers=IF_MATCH,
        answers={200: Item},
        problems=CHANGE_PROBLEMS,
    )


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/referrals/{referral_id}",
        handler=read,
        auth=Auth.KEY,
        tag="Work",
        summary="One need and who works on it",
        description="Its ETag is what every change of it wants in If-Match.",
        answers={200: Item},
        problems=(401, 404, 503),
    ),
    _change(
        "claim",
        claim,
        Claim,
        "Work on it",
        "It is yours for a while; of two who claim at once exactly one gets it. While somebody works on it nobody else "
        "can change it. 409 names who has it.",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/referrals/{referral_id}/renew",
        handler=renew,
        auth=Auth.KEY,
        tag="Work",
        summary="Go on working on it",
        description="Changes nothing but the end of your lease, so it wants no If-Match and the ETag stays.",
        body=Renew,
        answers={200: Item},
        problems=(400, 401, 404, 409, 413, 415, 422, 503),
    ),
    _change("release", release, Nothing, "Let go of it"),
    _change(
        "hand-over",
        hand_over,
        HandOver,
        "Give it to a colleague or a skill",
        "It waits there, held by nobody.",
    ),
    _change(
        "offer",
        offer,
        Offer,
        "Ask a colleague to take it",
        "A warm transfer: it stays with you until they accept. An offer that is not answered in two minutes is none.",
    ),
    _change("offer/accept", accept, Nothing, "Accept a transfer that was offered to you"),
    _change("offer/decline", decline, Nothing, "Decline a transfer that was offered to you"),
]
