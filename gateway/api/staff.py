"""What contact-centre staff's software calls: make a request, read it, list requests, know services and organisations."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import etag
from gateway.api.endpoint import CALLER, Auth, Endpoint, Limit, json_answer
from gateway.api.limits import STANDING, refuse_if_over
from gateway.api.masking import HIDDEN, WORDS, fields_shown, shown, summary
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, idempotency_key, read_body, read_query, trace_id
from gateway.audit.witness import Witness
from gateway.callers import EVERYBODY
from gateway.errors import NotFound
from gateway.identifiers import read_reference
from gateway.intake import Answer, Incoming, Intake
from gateway.model import State
from gateway.store.pool import Pool, unavailable_is_clear
from gateway.store.reading import RequestRow, list_requests, read_request
from gateway.understanding import Understanding
from routing_rules.postcodes import normalise

INTAKE = web.AppKey("intake", Intake)
POOL: web.AppKey[Pool] = web.AppKey("pool")
UNDERSTANDING = web.AppKey("understanding", Understanding)
WITNESS = web.AppKey("witness", Witness)

MOST_CHARACTERS = 10_000

Channel = Literal["phone", "chat", "web", "email", "in-person"]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Citizen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of the person. Each organisation is given only what its own list allows."""

    name: Short | None = None
    email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] | None = None
    phone: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9 ()./-]{5,30}$")] | None = None
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] | None = None
    date_of_birth: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    nhs_number: Annotated[str, msgspec.Meta(pattern=r"^\d{3} ?\d{3} ?\d{4}$")] | None = None
    national_insurance_number: (
        Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]?$")] | None
    ) = None
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    long: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    language: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    notes: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | None = None


class NewRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a citizen needs, in their own words."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
    channel: Channel = "phone"
    citizen: Citizen = Citizen()
    postcode: Annotated[str, msgspec.Meta(max_length=10)] | None = None
    service: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    """The service's code, when staff already know it."""
    age: Annotated[int, msgspec.Meta(ge=0, le=130)] | None = None
    provider: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    """The organisation the citizen chose, where there is a choice."""


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to page through requests."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    """`next` of the page before."""
    state: State | None = None
    """Only requests that have a referral in this state."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A request in a list."""

    reference: str
    channel: str
    text: str
    """The first 200 characters."""
    emergency: str | None
    created_at: Any
    referrals: list[dict[str, Any]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Requests, newest first."""

    items: list[Summary]
    next: str | None
    """Pass it as `cursor` for older ones; null at the end."""


class ServiceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a citizen can need."""

    code: str
    name: str
    group: str
    lgsl: int | None
    description: str


class OrganisationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who delivers."""

    code: str
    name: str
    kind: str
    protocol: str


async def create(request: web.Request) -> web.Response:
    """POST /api/v1/requests."""
    body = await read_body(request, NewRequest)
    postcode = None
    if body.postcode is not None and body.postcode.strip():
        postcode = normalise(body.postcode)
        if postcode is None:
            raise invalid("is no UK postcode", "/postcode")
    citizen = {
        name: checked_text(value, f"/citizen/{name}") if isinstance(value, str) else value
        for name, value in msgspec.to_builtins(body.citizen).items()
    }
    incoming = Incoming(
        text=checked_text(body.text, "/text"),
        channel=body.channel,
        citizen=citizen,
        postcode=postcode,
        service=body.service,
        age=body.age,
        language=body.citizen.language,
        provider=body.provider,
    )
    caller = request[CALLER]
    await _refuse_if_over(request, incoming)
    outcome = await request.app[INTAKE].accept(
        caller.authority,
        incoming,
        actor=caller.actor,
        trace_id=trace_id(request, os.urandom(16).hex()),
        key=idempotency_key(request),
    )
    headers = {"Idempotency-Replayed": "true"} if outcome.replayed else {}
    reference = msgspec.json.decode(outcome.answer, type=_Reference).reference
    return json_answer(outcome.answer, 201, {"Location": f"/api/v1/requests/{reference}", **headers})


async def _refuse_if_over(request: web.Request, incoming: Incoming) -> None:
    """Refuse who calls too often, unless somebody may be in danger."""
    if not request[STANDING].over:
        return
    door = request.app[UNDERSTANDING].door
    service = door.catalogue.services.get(incoming.service or "")
    if service is not None and service.dangerous:
        return
    if await asyncio.to_thread(door.find_danger, incoming.text) is None:
        refuse_if_over(request)


class _Reference(msgspec.Struct):
    reference: str


async def read(request: web.Request) -> web.Response:
    """GET /api/v1/requests/{reference}."""
    asked = request.match_info["reference"]
    reference = read_reference(asked)
    if reference is None:
        raise NotFound("this is no reference; check it again with the person who gave it")
    with unavailable_is_clear():
        found = await read_request(
            request.app[POOL],
            request[CALLER].authority,
            reference,
            organisation=request[CALLER].organisation,
        )
    if found is None:
        raise NotFound(f"there is no request {reference}")
    caller = request[CALLER]
    answer = shown(found, caller, request.app[UNDERSTANDING].door.authorities[caller.authority])
    await request.app[WITNESS].saw(
        caller,
        "read",
        request_id=found.request_id,
        fields=fields_shown(answer),
        trace_id=trace_id(request, os.urandom(16).hex()),
    )
    return json_answer(answer, headers=etag(found.version))


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/requests."""
    query = read_query(request, ListQuery)
    before = _read_cursor(query.cursor) if query.cursor is not None else None
    with unavailable_is_clear():
        rows = await list_requests(
            request.app[POOL],
            request[CALLER].authority,
            before=before,
            limit=query.limit + 1,
            state=query.state.value if query.state else None,
            organisation=request[CALLER].organisation,
        )
    page, more = rows[: query.limit], len(rows) > query.limit
    caller = request[CALLER]
    place = request.app[UNDERSTANDING].door.authorities[caller.authority]
    words = [summary(row, caller, place) for row in page]
    if any(each != HIDDEN for each in words):
        listed = {"requests": [str(row.request_id) for row in page]}
        await request.app[WITNESS].saw(caller, "listed", fields=[WORDS], detail=listed)
    items = [
        Summary(
            reference=row.reference,
            channel=row.channel,
            text=text,
            emergency=row.emergency,
            created_at=row.created_at,
            referrals=row.referrals,
        )
        for row, text in zip(page, words, strict=True)
    ]
    return json_answer(Page(items=items, next=_cursor(page[-1].request_id) if more else None))


async def services(request: web.Request) -> web.Response:
    """GET /api/v1/services."""
    catalogue = request.app[UNDERSTANDING].door.catalogue
    return json_answer(
        [
            ServiceInfo(
                code=service.code,
                name=service.name,
                group=service.group,
                lgsl=service.lgsl,
                description=service.description,
            )
            for service in catalogue.services.values()
        ]
    )


async def organisations(request: web.Request) -> web.Response:
    """GET /api/v1/organisations."""
    authority = request.app[UNDERSTANDING].door.authorities[request[CALLER].authority]
    return json_answer(
        [
            OrganisationInfo(code=code, name=each.name, kind=each.kind, protocol=each.protocol)
            for code, each in authority.organisations.items()
        ]
    )


def _cursor(request_id: UUID) -> str:
    return base64.urlsafe_b64encode(request_id.bytes).decode().rstrip("=")


def _read_cursor(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        raise invalid("is no cursor of ours", "?cursor") from None


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/requests",
        handler=create,
        auth=Auth.KEY,
        limit=Limit.UNLESS_DANGER,
        tag="Requests",
        summary="Take a citizen's request",
        description="Understands the words, decides who answers for it, and stores all of it before it answers. "
        "With an Idempotency-Key, sending it again is harmless: the first answer comes back.",
        body=NewRequest,
        headers={
            "Idempotency-Key": "Names this request; the same key and body give the first answer again for 48 hours.",
            "traceparent": "W3C trace context, carried on to the organisation.",
        },
        answers={201: Answer},
        problems=(400, 401, 409, 413, 415, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/requests",
        handler=listing,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        tag="Requests",
        summary="List requests, newest first",
        query=ListQuery,
        answers={200: Page},
        problems=(401, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/requests/{reference}",
        handler=read,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        tag="Requests",
        summary="Read a request",
        description="With its decision, referrals, deliveries and what happened. Case, spaces and look-alike letters "
        "in the reference do not matter. Its ETag, and each referral's `version`, are what changes want in If-Match. "
        "Commissioners and auditors see no citizen's details, an organisation's own people "
        "those that its file lists; `masked` says what is missing. Each reading is written down.",
        answers={200: RequestRow},
        problems=(401, 404, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/services",
        handler=services,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        tag="Catalogue",
        summary="Every service a citizen can need",
        answers={200: list[ServiceInfo]},
        problems=(401, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/organisations",
        handler=organisations,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        tag="Catalogue",
        summary="The organisations behind this authority's door",
        answers={200: list[OrganisationInfo]},
        problems=(401, 503),
    ),
]
