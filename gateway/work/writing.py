"""What staff write: notes for themselves, messages that the citizen sees, tags, call-backs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.errors import Conflict, InvalidInput, NotFound
from gateway.identifiers import uuid7
from gateway.model import Event
from gateway.store import call_backs, clocks, messages, versions
from gateway.store.call_backs import CallBack
from gateway.store.messages import Message
from gateway.store.outcomes import add_event
from gateway.store.pool import Connection
from gateway.work.desk import Desk
from routing_rules.catalogue import Catalogue
from routing_rules.hours import LONDON
from routing_rules.replies import Reply

STATUS = {
    "triage": "a person is looking at it",
    "routed": "it is on its way to the people who deal with it",
    "delivered": "the people who deal with it have it",
    "in_progress": "it is being worked on",
    "resolved": "it is done",
    "rejected": "a person is looking at it",
    "cancelled": "it has been closed",
    "undeliverable": "a person is looking at it",
    "uncertain": "a person is looking at it",
    "signposted": "somebody else answers for it, and we have told you who",
}
"""Where a need stands, as the citizen is told."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply is filled in from."""

    reference: str
    name: str | None
    service: str | None
    organisation: str | None
    state: str | None
    due: datetime | None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that could be sent."""

    id: str
    title: str
    text: str
    missing: list[str]
    """Placeholders that stand in the text still, because nothing is known for them: it cannot be sent like that."""


async def note(
    connection: Connection,
    desk: Desk,
    authority: str,
    request_id: UUID,
    *,
    kind: str,
    text: str,
    actor: str,
    referral_id: UUID | None = None,
    reply: str | None = None,
) -> Message:
    """Keep a note or a message; a message to the citizen answers them, so the clock knows."""
    now = desk.clock.now()
    message = msgspec.convert(
        {
            "message_id": uuid7(now),
            "referral_id": referral_id,
            "kind": kind,
            "text": text,
            "by": actor,
            "at": now,
            "reply": reply,
        },
        Message,
    )
    await messages.add(connection, authority, request_id, message)
    if kind == "message":
        await clocks.answered(connection, authority, request_id, referral_id, now)
    await _tell(connection, authority, request_id, referral_id, f"{kind}_written", actor, now)
    return message


async def set_tags(
    connection: Connection, desk: Desk, authority: str, request_id: UUID, wanted: Sequence[str], actor: str
) -> list[str]:
    """These and no others."""
    now = desk.clock.now()
    await messages.set_tags(connection, authority, request_id, wanted, actor, now)
    await _tell(connection, authority, request_id, None, "tagged", actor, now)
    return await messages.tags(connection, authority, request_id)


async def book(
    connection: Connection,
    desk: Desk,
    authority: str,
    request_id: UUID,
    *,
    reference: str,
    referral_id: UUID | None,
    due_at: datetime,
    phone: str | None,
    note: str,
    for_whom: str | None,
    actor: str,
) -> CallBack:
    """Book a call-back. Raises `InvalidInput` for a time that is past or at which nobody is there."""
    now = desk.clock.now()
    check_time(desk, authority, due_at)
    call_back = CallBack(
        call_back_id=uuid7(now),
        reference=reference,
        referral_id=referral_id,
        due_at=due_at,
        phone=phone,
        note=note,
        for_whom=for_whom,
        booked_by=actor,
        booked_at=now,
        done_at=None,
        done_by=None,
        outcome=None,
        version=1,
    )
    await call_backs.add(connection, authority, request_id, call_back, phone)
    await _tell(connection, authority, request_id, referral_id, "call_back_booked", actor, now)
    kept = await call_backs.read(connection, authority, call_back.call_back_id)
    assert kept is not None
    return kept


def check_time(desk: Desk, authority: str, due_at: datetime) -> None:
    """Raise `InvalidInput` unless somebody is there to call then; the message names the next time that somebody is."""
    if due_at <= desk.clock.now():
        raise InvalidInput("is past", pointer="/due_at")
    place = desk.authority(authority)
    hours = place.clocks.of(place.settings.worklist)
    if not hours.is_open(due_at):
        opens = hours.next_opening(due_at)
        hint = f"; from {opens.astimezone(LONDON):%A %-d %B %H:%M} on there is" if opens else ""
        raise InvalidInput(f"there is nobody to call then{hint}", pointer="/due_at")


async def finish_call_back(
    connection: Connection,
    desk: Desk,
    authority: str,
    found: CallBack,
    *,
    outcome: str,
    again_at: datetime | None,
    actor: str,
) -> CallBack:
    """It was made, or is not needed. With `again_at` nobody answered and it is tried again then."""
    now = desk.clock.now()
    request_id = await call_backs.lock(connection, authority, found.call_back_id)
    if request_id is None:
        raise NotFound(f"there is no call-back {found.call_back_id}")
    if found.done_at is not None:
        raise Conflict(f"it is done: {found.outcome}")
    if again_at is not None:
        check_time(desk, authority, again_at)
        await call_backs.move(connection, authority, found.call_back_id, again_at)
    else:
        await call_backs.finish(connection, authority, found.call_back_id, outcome, actor, now)
    if outcome == "reached":
        await clocks.answered(connection, authority, request_id, found.referral_id, now)
    kind = "call_back_moved" if again_at else f"call_back_{outcome.replace('-', '_')}"
    await _tell(connection, authority, request_id, found.referral_id, kind, actor, now)
    kept = await call_backs.read(connection, authority, found.call_back_id)
    assert kept is not None
    return kept


def drafts(desk: Desk, authority: str, about: About) -> list[Draft]:
    """The authority's replies that fit, filled in with what is known."""
    catalogue = desk.understanding.door.catalogue
    service = catalogue.services.get(about.service or "")
    group = service.group if service else None
    replies = desk.authority(authority).replies.reply
    return [
        _draft(reply, values(desk, authority, about, catalogue))
        for reply in replies
        if reply.fits(about.service, group)
    ]


def values(desk: Desk, authority: str, about: About, catalogue: Catalogue) -> dict[str, str | None]:
    """What the placeholders become."""
    place = desk.authority(authority)
    service = catalogue.services.get(about.service or "")
    return {
        "name": about.name,
        "reference": about.reference,
        "service": service.name if service else None,
        "organisation": place.name_of(about.organisation) if about.organisation else None,
        "status": STATUS.get(about.state or ""),
        "authority": place.name,
        "phone": place.settings.public_contact.phone,
        "due": f"{about.due.astimezone(LONDON):%A %-d %B}" if about.due else None,
    }


def _draft(reply: Reply, known: dict[str, str | None]) -> Draft:
    text, missing = reply.filled(known)
    return Draft(id=reply.id, title=reply.title, text=text.strip(), missing=missing)


async def _tell(
    connection: Connection,
    authority: str,
    request_id: UUID,
    referral_id: UUID | None,
    kind: str,
    actor: str,
    now: datetime,
) -> None:
    """The history says that and by whom; the words stand where they belong. And the request is another version."""
    await versions.touch(connection, authority, request_id)
    event = Event(
        authority_id=authority,
        event_id=uuid7(now),
        request_id=request_id,
        referral_id=referral_id,
        at=now,
        kind=kind,
        actor=actor,
        detail={},
    )
    await add_event(connection, event)
