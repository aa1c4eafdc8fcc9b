"""The same change for many needs at once: each by itself, each with its own result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.corrections import CORRECTING
from gateway.api.desk import DESK, Code, Person, Reason
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.problems import Problem, from_gateway, invalid
from gateway.api.reading import checked_text, read_body
from gateway.delivery.corrected import Wanted
from gateway.errors import GatewayError, StoreUnavailable
from gateway.model import State
from gateway.work import claims, ending
from gateway.work.seen import only

Action = Literal["claim", "release", "hand-over", "service", "route", "resolve", "cancel"]


class One(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One need of the many."""

    referral_id: UUID
    version: int
    """As it was read: another one since then is a 412 of this item alone."""


class Bulk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done with each."""

    action: Action
    items: Annotated[list[One], msgspec.Meta(min_length=1, max_length=200)]
    reason: Reason | None = None
    """For `service`, `route`, `resolve` and `cancel`."""
    service: Code | None = None
    """For `service`."""
    organisation: Code | None = None
    """For `route`, and for `service` where it is not to be whom the rules say."""
    to: Person | None = None
    skill: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    """For `hand-over`: a colleague or a skill."""
    minutes: Annotated[int, msgspec.Meta(ge=1, le=240)] = 15
    """For `claim`."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one."""

    referral_id: UUID
    status: int
    """As if it had been sent alone."""
    version: int | None = None
    """Its new ETag, in quotes."""
    problem: Problem | None = None


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the items."""

    done: int
    results: list[Result]


_NEEDS: Final = {
    "service": ("reason", "service"),
    "route": ("reason", "organisation"),
    "resolve": ("reason",),
    "cancel": ("reason",),
}


async def change(request: web.Request) -> web.Response:
    """POST /api/v1/bulk."""
    body = await read_body(request, Bulk)
    for name in _NEEDS.get(body.action, ()):
        if getattr(body, name) is None:
            raise invalid(f"is needed to {body.action}", f"/{name}")
    if body.action == "hand-over" and (body.to is None) == (body.skill is None):
        raise invalid("name a colleague or a skill, one of them", "/to")
    if len({item.referral_id for item in body.items}) < len(body.items):
        raise invalid("names one of them more than once", "/items")
    do = _doing(request, body)
    results = [await _one(item, do) for item in body.items]
    done = sum(result.status == 200 for result in results)
    return json_answer(Results(done=done, results=results))


async def _one(item: One, do: Callable[[One], Awaitable[int]]) -> Result:
    try:
        return Result(referral_id=item.referral_id, status=200, version=await do(item))
    except StoreUnavailable as error:
        # The others would say the same, each after its time limit; what is done is done and stands in the history.
        problem = from_gateway(error).problem
    except GatewayError as error:
        problem = from_gateway(error).problem
    return Result(referral_id=item.referral_id, status=problem.status, problem=problem)


def _doing(request: web.Request, body: Bulk) -> Callable[[One], Awaitable[int]]:
    caller, desk = request[CALLER], request.app[DESK]
    authority, actor = caller.authority, caller.actor
    reason = checked_text(body.reason, "/reason") if body.reason else ""

    async def claim(item: One) -> int:
        lease = timedelta(minutes=body.minutes)
        seen = only(item.version)
        done = await claims.claim(desk, authority, item.referral_id, actor=actor, seen=seen, lease=lease)
        return done.version

    async def release(item: One) -> int:
        seen = only(item.version)
        return (await claims.release(desk, authority, item.referral_id, actor=actor, seen=seen)).version

    async def hand_over(item: One) -> int:
        done = await claims.hand_over(
            desk,
            authority,
            item.referral_id,
            actor=actor,
            seen=only(item.version),
            to=body.to,
            skill=body.skill,
            note=reason,
        )
        return done.version

    async def correct(item: One) -> int:
        wanted = Wanted(
            service=body.service if body.action == "service" else None,
            organisation=body.organisation,
            reason=reason,
            seen=only(item.version),
        )
        correcting = request.app[CORRECTING]
        return (await correcting.correct(caller, item.referral_id, wanted)).version

    async def end(item: One) -> int:
        state = State.RESOLVED if body.action == "resolve" else State.CANCELLED
        done = await ending.end(
            desk,
            authority,
            item.referral_id,
            state=state,
            actor=actor,
            seen=only(item.version),
            reason=reason,
        )
        return done.version

    doing: dict[str, Callable[[One], Awaitable[int]]] = {
        "claim": claim,
        "release": release,
        "hand-over": hand_over,
        "service": correct,
        "route": correct,
        "resolve": end,
        "cancel": end,
    }
    return doing[body.action]


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/bulk",
        handler=change,
        auth=Auth.KEY,
        tag="Work",
        summary="Do the same with many needs",
        description="Each by itself, in order, with a result of its own: what cannot be done to one keeps no other "
        "from it. Each item names the version that was read, so sending it again does nothing twice.",
        body=Bulk,
        answers={200: Results},
        problems=(400, 401, 413, 415, 422, 503),
    )
]
