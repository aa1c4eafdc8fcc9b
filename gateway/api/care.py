"""What must not be left alone: deliveries that wait for a person, and safeguarding alarms that ring."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.callbacks import CLOCK
from gateway.api.endpoint import CALLER, Auth, Endpoint, Limit, json_answer
from gateway.api.reading import checked_text, read_body, read_query
from gateway.api.staff import POOL, UNDERSTANDING
from gateway.delivery import ladder
from gateway.delivery.replay import Replay
from gateway.errors import NotFound
from gateway.store import alarms, statuses
from gateway.store.alarms import Alarm
from gateway.store.letters import Letter, letters
from gateway.store.pool import unavailable_is_clear
from gateway.store.statuses import Unknown

REPLAY = web.AppKey("replay", Replay)

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class LetterQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries."""

    state: Literal["dead", "uncertain"] | None = None
    """Both, unless given."""
    organisation: Annotated[str, msgspec.Meta(max_length=60, pattern="^[a-z0-9:-]+$")] | None = None
    after: UUID | None = None
    """`next` of the page before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class UnknownQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class LetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries that wait for a person, oldest first."""

    items: list[Letter]
    next: UUID | None


class Why(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reason, kept in the history."""

    reason: Reason


class Found(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person found out."""

    reason: Reason
    external_reference: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """The organisation's own reference, if it told."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many."""

    replayed: int


class Answered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who has it now."""

    name: Annotated[str, msgspec.Meta(min_length=2, max_length=100)]
    """The person's own name: an alarm is answered by somebody, not by a system."""


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/deliveries."""
    query = read_query(request, LetterQuery)
    states = [query.state] if query.state else ["dead", "uncertain"]
    with unavailable_is_clear():
        rows = await letters(
            request.app[POOL],
            request[CALLER].authority,
            states=states,
            organisation=query.organisation,
            after=query.after,
            limit=query.limit + 1,
        )
    page = rows[: query.limit]
    return json_answer(LetterPage(items=page, next=page[-1].delivery_id if len(rows) > query.limit else None))


async def replay(request: web.Request) -> web.Response:
    """POST /api/v1/deliveries/{delivery_id}/replay."""
    body = await read_body(request, Why)
    caller = request[CALLER]
    letter = await request.app[REPLAY].again(
        caller.authority,
        _id(request, "delivery_id"),
        actor=caller.actor,
        reason=checked_text(body.reason, "/reason"),
    )
    return json_answer(letter)


async def arrived(request: web.Request) -> web.Response:
    """POST /api/v1/deliveries/{delivery_id}/arrived."""
    body = await read_body(request, Found)
    caller = request[CALLER]
    external_reference = body.external_reference
    if external_reference is not None:
        external_reference = checked_text(external_reference, "/external_reference")
    letter = await request.app[REPLAY].arrived(
        caller.authority,
        _id(request, "delivery_id"),
        external_reference=external_reference,
        actor=caller.actor,
        reason=checked_text(body.reason, "/reason"),
    )
    return json_answer(letter)


async def replay_all(request: web.Request) -> web.Response:
    """POST /api/v1/organisations/{organisation}/replay."""
    body = await read_body(request, Why)
    caller, organisation = request[CALLER], request.match_info["organisation"]
    if organisation not in request.app[UNDERSTANDING].door.authority(caller.authority).organisations:
        raise NotFound(f"there is no organisation {organisation!r}")
    replayed = await request.app[REPLAY].all_again(
        caller.authority, organisation, actor=caller.actor, reason=checked_text(body.reason, "/reason")
    )
    return json_answer(Count(replayed=replayed))


async def unknown(request: web.Request) -> web.Response:
    """GET /api/v1/statuses/unknown."""
    query = read_query(request, UnknownQuery)
    with unavailable_is_clear():
        return json_answer(await statuses.unknown(request.app[POOL], request[CALLER].authority, query.limit))


async def ringing(request: web.Request) -> web.Response:
    """GET /api/v1/alarms."""
    with unavailable_is_clear():
        return json_answer(await alarms.ringing(request.app[POOL], request[CALLER].authority))


async def answer_alarm(request: web.Request) -> web.Response:
    """POST /api/v1/alarms/{referral_id}/acknowledge."""
    body = await read_body(request, Answered)
    name = checked_text(body.name, "/name")
    caller = request[CALLER]
    await ladder.answer(
        request.app[POOL],
        request.app[CLOCK],
        caller.authority,
        _id(request, "referral_id"),
        name=name,
        actor=caller.actor,
    )
    return web.Response(status=204)


def _id(request: web.Request, name: str) -> UUID:
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound(f"{name.replace('_', ' ')}: not an id") from None


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/deliveries",
        handler=listing,
        auth=Auth.KEY,
        tag="Deliveries",
        summary="Deliveries that wait for a person",
        description="Dead ones are out of attempts. Uncertain ones may have arrived, and the organisation cannot be asked "
        "by a machine.",
        query=LetterQuery,
        answers={200: LetterPage},
        problems=(401, 422, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/deliveries/{delivery_id}/replay",
        handler=replay,
        auth=Auth.KEY,
        tag="Deliveries",
        summary="Send one again",
        description="For an uncertain one this says that it did not arrive.",
        body=Why,
        answers={200: Letter},
        problems=(400, 401, 404, 409, 413, 415, 422, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/deliveries/{delivery_id}/arrived",
        handler=arrived,
        auth=Auth.KEY,
        tag="Deliveries",
        summary="Say that it arrived after all",
        body=Found,
        answers={200: Letter},
        problems=(400, 401, 404, 409, 413, 415, 422, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/organisations/{organisation}/replay",
        handler=replay_all,
        auth=Auth.KEY,
        tag="Deliveries",
        summary="Send all dead deliveries of an organisation again",
        body=Why,
        answers={200: Count},
        problems=(400, 401, 404, 413, 415, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/statuses/unknown",
        handler=unknown,
        auth=Auth.KEY,
        tag="Deliveries",
        summary="What organisations told us of cases that we do not know, latest first",
        query=UnknownQuery,
        answers={200: list[Unknown]},
        problems=(401, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/alarms",
        handler=ringing,
        auth=Auth.KEY,
        tag="Safeguarding",
        summary="Safeguarding alarms that nobody has answered",
        answers={200: list[Alarm]},
        problems=(401, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/alarms/{referral_id}/acknowledge",
        handler=answer_alarm,
        auth=Auth.KEY,
        limit=Limit.NEVER,
        tag="Safeguarding",
        summary="Answer an alarm, by name",
        body=Answered,
        answers={204: None},
        problems=(400, 401, 404, 413, 415, 422, 503),
    ),
]
