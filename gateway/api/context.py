"""What is known already while somebody calls: of the same person, the same house, and the street."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from aiohttp import web

from gateway.api.desk import DESK, Code, looked, reference
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.masking import WORDS
from gateway.api.reading import read_body, read_query
from gateway.errors import NotFound
from gateway.store import context as store
from gateway.store.context import Earlier, Nearby, Person
from gateway.work.desk import Desk
from gateway.work.words import address_key, email_key, phone_key, postcode_key
from routing_rules.postcodes import normalise

Days = Annotated[int, msgspec.Meta(ge=1, le=365)]


class ContextQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far back others count."""

    days: Days = 14


class WhoCalls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of who calls. A body, so that nobody's number stands in an address or a log."""

    phone: Annotated[str, msgspec.Meta(max_length=30)] | None = None
    email: Annotated[str, msgspec.Meta(max_length=254)] | None = None
    address: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    postcode: Annotated[str, msgspec.Meta(max_length=10)] | None = None
    services: Annotated[list[Code], msgspec.Meta(max_length=5)] = []
    """For which what others reported is counted."""
    days: Days = 14


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What is known already."""

    earlier: list[Earlier]
    """Of the same person or house, newest first; at most 20."""
    nearby: list[Nearby]
    """What others around there reported for the same services lately."""


async def of_request(request: web.Request) -> web.Response:
    """GET /api/v1/requests/{reference}/context."""
    query, spoken, caller = read_query(request, ContextQuery), reference(request), request[CALLER]
    desk = request.app[DESK]
    async with desk.view(caller.authority) as connection:
        person = await store.of_request(connection, caller.authority, spoken)
    if person is None:
        raise NotFound(f"there is no request {spoken}")
    return await _answer(request, person, query.days)


async def of_caller(request: web.Request) -> web.Response:
    """POST /api/v1/context."""
    body = await read_body(request, WhoCalls)
    postcode = normalise(body.postcode) if body.postcode else None
    person = Person(
        request_id=None,
        phone=phone_key(body.phone),
        email=email_key(body.email),
        postcode=postcode_key(postcode),
        address=address_key(body.address, postcode),
        services=body.services,
    )
    return await _answer(request, person, body.days)


async def _answer(request: web.Request, person: Person, days: int) -> web.Response:
    found = await _context(request.app[DESK], request[CALLER].authority, person, days)
    if found.earlier:
        earlier = [each.reference for each in found.earlier]
        await looked(request, "searched", [WORDS], request_id=person.request_id, requests=earlier)
    return json_answer(found)


async def _context(desk: Desk, authority: str, person: Person, days: int) -> Context:
    since = desk.clock.now() - timedelta(days=days)
    async with desk.view(authority) as connection:
        earlier = await store.earlier(
            connection,
            authority,
            phone=person.phone,
            email=person.email,
            address=person.address,
            but=person.request_id,
            limit=20,
        )
        nearby = [
            await store.nearby(
                connection,
                authority,
                service=service,
                postcode=person.postcode,
                since=since,
                but=person.request_id,
            )
            for service in person.services
            if person.postcode is not None
        ]
    return Context(earlier=earlier, nearby=nearby)


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/requests/{reference}/context",
        handler=of_request,
        auth=Auth.KEY,
        tag="Context",
        summary="What is known already of this person and this street",
        description="Phone numbers and e-mail addresses are compared however they were written. Safeguarding is not "
        "counted among what others reported.",
        query=ContextQuery,
        answers={200: Context},
        problems=(401, 404, 422, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/context",
        handler=of_caller,
        auth=Auth.KEY,
        tag="Context",
        summary="The same while somebody calls, before there is a request",
        body=WhoCalls,
        answers={200: Context},
        problems=(400, 401, 413, 415, 422, 503),
    ),
]
