"""A citizen's rights, for whoever answers for them: see what is kept, forget it, and see who looked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.callbacks import CLOCK
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.reading import checked_text, read_body, read_query
from gateway.api.staff import POOL
from gateway.callers import LEAD, Role
from gateway.errors import NotFound
from gateway.identifiers import read_reference
from gateway.privacy.erase import erase
from gateway.privacy.export import Export, export
from gateway.privacy.subject import Subject, requests_of
from gateway.store.audit import Entry, Seen, record, seen
from gateway.store.pool import unavailable_is_clear
from gateway.store.scope import scoped


class Whose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the person is found by: any of these, all together."""

    reference: Annotated[str, msgspec.Meta(max_length=30)] | None = None
    email: Annotated[str, msgspec.Meta(max_length=254)] | None = None
    phone: Annotated[str, msgspec.Meta(max_length=30)] | None = None

    def subject(self) -> Subject:
        """As the store finds them. 422 for control characters and white space alone."""
        given = {
            name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not None
        }
        return Subject(
            **{name: checked_text(value, f"/{name}") for name, value in given.items() if name in _BY}
        )


_BY: Final = ("reference", "email", "phone")


class Forget(Whose, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose words and details are to go."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    """Kept in the audit: name nobody in it."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    erased: int
    """Requests; those erased before do not count."""


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries."""

    reference: Annotated[str, msgspec.Meta(max_length=30)] | None = None
    """Of one request alone."""
    cursor: UUID | None = None
    """`next` of the page before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Who did and saw what, newest first."""

    items: list[Seen]
    next: UUID | None


async def exporting(request: web.Request) -> web.Response:
    """POST /api/v1/privacy/export."""
    body, caller, now = await read_body(request, Whose), request[CALLER], _now(request)
    with unavailable_is_clear():
        async with scoped(request.app[POOL], caller.authority) as connection:
            found = await requests_of(connection, caller.authority, body.subject())
            whole = await export(connection, caller.authority, found, now)
            await record(connection, [Entry.of(caller, "exported", now, request_id=each) for each in found])
    return json_answer(whole)


async def erasing(request: web.Request) -> web.Response:
    """POST /api/v1/privacy/erase."""
    body, caller = await read_body(request, Forget), request[CALLER]
    reason = checked_text(body.reason, "/reason")
    with unavailable_is_clear():
        async with scoped(request.app[POOL], caller.authority) as connection:
            found = await requests_of(connection, caller.authority, body.subject())
            erased = await erase(connection, caller, found, _now(request), why="erased", reason=reason)
    return json_answer(Forgotten(erased=erased))


async def audit(request: web.Request) -> web.Response:
    """GET /api/v1/audit."""
    query, authority = read_query(request, AuditQuery), request[CALLER].authority
    reference = read_reference(query.reference) if query.reference is not None else None
    if query.reference is not None and reference is None:
        raise NotFound("this is no reference; check it again with the person who gave it")
    with unavailable_is_clear():
        async with scoped(request.app[POOL], authority) as connection:
            rows = await seen(
                connection, authority, reference=reference, before=query.cursor, limit=query.limit + 1
            )
    page = rows[: query.limit]
    return json_answer(AuditPage(items=page, next=page[-1].audit_id if len(rows) > query.limit else None))


def _now(request: web.Request) -> datetime:
    now: datetime = request.app[CLOCK].now()
    return now


_TAG: Final = "Privacy and audit"
_COMMON: Final[dict[str, Any]] = {"method": "POST", "auth": Auth.KEY, "roles": LEAD, "tag": _TAG}

ENDPOINTS = [
    Endpoint(
        **_COMMON,
        path="/api/v1/privacy/export",
        handler=exporting,
        summary="All that is kept of a person",
        description="For a subject access request. `front-door privacy export` writes it as a page to read, too.",
        body=Whose,
        answers={200: Export},
        problems=(400, 404, 413, 415, 422),
    ),
    Endpoint(
        **_COMMON,
        path="/api/v1/privacy/erase",
        handler=erasing,
        summary="Forget a person's words and details, for good",
        description="From everywhere they live. References, times, services and states stay. 409 while one of the requests "
        "is still being worked on.",
        body=Forget,
        answers={200: Forgotten},
        problems=(400, 404, 409, 413, 415, 422),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/audit",
        handler=audit,
        auth=Auth.KEY,
        roles=(Role.AUDITOR, Role.SUPERVISOR, Role.MACHINE),
        tag=_TAG,
        summary="Who did and saw what",
        description="What changed a request stands in its events; here is who looked at it, exported or erased it, and who "
        "signed in.",
        query=AuditQuery,
        answers={200: AuditPage},
        problems=(404, 422),
    ),
]
