"""A request's needs, put right by staff: one that the door did not see is added, one that was two is split."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from gateway.delivery.corrected import given_to
from gateway.delivery.ladder import raised
from gateway.errors import Conflict, InvalidInput
from gateway.identifiers import uuid7
from gateway.model import ENDED, Delivery, Event, Priority, Referral, State
from gateway.store import corrections, work
from gateway.store import parts as store
from gateway.store.outcomes import add_delivery, add_event
from gateway.store.parts import Whole
from gateway.store.pool import Connection
from gateway.work import clocks
from gateway.work.desk import Desk
from gateway.work.seen import Seen
from routing_rules.authority import Authority
from routing_rules.decision import Action, Facts, Part
from routing_rules.errors import NotKnown

_STATE = {
    Action.ROUTE: State.ROUTED,
    Action.EMERGENCY: State.ROUTED,
    Action.SIGNPOST: State.SIGNPOSTED,
    Action.REFUSE: State.CANCELLED,
}


class NewPart(msgspec.Struct, frozen=True, kw_only=True):
    """One need as staff see it."""

    text: str
    service: str | None
    """`None`: to triage."""
    organisation: str | None = None


async def add(
    connection: Connection,
    desk: Desk,
    authority: str,
    reference: str,
    parts: list[NewPart],
    *,
    actor: str,
    reason: str,
    seen: Seen,
) -> list[UUID]:
    """Add needs to a request: each is routed by the rules as of now, or waits in triage. Their referrals' ids."""
    whole = await desk.take_request(connection, authority, reference, seen=seen)
    found = await store.look(connection, authority, whole.request_id)
    return await _add(connection, desk, authority, found, parts, "added", actor, reason)


async def split(
    connection: Connection,
    desk: Desk,
    authority: str,
    referral_id: UUID,
    *,
    keep: str,
    parts: list[NewPart],
    actor: str,
    reason: str,
    seen: Seen,
) -> list[UUID]:
    """Leave `keep` of the words with this need, and make needs of their own of the others. The new referrals' ids."""
    item = await desk.take(connection, authority, referral_id, seen=seen, actor=actor)
    if item.state in ENDED:
        raise Conflict(f"it has ended: it is {item.state}; reopen it first")
    if item.priority == "safeguarding" or item.has_alarm:
        raise Conflict("what is about somebody's safety stays whole: add the other need to the request")
    now = desk.clock.now()
    await work.write(connection, authority, referral_id, text=keep, updated_at=now)
    found = await store.look(connection, authority, item.request_id)
    made = await _add(connection, desk, authority, found, parts, "added", actor, reason)
    detail = {"reason": reason, "into": [str(each) for each in made]}
    await desk.tell(connection, authority, item, "split", actor, detail, now=now)
    return made


async def _add(
    connection: Connection,
    desk: Desk,
    authority: str,
    whole: Whole,
    parts: list[NewPart],
    kind: str,
    actor: str,
    reason: str,
) -> list[UUID]:
    now, place = desk.clock.now(), desk.authority(authority)
    made: list[UUID] = []
    for number, wanted in enumerate(parts, start=whole.parts + 1):
        pointer = f"/parts/{number - whole.parts - 1}"
        part = await asyncio.to_thread(_decide, desk, authority, whole, wanted, now, pointer)
        referral = _referral(authority, whole, part, number, now)
        await store.insert(connection, referral)
        made.append(referral.referral_id)
        detail = {"reason": reason, "service": part.service, "organisation": part.organisation}
        await add_event(connection, _event(referral, kind, actor, detail, now))
        if referral.state is State.ROUTED and part.organisation is not None:
            await add_delivery(connection, _delivery(referral, whole, part.organisation, "lead", now))
            for code in part.notify:
                await add_delivery(connection, _delivery(referral, whole, code, "notify", now))
        if referral.priority is Priority.SAFEGUARDING:
            await _alarm(connection, place, referral, whole, part, now)
        if referral.state not in ENDED:
            await clocks.begin(
                connection,
                place,
                referral.referral_id,
                referral.request_id,
                referral.service,
                whole.created_at,
            )
    return made


def _decide(desk: Desk, authority: str, whole: Whole, wanted: NewPart, now: datetime, pointer: str) -> Part:
    if wanted.service is None:
        if wanted.organisation is not None:
            raise InvalidInput("goes with a service", pointer=f"{pointer}/organisation")
        place = desk.authority(authority)
        return Part(text=wanted.text, action=Action.TRIAGE, chain=[place.settings.worklist])
    facts = Facts(
        authority=authority,
        now=now,
        channel=whole.channel,
        postcode=whole.postcode,
        age=whole.given.age,
        language=whole.given.language,
        service=wanted.service,
        provider=whole.given.provider,
    )
    try:
        part = desk.understanding.door.for_service(wanted.text, facts)
    except NotKnown as error:
        raise InvalidInput(str(error), pointer=f"{pointer}/service") from None
    if wanted.organisation is not None:
        part = given_to(part, wanted.organisation, desk.authority(authority))
    return part


def _referral(authority: str, whole: Whole, part: Part, number: int, now: datetime) -> Referral:
    state = _STATE.get(part.action, State.TRIAGE)
    return Referral(
        authority_id=authority,
        referral_id=uuid7(now),
        request_id=whole.request_id,
        part=number,
        text=part.text,
        service=part.service,
        organisation=part.organisation if state is not State.TRIAGE else None,
        state=state,
        priority=Priority.named(part.priority),
        chain=part.chain,
        created_at=now,
    )


def _delivery(referral: Referral, whole: Whole, organisation: str, role: str, now: datetime) -> Delivery:
    return Delivery(
        authority_id=referral.authority_id,
        delivery_id=uuid7(now),
        referral_id=referral.referral_id,
        request_id=referral.request_id,
        organisation=organisation,
        role=role,
        priority=referral.priority,
        due_at=now,
        traceparent=f"00-{whole.trace_id}-{os.urandom(8).hex()}-01",
    )


async def _alarm(
    connection: Connection, place: Authority, referral: Referral, whole: Whole, part: Part, now: datetime
) -> None:
    """A danger that a person saw rings as one that the door saw."""
    alarm, told = raised(place, referral, now)
    await corrections.raise_alarm(connection, alarm)
    for organisation in told:
        if organisation not in {part.organisation, *part.notify}:
            await add_delivery(connection, _delivery(referral, whole, organisation, "alarm", now))
    await add_event(connection, _event(referral, "alarm_raised", "front-door", {"told": told}, now))


def _event(referral: Referral, kind: str, actor: str, detail: dict[str, Any], now: datetime) -> Event:
    return Event(
        authority_id=referral.authority_id,
        event_id=uuid7(now),
        request_id=referral.request_id,
        referral_id=referral.referral_id,
        at=now,
        kind=kind,
        actor=actor,
        detail=detail,
    )
