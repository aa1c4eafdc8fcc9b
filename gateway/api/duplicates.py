"""The same thing twice: suggested, linked, merged."""

from __future__ import annotations

from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import IF_MATCH, etag, if_match
from gateway.api.desk import CHANGE_PROBLEMS, DESK, Reason, item_answer, looked, reference, referral_id
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.masking import WORDS
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, read_body
from gateway.errors import NotFound
from gateway.identifiers import read_reference
from gateway.store import links, work
from gateway.store.links import Alike
from gateway.store.work import Item
from gateway.work import merging


class Merge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Into which one."""

    into: UUID
    """The referral that is done for both."""
    reason: Reason


class LinkTo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What belongs to it."""

    other: str
    """The other request's reference."""
    reason: Reason


class Unlink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What does not."""

    other: str


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """Done."""

    version: int
    """The request's ETag, in quotes."""


async def suggest(request: web.Request) -> web.Response:
    """GET /api/v1/referrals/{referral_id}/duplicates."""
    caller, desk, wanted = request[CALLER], request.app[DESK], referral_id(request)
    async with desk.view(caller.authority) as connection:
        if await work.look(connection, caller.authority, wanted) is None:
            raise NotFound(f"there is no referral {wanted}")
        found = await links.alike(connection, caller.authority, wanted, desk.clock.now(), 10)
    if found:
        await looked(request, "listed", [WORDS, "postcode"], referrals=[each.referral_id for each in found])
    return json_answer(found)


async def merge(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/merge."""
    seen, body, caller = if_match(request), await read_body(request, Merge), request[CALLER]
    item = await merging.merge(
        request.app[DESK],
        caller.authority,
        referral_id(request),
        body.into,
        actor=caller.actor,
        seen=seen,
        reason=checked_text(body.reason, "/reason"),
    )
    return item_answer(item)


async def link(request: web.Request) -> web.Response:
    """POST /api/v1/requests/{reference}/link."""
    seen, body, caller = if_match(request), await read_body(request, LinkTo), request[CALLER]
    version = await merging.link(
        request.app[DESK],
        caller.authority,
        reference(request),
        _other(body.other),
        actor=caller.actor,
        seen=seen,
        reason=checked_text(body.reason, "/reason"),
    )
    return json_answer(Linked(version=version), headers=etag(version))


async def unlink(request: web.Request) -> web.Response:
    """POST /api/v1/requests/{reference}/unlink."""
    seen, body, caller = if_match(request), await read_body(request, Unlink), request[CALLER]
    version = await merging.unlink(
        request.app[DESK], caller.authority, reference(request), _other(body.other), seen=seen
    )
    return json_answer(Linked(version=version), headers=etag(version))


def _other(spoken: str) -> str:
    found = read_reference(spoken)
    if found is None:
        raise invalid("is no reference", "/other")
    return found


_MERGED = (
    "It ends as merged and is done when the other is; the other keeps the earlier promise. Reopening takes it out again. "
    "409 for what is about somebody's safety, and where it would make a loop."
)

ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/referrals/{referral_id}/duplicates",
        handler=suggest,
        auth=Auth.KEY,
        tag="Duplicates",
        summary="What may be the same need",
        description="The same service, nearby or from the same person, in the last 60 days, likest words first. Never what "
        "is about somebody's safety.",
        answers={200: list[Alike]},
        problems=(401, 404, 503),
    ),
    *(
        Endpoint(
            method="POST",
            path=path,
            handler=handler,
            auth=Auth.KEY,
            tag="Duplicates",
            summary=summary,
            description=description,
            body=body,
            headers=IF_MATCH,
            answers={200: answer},
            problems=CHANGE_PROBLEMS,
        )
        for path, handler, body, answer, summary, description in (
            (
                "/api/v1/referrals/{referral_id}/merge",
                merge,
                Merge,
                Item,
                "Merge it into another that is the same",
                _MERGED,
            ),
            (
                "/api/v1/requests/{reference}/link",
                link,
                LinkTo,
                Linked,
                "Say that two requests belong together",
                "",
            ),
            (
                "/api/v1/requests/{reference}/unlink",
                unlink,
                Unlink,
                Linked,
                "Say that they do not after all",
                "",
            ),
        )
    ),
]
