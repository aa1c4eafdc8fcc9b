"""`accept`: the only way in. Understands, decides, stores; only then is anything acknowledged."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.clock import Clock
from gateway.delivery.ladder import raised
from gateway.errors import InvalidInput, KeyInFlight, KeyReused, NotFound, Overloaded, StoreUnavailable
from gateway.identifiers import new_reference, uuid7
from gateway.metrics import Metrics
from gateway.model import Accepted, Delivery, Event, Priority, Referral, Request, State
from gateway.store.writer import DuplicateReference, IdempotencyKey, Writer
from gateway.understanding import Understanding
from routing_rules.authority import Authority
from routing_rules.decision import Action, Decision, Facts, Part, Signpost
from routing_rules.door import Door
from routing_rules.errors import NotKnown

KEY_LIFE: Final = timedelta(hours=48)
"""How long an idempotency key is remembered."""

_STATE: Final = {
    Action.ROUTE: State.ROUTED,
    Action.EMERGENCY: State.ROUTED,
    Action.TRIAGE: State.TRIAGE,
    Action.CLARIFY: State.TRIAGE,
    Action.SIGNPOST: State.SIGNPOSTED,
    Action.REFUSE: State.CANCELLED,
}
"""What a part's action makes of its referral. A refused part has one too, at its end, so that people can put it right."""


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """One need that was cleared up with the citizen before it came here."""

    text: str
    service: str | None
    """`None`: agreed that a person decides."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel brings: checked for form, not yet understood."""

    text: str
    channel: str
    citizen: dict[str, Any]
    postcode: str | None = None
    service: str | None = None
    age: int | None = None
    language: str | None = None
    provider: str | None = None
    needs: tuple[Agreed, ...] = ()
    """What a conversation made of the words. Empty: the door decides by the words alone."""


class AnswerPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One need as understood, and who has it now."""

    text: str
    action: Action
    service: str | None = None
    service_name: str | None = None
    organisation: str | None = None
    organisation_name: str | None = None
    state: State | None = None
    confidence: float = 0.0
    tell: str | None = None
    """What to tell the citizen."""
    question: str | None = None
    signpost: Signpost | None = None
    alternatives: list[str] = []
    """Services to choose from, likeliest first."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the channel is told once the request is durable."""

    reference: str
    created_at: datetime
    parts: list[AnswerPart]
    emergency: str | None = None
    """The service of an emergency that was found; then `words` must be said first."""
    words: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer as bytes, and whether it is one given before."""

    answer: bytes
    replayed: bool


class Intake:
    """One a process."""

    def __init__(
        self,
        understanding: Understanding,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        *,
        most_in_flight: int,
        on_accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self._understanding = understanding
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._most_in_flight = most_in_flight
        self._on_accepted = on_accepted
        self._in_flight = 0
        self._keys_in_flight: set[tuple[str, str, str]] = set()

    async def accept(
        self, authority: str, incoming: Incoming, *, actor: str, trace_id: str, key: str | None = None
    ) -> Outcome:
        """Take one request. Returns once it is durable.

        Raises `NotFound` for an unknown authority, `InvalidInput` for an unknown service, `Overloaded`, `KeyInFlight`,
        `KeyReused`, and `StoreUnavailable` when nothing was stored or the outcome is unknown (repeat with the same key).
        """
        began = time.perf_counter()
        try:
            outcome = await self._accept_one(authority, incoming, actor, trace_id, key)
        except Exception as error:
            self._metrics.not_taken.labels(_why(error)).inc()
            raise
        self._metrics.intake_seconds.observe(time.perf_counter() - began)
        return outcome

    async def _accept_one(
        self, authority: str, incoming: Incoming, actor: str, trace_id: str, key: str | None
    ) -> Outcome:
        door = self._understanding.door
        if authority not in door.authorities:
            raise NotFound(f"there is no authority {authority!r}")
        if incoming.service is not None:
            try:
                door.service(incoming.service)
            except NotKnown as error:
                raise InvalidInput(str(error), pointer="/service") from None
        if self._in_flight >= self._most_in_flight:
            raise Overloaded
        name = (authority, actor, key) if key is not None else None
        if name in self._keys_in_flight:
            raise KeyInFlight("a request with this Idempotency-Key is being answered right now")
        self._in_flight += 1
        self._metrics.intake_in_flight.set(self._in_flight)
        if name is not None:
            self._keys_in_flight.add(name)
        try:
            return await self._accept(door, authority, incoming, actor, trace_id, key)
        finally:
            self._in_flight -= 1
            self._metrics.intake_in_flight.set(self._in_flight)
            if name is not None:
                self._keys_in_flight.discard(name)

    async def _accept(
        self, door: Door, authority: str, incoming: Incoming, actor: str, trace_id: str, key: str | None
    ) -> Outcome:
        now = self._clock.now()
        facts = Facts(
            authority=authority,
            now=now,
            channel=incoming.channel,
            postcode=incoming.postcode,
            age=incoming.age,
            language=incoming.language,
            service=incoming.service,
            provider=incoming.provider,
        )
        # One door throughout: rules that are reloaded meanwhile are for the next request.
        decision = await self._decide(incoming, facts, door)
        for _ in range(5):
            accepted = _compose(door.authorities[authority], incoming, decision, now, actor, trace_id)
            answer = msgspec.json.encode(_answer(accepted, door))
            try:
                stored = await self._writer.submit(accepted, _idempotency(key, actor, incoming, answer))
            except DuplicateReference:
                continue
            break
        else:
            raise Overloaded("no free reference was found")
        if stored.answer is not None:
            if stored.body_hash != _body_hash(incoming):
                raise KeyReused("this Idempotency-Key was used before with another body")
            self._metrics.replayed.inc()
            return Outcome(answer=stored.answer, replayed=True)
        self._count(accepted)
        self._on_accepted()
        return Outcome(answer=answer, replayed=False)

    async def _decide(self, incoming: Incoming, facts: Facts, door: Door) -> Decision:
        if not incoming.needs:
            return await self._understanding.decide(incoming.text, facts, door)
        needs = [(need.text, need.service) for need in incoming.needs]
        return await self._understanding.decide_agreed(incoming.text, needs, facts, door)

    def _count(self, accepted: Accepted) -> None:
        request = accepted.request
        self._metrics.requests.labels(request.authority_id, request.channel).inc()
        for part in request.decision.parts:
            self._metrics.parts.labels(request.authority_id, part.action.value).inc()
            if part.service is not None and not request.decision.given.service:
                self._metrics.sureness.labels(request.authority_id).observe(part.confidence)


def _why(error: Exception) -> str:
    """One of `metrics.NOT_TAKEN`."""
    match error:
        case Overloaded():
            return "overloaded"
        case StoreUnavailable():
            return "unavailable"
        case KeyInFlight():
            return "key-in-flight"
        case KeyReused():
            return "key-reused"
        case InvalidInput() | NotFound():
            return "invalid"
        case _:
            return "fault"


def _compose(
    place: Authority,
    incoming: Incoming,
    decision: Decision,
    now: datetime,
    actor: str,
    trace_id: str,
) -> Accepted:
    request = Request(
        authority_id=place.code,
        request_id=uuid7(now),
        reference=new_reference(place.settings.reference_prefix),
        channel=incoming.channel,
        text=incoming.text,
        citizen=incoming.citizen,
        postcode=incoming.postcode,
        decision=decision,
        created_at=now,
        created_by=actor,
        trace_id=trace_id,
    )
    accepted = Accepted(request=request, referrals=[], deliveries=[], events=[])
    accepted.events.append(_event(request, None, "received", actor, {"channel": incoming.channel}))
    for number, part in enumerate(decision.parts, start=1):
        _add_referral(accepted, part, number, place)
    return accepted


def _answer(accepted: Accepted, door: Door) -> Answer:
    request = accepted.request
    states = {referral.part: referral.state for referral in accepted.referrals}
    emergency = request.decision.emergency
    return Answer(
        reference=request.reference,
        created_at=request.created_at,
        emergency=emergency.service if emergency else None,
        words=emergency.words if emergency else None,
        parts=[
            _answer_part(door, request.authority_id, part, states.get(number))
            for number, part in enumerate(request.decision.parts, start=1)
        ],
    )


def _answer_part(door: Door, authority: str, part: Part, state: State | None) -> AnswerPart:
    service = door.catalogue.services.get(part.service or "")
    organisation = door.authorities[authority].organisations.get(part.organisation or "")
    return AnswerPart(
        text=part.text,
        action=part.action,
        service=part.service,
        service_name=service.name if service else None,
        organisation=part.organisation,
        organisation_name=organisation.name if organisation else None,
        state=state,
        confidence=round(part.confidence, 4),
        tell=part.tell,
        question=part.question,
        signpost=part.signpost,
        alternatives=[choice.service for choice in part.alternatives],
    )


def _add_referral(accepted: Accepted, part: Part, number: int, authority: Authority) -> None:
    request = accepted.request
    state = _STATE[part.action]
    referral = Referral(
        authority_id=request.authority_id,
        referral_id=uuid7(request.created_at),
        request_id=request.request_id,
        part=number,
        text=part.text,
        service=part.service if part.action is not Action.TRIAGE else None,
        organisation=part.organisation if state is not State.TRIAGE else None,
        state=state,
        priority=Priority.named(part.priority),
        chain=part.chain,
        created_at=request.created_at,
    )
    accepted.referrals.append(referral)
    why = {
        "action": part.action.value,
        "service": part.service,
        "organisation": part.organisation,
        "rule": part.rule,
        "confidence": round(part.confidence, 4),
    }
    kind = "refused" if part.action is Action.REFUSE else "decided"
    accepted.events.append(_event(request, referral.referral_id, kind, "front-door", why))
    if state is State.ROUTED and part.organisation is not None:
        _add_delivery(accepted, referral, part.organisation, "lead")
        for other in part.notify:
            _add_delivery(accepted, referral, other, "notify")
    if referral.priority is Priority.SAFEGUARDING:
        _raise_alarm(accepted, referral, authority)


def _raise_alarm(accepted: Accepted, referral: Referral, authority: Authority) -> None:
    """Two ways that do not depend on each other: whoever answers for it, and the first rungs of the ladder."""
    alarm, told = raised(authority, referral, referral.created_at)
    accepted.alarms.append(alarm)
    already = {each.organisation for each in accepted.deliveries if each.referral_id == referral.referral_id}
    for organisation in told:
        if organisation not in already:
            _add_delivery(accepted, referral, organisation, "alarm")
    accepted.events.append(
        _event(accepted.request, referral.referral_id, "alarm_raised", "front-door", {"told": told})
    )


def _add_delivery(accepted: Accepted, referral: Referral, organisation: str, role: str) -> None:
    accepted.deliveries.append(
        Delivery(
            authority_id=referral.authority_id,
            delivery_id=uuid7(referral.created_at),
            referral_id=referral.referral_id,
            request_id=referral.request_id,
            organisation=organisation,
            role=role,
            priority=referral.priority,
            due_at=referral.created_at,
            # Another span each time it is sent, the same trace for ever.
            traceparent=f"00-{accepted.request.trace_id}-{os.urandom(8).hex()}-01",
        )
    )


def _event(
    request: Request, referral_id: UUID | None, kind: str, actor: str, detail: dict[str, Any]
) -> Event:
    return Event(
        authority_id=request.authority_id,
        event_id=uuid7(request.created_at),
        request_id=request.request_id,
        referral_id=referral_id,
        at=request.created_at,
        kind=kind,
        actor=actor,
        detail=detail,
    )


def _body_hash(incoming: Incoming) -> bytes:
    return hashlib.sha256(msgspec.json.encode(incoming)).digest()


def _idempotency(key: str | None, scope: str, incoming: Incoming, answer: bytes) -> IdempotencyKey | None:
    if key is None:
        return None
    return IdempotencyKey(scope=scope, key=key, body_hash=_body_hash(incoming), answer=answer)
