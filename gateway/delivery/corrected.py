"""What a person wants a referral to be, what it becomes, and the rows that this leaves behind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.errors import InvalidInput
from gateway.identifiers import uuid7
from gateway.model import Delivery, Event, Priority, Referral, State
from gateway.store.corrections import Correction, Standing
from gateway.work.seen import ANY, Seen
from routing_rules.authority import Authority
from routing_rules.decision import Action, Part
from routing_rules.errors import nearest


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided."""

    service: str | None
    """`None`: as it is. With `accept`: what the door thought likeliest."""
    reason: str
    organisation: str | None = None
    """Whom they chose; else the rules say."""
    seen: Seen = ANY
    """The version that they looked at."""
    accept: bool = False
    reopen: bool = False
    """Whether it may have ended."""
    people: bool = False
    """It goes to nobody but waits for a person here to decide."""
    not_fixed: bool = False
    """The citizen says so: whoever claimed it does not hold that back, an alarm rings again, and `reason`, which is what
    the citizen says, goes along with their words."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What the referral has become."""

    before: Standing
    state: State
    priority: Priority
    part: Part
    """What the rules made of it."""
    updated_at: datetime
    version: int = 0


def given_to(part: Part, organisation: str, authority: Authority) -> Part:
    """The same need with the organisation that a person chose; whom the rules would have chosen is next in line."""
    known = authority.organisations
    if organisation not in known:
        near = nearest(organisation, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InvalidInput(f"there is no organisation {organisation!r}{hint}", pointer="/organisation")
    if part.action is Action.REFUSE:
        raise InvalidInput(
            "what is out of scope goes to nobody: leave the organisation out", pointer="/organisation"
        )
    if organisation == part.organisation:
        return part
    chain = [
        code
        for code in dict.fromkeys((part.organisation or "", *part.chain))
        if code in known and code != organisation
    ]
    return replace(
        part,
        action=part.action if part.action is Action.EMERGENCY else Action.ROUTE,
        organisation=organisation,
        chain=chain,
        notify=[code for code in part.notify if code != organisation],
        signpost=None,
        rule=None,
        reasons=[*part.reasons, f"A person chose {authority.name_of(organisation)}."],
    )


def with_words(text: str, wanted: Wanted) -> str:
    """The need's words as whoever gets it now is told them: what is still wrong stands behind what was."""
    return f"{text}\n\nNot fixed: {wanted.reason}" if wanted.not_fixed else text


def delivery_of(authority: str, changed: Changed, organisation: str, role: str) -> Delivery:
    """One hand-over of what the referral has become."""
    there, now = changed.before, changed.updated_at
    return Delivery(
        authority_id=authority,
        delivery_id=uuid7(now),
        referral_id=there.referral_id,
        request_id=there.request_id,
        organisation=organisation,
        role=role,
        priority=changed.priority,
        due_at=now,
        traceparent=f"00-{there.trace_id}-{os.urandom(8).hex()}-01",
    )


def event_of(authority: str, changed: Changed, wanted: Wanted, actor: str, stood: Mapping[str, str]) -> Event:
    """What the history says: from what, to what, and why."""
    there, part = changed.before, changed.part
    detail: dict[str, Any] = {
        "service_before": there.service,
        "service_after": wanted.service,
        "organisation_before": there.organisation,
        "organisation": part.organisation,
        "state_before": there.state.value,
        "state": changed.state.value,
        "rule": part.rule,
        "reason": wanted.reason,
    }
    if stood:
        # Who may have it already, and should be told that it is not theirs.
        detail["handed_over_before"] = dict(stood)
    return Event(
        authority_id=authority,
        event_id=uuid7(changed.updated_at),
        request_id=there.request_id,
        referral_id=there.referral_id,
        at=changed.updated_at,
        kind="reopened" if wanted.reopen else "corrected",
        actor=actor,
        detail=detail,
    )


def referral_of(authority: str, changed: Changed, service: str) -> Referral:
    """The referral as an alarm that is raised for it needs it."""
    there = changed.before
    return Referral(
        authority_id=authority,
        referral_id=there.referral_id,
        request_id=there.request_id,
        part=1,
        text=there.text,
        service=service,
        organisation=changed.part.organisation,
        state=changed.state,
        priority=changed.priority,
        chain=changed.part.chain,
        created_at=changed.updated_at,
    )


def lesson_of(authority: str, changed: Changed, service: str, reason: str, actor: str) -> Correction:
    """The correction as it is kept to learn from."""
    there = changed.before
    return Correction(
        authority_id=authority,
        correction_id=uuid7(changed.updated_at),
        referral_id=there.referral_id,
        request_id=there.request_id,
        text=there.text,
        service_before=there.service,
        service_after=service,
        by=actor,
        reason=reason,
        at=changed.updated_at,
        engine=there.engine,
    )
