"""A person puts right what the door decided: another service, another organisation; with a reason, kept to learn from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

from msgspec.structs import replace

from gateway.callers import Caller
from gateway.clock import Clock
from gateway.delivery.corrected import (
    Changed,
    Wanted,
    delivery_of,
    event_of,
    given_to,
    lesson_of,
    referral_of,
    with_words,
)
from gateway.delivery.ladder import raised
from gateway.errors import Conflict, InvalidInput, NotFound, Stale
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import ENDED, Event, Priority, State, may_follow
from gateway.store import alarms, corrections, links
from gateway.store.corrections import Standing
from gateway.store.outcomes import add_delivery, add_event
from gateway.store.pool import Connection, Pool, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.understanding import Understanding
from gateway.work.clocks import change_service
from routing_rules.authority import Authority
from routing_rules.catalogue import OUT_OF_SCOPE
from routing_rules.decision import Action, Facts, Part
from routing_rules.door import Door
from routing_rules.errors import NotKnown

_STATE = {
    Action.ROUTE: State.ROUTED,
    Action.EMERGENCY: State.ROUTED,
    Action.SIGNPOST: State.SIGNPOSTED,
    Action.REFUSE: State.CANCELLED,
    Action.TRIAGE: State.TRIAGE,
}


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

    async def correct(self, caller: Caller, referral_id: UUID, wanted: Wanted) -> Changed:
        """Give a referral the right service, or organisation.

        Raises `NotFound`; `InvalidInput` for a service or organisation that is not there, or where the rules leave the
        choice to people; `Conflict` where the referral has ended, has changed meanwhile, or is so already.
        """
        door, authority = self._understanding.door, caller.authority
        with unavailable_is_clear():
            seen = await corrections.look(self._pool, authority, referral_id)
            if seen is None:
                raise NotFound(f"there is no referral {referral_id}")
            wanted = self._look(seen, wanted, caller)
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
                version = await self._write(
                    connection, door.authority(authority), changed, wanted, caller.actor
                )
        self._metrics.corrections.labels(authority).inc()
        self._wake()
        return replace(changed, version=version)

    def _look(self, seen: Standing, wanted: Wanted, caller: Caller) -> Wanted:
        """What is wanted in full, if it may be."""
        wanted.seen.check(seen.version)
        if (
            seen.claimed_until is not None
            and seen.claimed_until > self._clock.now()
            and seen.claimed_by != caller.actor
            and not wanted.not_fixed
        ):
            raise Conflict(f"{seen.claimed_by} works on it until {seen.claimed_until:%Y-%m-%d %H:%M} UTC")
        # What was refused has ended too, but it never was with anybody: that can always be put right.
        refused = seen.state is State.CANCELLED and seen.service == OUT_OF_SCOPE
        if seen.state in ENDED and not (wanted.reopen or refused):
            raise Conflict(f"the referral has ended: it is {seen.state}; reopen it first")
        if wanted.reopen and seen.state not in ENDED:
            raise Conflict(f"the referral has not ended: it is {seen.state}")
        service = wanted.service or (seen.proposed if wanted.accept else seen.service)
        if service is None and not wanted.people:
            raise Conflict("nobody has said yet what it is: name the service")
        return replace(wanted, service=service)

    def _decide(self, door: Door, authority: str, seen: Standing, wanted: Wanted) -> Part:
        if wanted.people:
            return Part(
                text=seen.text,
                action=Action.TRIAGE,
                service=wanted.service,
                priority=seen.priority,
                reasons=["A person looks at it first."],
            )
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
        if part.action not in _STATE or part.action is Action.TRIAGE:
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
        if there.state is State.RESOLVED:
            await links.open_together(connection, authority.code, there.referral_id, actor, now)
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
            text=with_words(there.text, wanted),
            now=now,
        )
        await add_event(connection, event_of(authority.code, changed, wanted, actor, stood))
        if changed.state is State.ROUTED and part.organisation is not None:
            for organisation, role in [
                (part.organisation, "lead"),
                *((code, "notify") for code in part.notify),
            ]:
                await add_delivery(connection, delivery_of(authority.code, changed, organisation, role))
        await self._alarm(connection, authority, changed, wanted)
        if wanted.service is not None and wanted.service != there.service:
            await corrections.keep(
                connection, lesson_of(authority.code, changed, wanted.service, wanted.reason, actor)
            )
        if wanted.service is not None:
            await change_service(connection, authority, there, wanted.service)
        return version

    async def _alarm(
        self, connection: Connection, authority: Authority, changed: Changed, wanted: Wanted
    ) -> None:
        """A danger that a person found rings as one that the door found; one that rings already goes on.

        One that was answered rings again where the citizen says that it is not over.
        """
        there, now, service = changed.before, changed.updated_at, wanted.service
        if there.has_alarm and wanted.not_fixed:
            await alarms.ring_again(connection, authority.code, there.referral_id, now)
        if changed.part.priority != "safeguarding" or service is None:
            return
        if there.has_alarm:
            await corrections.name_alarm(connection, authority.code, there.referral_id, service)
            return
        alarm, told = raised(authority, referral_of(authority.code, changed, service), now)
        await corrections.raise_alarm(connection, alarm)
        for organisation in told:
            if organisation not in {changed.part.organisation, *changed.part.notify}:
                await add_delivery(connection, delivery_of(authority.code, changed, organisation, "alarm"))
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
