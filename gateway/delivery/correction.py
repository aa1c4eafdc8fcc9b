"""A person puts right what the door decided: another service, another organisation; with a reason, kept to learn from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.delivery.ladder import raised
from gateway.errors import Conflict, InvalidInput, NotFound, Stale
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import ENDED, Delivery, Event, Priority, Referral, State, may_follow
from gateway.store import corrections
from gateway.store.corrections import Standing
from gateway.store.outcomes import add_delivery, add_event
from gateway.store.pool import Connection, Pool, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.understanding import Understanding
from gateway.work.clocks import change_service
from gateway.work.seen import ANY, Seen
from routing_rules.authority import Authority
from routing_rules.catalogue import OUT_OF_SCOPE
from routing_rules.decision import Action, Facts, Part
from routing_rules.door import Door
from routing_rules.errors import NotKnown, nearest

_STATE = {
    Action.ROUTE: State.ROUTED,
    Action.EMERGENCY: State.ROUTED,
    Action.SIGNPOST: State.SIGNPOSTED,
    Action.REFUSE: State.CANCELLED,
}


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


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What the referral has become."""

    before: Standing
    state: State
    priority: Priority
    part: Part
    """What the rules made of it."""
    updated_at: datetime
    version: int = 0


class Correcting:
    """Changes referrals, each in one transaction with its event, its deliveries and what is kept to learn from."""

    def __init__(
        self,
        pool: Pool,
        understanding: Understanding,
        clock: Clock,
        metrics: Metrics,
        *,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._understanding = understanding
        self._clock = clock
        self._metrics = metrics
        self._wake = wake

    async def correct(self, authority: str, referral_id: UUID, wanted: Wanted, *, actor: str) -> Changed:
        """Give a referral the right service, or organisation.

        Raises `NotFound`; `InvalidInput` for a service or organisation that is not there, or where the rules leave the
        choice to people; `Conflict` where the referral has ended, has changed meanwhile, or is so already.
        """
        door = self._understanding.door
        with unavailable_is_clear():
            seen = await corrections.look(self._pool, authority, referral_id)
            if seen is None:
                raise NotFound(f"there is no referral {referral_id}")
            wanted = self._look(seen, wanted, actor)
            part = await asyncio.to_thread(self._decide, door, authority, seen, wanted)
            async with scoped(self._pool, authority) as connection:
                now = self._clock.now()
                there = await corrections.lock(connection, authority, referral_id)
                if there != seen:
                    raise Stale("the referral has just changed; look at it again", version=there.version)
                changed = Changed(
                    before=there,
                    state=_STATE[part.action],
                    # Whatever it turns out to be: once a person may be in danger, a person looks at it first.
                    priority=min(Priority.named(there.priority), Priority.named(part.priority)),
                    part=part,
                    updated_at=now,
                )
                _check_end(changed)
                version = await self._write(connection, door.authority(authority), changed, wanted, actor)
        self._metrics.corrections.labels(authority).inc()
        self._wake()
        return replace(changed, version=version)

    def _look(self, seen: Standing, wanted: Wanted, actor: str) -> Wanted:
        """What is wanted in full, if it may be."""
        wanted.seen.check(seen.version)
        if (
            seen.claimed_until is not None
            and seen.claimed_until > self._clock.now()
            and seen.claimed_by != actor
        ):
            raise Conflict(f"{seen.claimed_by} works on it until {seen.claimed_until:%Y-%m-%d %H:%M} UTC")
        # What was refused has ended too, but it never was with anybody: that can always be put right.
        refused = seen.state is State.CANCELLED and seen.service == OUT_OF_SCOPE
        if seen.state in ENDED and not (wanted.reopen or refused):
            raise Conflict(f"the referral has ended: it is {seen.state}; reopen it first")
        if wanted.reopen and seen.state not in ENDED:
            raise Conflict(f"the referral has not ended: it is {seen.state}")
        service = wanted.service or (seen.proposed if wanted.accept else seen.service)
        if service is None:
            raise Conflict("nobody has said yet what it is: name the service")
        return replace(wanted, service=service)

    def _decide(self, door: Door, authority: str, seen: Standing, wanted: Wanted) -> Part:
        facts = Facts(
            authority=authority,
            now=self._clock.now(),  # whoever is open now, not when the citizen called
            channel=seen.channel,
            postcode=seen.postcode,
            age=seen.given.age,
            language=seen.given.language,
            service=wanted.service,
            provider=seen.given.provider,
        )
        try:
            part = door.for_service(seen.text, facts)
        except NotKnown as error:
            raise InvalidInput(str(error), pointer="/service") from None
        if wanted.organisation is not None:
            part = given_to(part, wanted.organisation, door.authority(authority))
        if part.action not in _STATE:
            raise InvalidInput(
                "the rules leave this service to people: name the organisation", pointer="/organisation"
            )
        same = wanted.service == seen.service and part.organisation == seen.organisation
        if same and not wanted.reopen and seen.state is not State.TRIAGE:
            raise Conflict("the referral has this service and this organisation already")
        return part

    async def _write(
        self, connection: Connection, authority: Authority, changed: Changed, wanted: Wanted, actor: str
    ) -> int:
        there, part, now = changed.before, changed.part, changed.updated_at
        assert wanted.service is not None
        stood = await corrections.call_back(connection, authority.code, there.referral_id, now)
        version = await corrections.change(
            connection,
            authority.code,
            there.referral_id,
            service=wanted.service,
            organisation=part.organisation,
            state=changed.state,
            priority=changed.priority,
            chain=part.chain if changed.state is State.ROUTED else [],
            now=now,
        )
        await add_event(connection, _event(authority.code, changed, wanted, actor, stood))
        if changed.state is State.ROUTED and part.organisation is not None:
            for organisation, role in [
                (part.organisation, "lead"),
                *((code, "notify") for code in part.notify),
            ]:
                await add_delivery(connection, _delivery(authority.code, changed, organisation, role))
        await self._alarm(connection, authority, changed, wanted.service)
        if wanted.service != there.service:
            await corrections.keep(
                connection, _lesson(authority.code, changed, wanted.service, wanted.reason, actor)
            )
        await change_service(connection, authority, there, wanted.service)
        return version

    async def _alarm(
        self, connection: Connection, authority: Authority, changed: Changed, service: str
    ) -> None:
        """A danger that a person found rings as one that the door found; one that rings already goes on."""
        there, now = changed.before, changed.updated_at
        if changed.part.priority != "safeguarding":
            return
        if there.has_alarm:
            await corrections.name_alarm(connection, authority.code, there.referral_id, service)
            return
        alarm, told = raised(authority, _referral(authority.code, changed, service), now)
        await corrections.raise_alarm(connection, alarm)
        for organisation in told:
            if organisation not in {changed.part.organisation, *changed.part.notify}:
                await add_delivery(connection, _delivery(authority.code, changed, organisation, "alarm"))
        event = Event(
            authority_id=authority.code,
            event_id=uuid7(now),
            request_id=there.request_id,
            referral_id=there.referral_id,
            at=now,
            kind="alarm_raised",
            actor="front-door",
            detail={"told": told},
        )
        await add_event(connection, event)


def _check_end(changed: Changed) -> None:
    if not may_follow(changed.before.state, changed.state):
        raise Conflict(f"a referral that is {changed.before.state} cannot become {changed.state}")
    if changed.before.ringing and changed.state in ENDED:
        raise Conflict("its safeguarding alarm still rings: a named person answers that first")


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


def _delivery(authority: str, changed: Changed, organisation: str, role: str) -> Delivery:
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


def _event(authority: str, changed: Changed, wanted: Wanted, actor: str, stood: Mapping[str, str]) -> Event:
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


def _referral(authority: str, changed: Changed, service: str) -> Referral:
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


def _lesson(
    authority: str, changed: Changed, service: str, reason: str, actor: str
) -> corrections.Correction:
    there = changed.before
    return corrections.Correction(
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
