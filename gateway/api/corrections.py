"""Where staff put right what the door decided, and what can be learnt from that."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.api.conditions import IF_MATCH, etag, if_match
from gateway.api.desk import CHANGE_PROBLEMS
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.masking import WORDS
from gateway.api.reading import checked_text, read_body, read_query
from gateway.api.staff import POOL, UNDERSTANDING, WITNESS
from gateway.delivery.corrected import Changed, Wanted
from gateway.delivery.correction import Correcting
from gateway.delivery.not_fixed import NotFixed
from gateway.errors import NotFound
from gateway.model import State
from gateway.store import corrections
from gateway.store.corrections import Corrected, Pair, Which
from gateway.store.pool import unavailable_is_clear
from routing_rules.decision import Signpost

CORRECTING = web.AppKey("correcting", Correcting)
NOT_FIXED = web.AppKey("not_fixed", NotFixed)

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class RightService(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it really is."""

    service: Code
    """The service's code; `out-of-scope` closes the referral."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    """Kept in the history."""
    organisation: Code | None = None
    """Who gets it, where it is not to be whom the rules say."""


class Referred(msgspec.Struct, frozen=True, kw_only=True):
    """What the referral has become."""

    referral_id: UUID
    reference: str
    service: str
    service_name: str
    organisation: str | None
    organisation_name: str | None
    state: State
    priority: str
    rule: str | None
    """What chose the organisation; `null`: a person."""
    reasons: list[str]
    signpost: Signpost | None
    tell: str | None
    """What to tell the citizen."""
    updated_at: datetime
    version: int
    """Its ETag, in quotes."""


class CorrectionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which corrections."""

    since: Aware | None = None
    service_before: Code | None = None
    service_after: Code | None = None
    cursor: UUID | None = None
    """`next` of the page before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class CorrectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """What people put right."""

    pairs: list[Pair]
    """Which service in the place of which, commonest first; the same on every page."""
    items: list[Corrected]
    """Single ones, newest first."""
    next: UUID | None


async def correct(request: web.Request) -> web.Response:
    """POST /api/v1/referrals/{referral_id}/service."""
    seen, body = if_match(request), await read_body(request, RightService)
    wanted = Wanted(
        service=body.service,
        reason=checked_text(body.reason, "/reason"),
        organisation=body.organisation,
        seen=seen,
    )
    changed = await request.app[CORRECTING].correct(request[CALLER], _referral_id(request), wanted)
    return referred_answer(request, changed)


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/corrections."""
    query = read_query(request, CorrectionQuery)
    which = Which(since=query.since, service_before=query.service_before, service_after=query.service_after)
    pool, authority = request.app[POOL], request[CALLER].authority
    with unavailable_is_clear():
        pairs = await corrections.pairs(pool, authority, which)
        rows = await corrections.listing(pool, authority, which, before=query.cursor, limit=query.limit + 1)
    page = rows[: query.limit]
    more = page[-1].correction_id if len(rows) > query.limit else None
    if page:
        listed = {"corrections": [str(row.correction_id) for row in page]}
        await request.app[WITNESS].saw(request[CALLER], "listed", fields=[WORDS], detail=listed)
    return json_answer(CorrectionPage(pairs=pairs, items=page, next=more))


def _referral_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["referral_id"])
    except ValueError:
        raise NotFound("referral id: not an id") from None


def referred_answer(request: web.Request, changed: Changed, status: int = 200) -> web.Response:
    """What a referral has become, with its new ETag."""
    return json_answer(_referred(request, changed), status, etag(changed.version))


def _referred(request: web.Request, changed: Changed) -> Referred:
    door = request.app[UNDERSTANDING].door
    part = changed.part
    code = part.service or ""
    service = door.catalogue.services.get(code)
    organisation = door.authorities[request[CALLER].authority].organisations.get(part.organisation or "")
    return Referred(
        referral_id=changed.before.referral_id,
        reference=changed.before.reference,
        service=code,
        service_name=service.name if service else code,
        organisation=part.organisation,
        organisation_name=organisation.name if organisation else None,
        state=changed.state,
        priority=changed.priority.name.lower(),
        rule=part.rule,
        reasons=part.reasons,
        signpost=part.signpost,
        tell=part.tell,
        updated_at=changed.updated_at,
        version=changed.version,
    )


ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/referrals/{referral_id}/service",
        handler=correct,
        auth=Auth.KEY,
        tag="Referrals",
        summary="Say what it really is",
        description="Decides a referral in triage, or changes a wrong one that is still open. The rules say who gets it, "
        "with what is stored of the request, unless you name the organisation. What was not taken yet elsewhere is "
        "withdrawn; the history keeps who, from what, to what and why. A safeguarding referral keeps its priority and "
        "its alarm. 409 if the referral has ended, changes at the same moment, or is so already.",
        body=RightService,
        headers=IF_MATCH,
        answers={200: Referred},
        problems=CHANGE_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/corrections",
        handler=listing,
        auth=Auth.KEY,
        tag="Referrals",
        summary="What people put right",
        description="By pair of services with how often, and a page of single ones. Nothing is learnt from them by itself: "
        "`front-door corrections propose` makes examples of them for a person to review.",
        query=CorrectionQuery,
        answers={200: CorrectionPage},
        problems=(401, 422, 503),
    ),
]
