"""Why a request was decided as it was, and what would be done with words that are still being typed."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from gateway.api.callbacks import CLOCK
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.masking import WORDS
from gateway.api.reading import checked_text, read_body
from gateway.api.staff import MOST_CHARACTERS, POOL, UNDERSTANDING, WITNESS, Channel
from gateway.errors import InvalidInput, NotFound, Overloaded
from gateway.identifiers import read_reference
from gateway.store.decisions import Change, read_decision
from gateway.store.pool import unavailable_is_clear
from routing_rules.decision import Action, Choice, Decision, Emergency, Facts, Part, Signpost
from routing_rules.door import Door
from routing_rules.errors import NotKnown
from routing_rules.explain import name_of
from routing_rules.postcodes import normalise

MOST_AT_ONCE: Final = 32
"""Suggestions being worked out at once: those who type may wait, those who have sent may not."""
SUGGESTING = web.AppKey("suggesting", asyncio.Semaphore)

Code = Annotated[str, msgspec.Meta(max_length=60)]


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has been typed so far, and what is known."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
    channel: Channel = "phone"
    postcode: Annotated[str, msgspec.Meta(max_length=10)] | None = None
    """One that is not complete yet is left aside."""
    service: Code | None = None
    age: Annotated[int, msgspec.Meta(ge=0, le=130)] | None = None
    language: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    provider: Code | None = None


class Suggested(msgspec.Struct, frozen=True, kw_only=True):
    """One service to choose."""

    service: str
    service_name: str
    organisation: str | None
    organisation_name: str | None
    confidence: float


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One need in the words."""

    text: str
    action: Action
    service: str | None
    service_name: str | None
    organisation: str | None
    organisation_name: str | None
    confidence: float
    alternatives: list[Suggested]
    evidence: list[str]
    rule: str | None
    reasons: list[str]
    priority: str
    chain: list[str]
    """Who is next if the first does not take it."""
    notify: list[str]
    signpost: Signpost | None
    question: str | None
    ask: list[str]
    """What this service needs to know."""
    tell: str | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done."""

    parts: list[Need]
    emergency: Emergency | None
    """If there is one, say its `words` at once."""
    language: str | None
    engine: str
    explanation: list[str]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in sentences."""

    reference: str
    engine: str
    """Which engine and rules decided."""
    sentences: list[str]
    changes: list[Change]
    """What people changed later, oldest first."""


async def explanation(request: web.Request) -> web.Response:
    """GET /api/v1/requests/{reference}/explanation."""
    reference = read_reference(request.match_info["reference"])
    if reference is None:
        raise NotFound("this is no reference; check it again with the person who gave it")
    with unavailable_is_clear():
        found = await read_decision(request.app[POOL], request[CALLER].authority, reference)
    if found is None:
        raise NotFound(f"there is no request {reference}")
    await request.app[WITNESS].saw(
        request[CALLER], "read", request_id=found.request_id, fields=[WORDS], detail={"what": "explanation"}
    )
    door = request.app[UNDERSTANDING].door
    sentences = [*door.explain(found.decision), *(_changed(change, door) for change in found.changes)]
    return json_answer(
        Explanation(
            reference=reference,
            engine=found.decision.engine,
            sentences=sentences,
            changes=found.changes,
        )
    )


async def decide(request: web.Request) -> web.Response:
    """POST /api/v1/decide."""
    body = await read_body(request, Words)
    authority = request[CALLER].authority
    facts = Facts(
        authority=authority,
        now=request.app[CLOCK].now(),
        channel=body.channel,
        postcode=normalise(body.postcode) if body.postcode else None,
        age=body.age,
        language=body.language,
        service=body.service,
        provider=body.provider,
    )
    text = checked_text(body.text, "/text")
    suggesting = request.app[SUGGESTING]
    if suggesting.locked():
        raise Overloaded("too many suggestions at once")
    door = request.app[UNDERSTANDING].door
    async with suggesting:
        try:
            decision = await request.app[UNDERSTANDING].decide(text, facts, door)
        except NotKnown as error:
            raise InvalidInput(str(error), pointer="/service") from None
    return json_answer(_preview(decision, door, authority))


def _preview(decision: Decision, door: Door, authority: str) -> Preview:
    return Preview(
        parts=[_need(part, door, authority) for part in decision.parts],
        emergency=decision.emergency,
        language=decision.language,
        engine=decision.engine,
        explanation=door.explain(decision),
    )


def _need(part: Part, door: Door, authority: str) -> Need:
    return Need(
        text=part.text,
        action=part.action,
        service=part.service,
        service_name=name_of(part.service, door.catalogue) if part.service else None,
        organisation=part.organisation,
        organisation_name=_organisation(part.organisation, door, authority),
        confidence=part.confidence,
        alternatives=[_suggested(choice, door, authority) for choice in part.alternatives],
        evidence=part.evidence,
        rule=part.rule,
        reasons=part.reasons,
        priority=part.priority,
        chain=part.chain,
        notify=part.notify,
        signpost=part.signpost,
        question=part.question,
        ask=part.ask,
        tell=part.tell,
    )


def _suggested(choice: Choice, door: Door, authority: str) -> Suggested:
    return Suggested(
        service=choice.service,
        service_name=name_of(choice.service, door.catalogue),
        organisation=choice.organisation,
        organisation_name=_organisation(choice.organisation, door, authority),
        confidence=choice.confidence,
    )


def _organisation(code: str | None, door: Door, authority: str) -> str | None:
    known = door.authorities[authority].organisations.get(code or "")
    return known.name if known else None


def _changed(change: Change, door: Door) -> str:
    detail: dict[str, Any] = change.detail
    before = detail.get("service_before")
    was = name_of(before, door.catalogue) if before else "undecided"
    to = detail.get("organisation")
    now = f"{name_of(detail['service_after'], door.catalogue)}{f' → {to}' if to else ''}"
    when: datetime = change.at
    reason = str(detail["reason"]).rstrip(".")
    return f"Need {change.part} was changed by {change.by} on {when:%Y-%m-%d %H:%M} UTC, from {was} to {now}: {reason}."


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/requests/{reference}/explanation",
        handler=explanation,
        auth=Auth.KEY,
        tag="Requests",
        summary="Why it was decided so, in sentences",
        description="Which words and examples spoke for it, which rule fired, what came second and why not; and what people "
        "changed later.",
        answers={200: Explanation},
        problems=(401, 404, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/decide",
        handler=decide,
        auth=Auth.KEY,
        tag="Requests",
        summary="What would be done with these words",
        description="Nothing is stored and nobody is told: for suggestions while somebody types. If a person may be in "
        "danger, `emergency` says so.",
        body=Words,
        answers={200: Preview},
        problems=(400, 401, 413, 415, 422, 503),
    ),
]
