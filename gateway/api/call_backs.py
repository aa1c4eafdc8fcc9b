"""Call-backs: booked within working hours, in the worklist when they are due."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import IF_MATCH, KEYED, etag, if_match
from gateway.api.desk import CHANGE_PROBLEMS, DESK, Person, created_once, path_id, reference
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, read_body
from gateway.api.writing import check_part
from gateway.errors import NotFound
from gateway.store import call_backs
from gateway.store.call_backs import CallBack
from gateway.work import writing

Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class NewCallBack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When, and about what."""

    due_at: Aware
    """Within the contact centre's working hours."""
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""
    phone: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9 ()./-]{5,30}$")] | None = None
    """Where it is another number than the request's."""
    for_whom: Person | None = None
    """The colleague who is to call; whoever is free, unless given."""
    referral_id: UUID | None = None


class Finished(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of it."""

    outcome: Literal["reached", "no-answer", "cancelled"]
    again_at: Aware | None = None
    """After `no-answer`: when it is tried again; it stays open until then."""


async def book(request: web.Request) -> web.Response:
    """POST /api/v1/requests/{reference}/call-backs."""
    body, caller, desk = await read_body(request, NewCallBack), request[CALLER], request.app[DESK]
    note = checked_text(body.note, "/note") if body.note else ""
    async with desk.change(caller.authority) as connection:
        whole = await desk.take_request(connection, caller.authority, reference(request))
        await check_part(connection, caller.authority, whole.request_id, body.referral_id)

        async def make() -> CallBack:
            return await writing.book(
                connection,
                desk,
                caller.authority,
                whole.request_id,
                reference=whole.reference,
                referral_id=body.referral_id,
                due_at=body.due_at,
                phone=body.phone,
                note=note,
                for_whom=body.for_whom,
                actor=caller.actor,
            )

        return await created_once(request, connection, whole.request_id, make)


async def finish(request: web.Request) -> web.Response:
    """POST /api/v1/call-backs/{call_back_id}/finish."""
    seen, body, caller = if_match(request), await read_body(request, Finished), request[CALLER]
    if body.again_at is not None and body.outcome != "no-answer":
        raise invalid("goes with outcome no-answer", "/again_at")
    desk, wanted = request.app[DESK], path_id(request, "call_back_id", "call-back")
    async with desk.change(caller.authority) as connection:
        await call_backs.lock(connection, caller.authority, wanted)
        found = await call_backs.read(connection, caller.authority, wanted)
        if found is None:
            raise NotFound(f"there is no call-back {wanted}")
        seen.check(found.version)
        kept = await writing.finish_call_back(
            connection,
            desk,
            caller.authority,
            found,
            outcome=body.outcome,
            again_at=body.again_at,
            actor=caller.actor,
        )
    return json_answer(kept, headers=etag(kept.version))


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/requests/{reference}/call-backs",
        handler=book,
        auth=Auth.KEY,
        tag="Call-backs",
        summary="Book a call-back",
        description="Refused outside working hours and on bank holidays, with the next time that somebody is there. When it "
        "is due it stands in the worklist until somebody has made it.",
        body=NewCallBack,
        headers=KEYED,
        answers={201: CallBack},
        problems=(400, 401, 404, 409, 413, 415, 422, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/call-backs/{call_back_id}/finish",
        handler=finish,
        auth=Auth.KEY,
        tag="Call-backs",
        summary="Say what came of a call-back",
        body=Finished,
        headers=IF_MATCH,
        answers={200: CallBack},
        problems=CHANGE_PROBLEMS,
    ),
]
