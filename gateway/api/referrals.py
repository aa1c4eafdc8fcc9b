"""Putting right what the door did with one need: accept, route, resolve, cancel, reopen, wait for the citizen, split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import IF_MATCH, KEYED, if_match
from gateway.api.corrections import CORRECTING, Referred, referred_answer
from gateway.api.desk import (
    CHANGE_PROBLEMS,
    DESK,
    Code,
    Reason,
    created_once,
    item_answer,
    reference,
    referral_id,
)
from gateway.api.endpoint import CALLER, Auth, Endpoint
from gateway.api.reading import checked_text, read_body
from gateway.api.staff import MOST_CHARACTERS
from gateway.delivery.corrected import Wanted
from gateway.errors import NotFound
from gateway.model import State
from gateway.store import work
from gateway.store.work import Item
from gateway.work import clocks, ending, parts
from gateway.work.parts import NewPart

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]


class Accept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the door thought likeliest is right."""

    reason: Reason = "as proposed"


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets it."""

    organisation: Code
    reason: Reason


class Reopen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It has not ended after all."""

    reason: Reason
    service: Code | None = None
    """Where it is another one than it was."""
    organisation: Code | None = None
    """Where it is not to be whom the rules say."""


class Ending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It is over."""

    reason: Reason
    message: Annotated[str, msgspec.Meta(min_length=1, max_length=5000)] | None = None
    """What the citizen is told."""


class Wait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the citizen is waited for."""

    reason: Reason


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to say: `{}`."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One need."""

    text: Words
    """The citizen's words for it."""
    service: Code | None = None
    """Without one it goes to triage."""
    organisation: Code | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One need was several."""

    keep: Words
    """The words that stay with this one."""
    parts: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=10)]
    reason: Reason


class Add(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Needs that the door did not see."""

    parts: Annotated[list[Part], msgspec.Meta(min_length=1, max_length=10)]
    reason: Reason


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The new needs."""

    referrals: list[UUID]


async def _correct(request: web.Request, wanted: Wanted) -> web.Response:
    changed = await request.app[CORRECTING].correct(request[CALLER], referral_id(request), wanted)
    return referred_answer(request, changed)


async def accept(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/accept."""
    seen, body = if_match(request), await read_body(request, Accept)
    reason = checked_text(body.reason, "/reason")
    return await _correct(request, Wanted(service=None, reason=reason, accept=True, seen=seen))


async def route(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/route."""
    seen, body = if_match(request), await read_body(request, Route)
    reason = checked_text(body.reason, "/reason")
    wanted = Wanted(service=None, organisation=body.organisation, reason=reason, seen=seen)
    return await _correct(request, wanted)


async def reopen(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/reopen."""
    seen, body = if_match(request), await read_body(request, Reopen)
    wanted = Wanted(
        service=body.service,
        organisation=body.organisation,
        reason=checked_text(body.reason, "/reason"),
        seen=seen,
        reopen=True,
    )
    return await _correct(request, wanted)


async def resolve(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/resolve."""
    return await _end(request, State.RESOLVED)


async def cancel(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/cancel."""
    return await _end(request, State.CANCELLED)


async def _end(request: web.Request, state: State) -> web.Response:
    seen, body, caller = if_match(request), await read_body(request, Ending), request[CALLER]
    item = await ending.end(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        state=state,
        actor=caller.actor,
        seen=seen,
        reason=checked_text(body.reason, "/reason"),
        message=checked_text(body.message, "/message") if body.message else None,
    )
    return item_answer(item)


async def wait(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/wait."""
    seen, body, caller = if_match(request), await read_body(request, Wait), request[CALLER]
    item = await clocks.wait(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        actor=caller.actor,
        seen=seen,
        reason=checked_text(body.reason, "/reason"),
    )
    return item_answer(item)


async def go_on(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/go-on."""
    seen, caller = if_match(request), request[CALLER]
    await read_body(request, Nothing)
    item = await clocks.go_on(
        request.app[DESK], caller.authority, referral_id(request), actor=caller.actor, seen=seen
    )
    return item_answer(item)


async def split(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/split."""
    seen, body, caller = if_match(request), await read_body(request, Split), request[CALLER]
    desk, wanted = request.app[DESK], referral_id(request)
    keep, reason, new = (
        checked_text(body.keep, "/keep"),
        checked_text(body.reason, "/reason"),
        _new(body.parts),
    )
    async with desk.change(caller.authority) as connection:

        async def make() -> Made:
            made = await parts.split(
                connection,
                desk,
                caller.authority,
                wanted,
                keep=keep,
                parts=new,
                actor=caller.actor,
                reason=reason,
                seen=seen,
            )
            return Made(referrals=made)

        whole = await work.look(connection, caller.authority, wanted)
        if whole is None:
            raise NotFound(f"there is no referral {wanted}")
        answer = await created_once(request, connection, whole.request_id, make)
    desk.wake()
    return answer


async def add(request: web.Request) -> web.Response:
    """POST /api/v1/requests/{reference}/referrals."""
    seen, body, caller = if_match(request), await read_body(request, Add), request[CALLER]
    desk, spoken = request.app[DESK], reference(request)
    reason, new = checked_text(body.reason, "/reason"), _new(body.parts)
    async with desk.change(caller.authority) as connection:
        whole = await desk.take_request(connection, caller.authority, spoken)

        async def make() -> Made:
            made = await parts.add(
                connection,
                desk,
                caller.authority,
                spoken,
                new,
                actor=caller.actor,
                reason=reason,
                seen=seen,
            )
            return Made(referrals=made)

        answer = await created_once(request, connection, whole.request_id, make)
    desk.wake()
    return answer


def _new(wanted: list[Part]) -> list[NewPart]:
    return [
        NewPart(
            text=checked_text(part.text, f"/parts/{number}/text"),
            service=part.service,
            organisation=part.organisation,
        )
        for number, part in enumerate(wanted)
    ]


def _change(
    path: str,
    handler: Callable[..., Any],
    body: type,
    answer: Any,
    summary: str,
    description: str = "",
    *,
    under: str = "/api/v1/referrals/{referral_id}",
) -> Endpoint:
    makes = answer is Made
    return Endpoint(
        method="POST",
        path=f"{under}/{path}",
        handler=handler,
        auth=Auth.KEY,
        tag="Referrals",
        summary=summary,
        description=description,
        body=body,
        headers={**IF_MATCH, **KEYED} if makes else IF_MATCH,
        answers={201 if makes else 200: answer},
        problems=CHANGE_PROBLEMS,
    )


ENDPOINTS = [
    _change("accept", accept, Accept, Referred, "Accept what the door thought likeliest"),
    _change(
        "route",
        route,
        Route,
        Referred,
        "Send it to another organisation",
        "With a reason, which the history keeps. What was not taken yet elsewhere is withdrawn; whom the rules would have "
        "chosen is next in line.",
    ),
    _change(
        "resolve",
        resolve,
        Ending,
        Item,
        "Say that it is done",
        "What waits to be handed over is withdrawn. 409 while a safeguarding alarm rings: a person answers that first.",
    ),
    _change("cancel", cancel, Ending, Item, "Say that it is not needed any more"),
    _change(
        "reopen",
        reopen,
        Reopen,
        Referred,
        "Open it again",
        "It goes where the rules say today, unless you name the organisation; its clock goes on from when the citizen sent "
        "it. What was merged is on its own again.",
    ),
    _change(
        "wait",
        wait,
        Wait,
        Item,
        "Wait for the citizen",
        "Its clock stands still until they have answered.",
    ),
    _change("go-on", go_on, Nothing, Item, "Go on: the citizen has answered"),
    _change(
        "split",
        split,
        Split,
        Made,
        "Make several needs of one",
        "Each goes where the rules say, or to triage. What is about somebody's safety stays whole.",
    ),
    _change(
        "referrals",
        add,
        Add,
        Made,
        "Add a need that the door did not see",
        under="/api/v1/requests/{reference}",
    ),
]
