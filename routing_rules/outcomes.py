"""From what the engine thinks of one need to what is done with it: route, ask, triage, refuse, or raise the alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from routing_rules import explain, router
from routing_rules.authority import Authority
from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue, Service
from routing_rules.classifier.base import Scored
from routing_rules.decision import Action, Choice, Facts, Part
from routing_rules.routed import Routed, Spot

_GRAVEST: Final = "life-threatening-emergency"
"""What danger is treated as that the catalogue has no service for."""
_MOST_CHOICES: Final = 4
_MOST_ALTERNATIVES: Final = 5
_WORTH_ASKING: Final = 0.05
"""Confidence below which a service is not offered as a third or fourth choice."""


class Case(msgspec.Struct, frozen=True):
    """What all needs of one request share."""

    catalogue: Catalogue
    authority: Authority
    facts: Facts
    here: Spot


def for_known(text: str, service: Service, case: Case) -> Part:
    """Staff, or an Open311 client, said which service it is."""
    if service.code == OUT_OF_SCOPE:
        return _refused(text, Scored(OUT_OF_SCOPE, 1.0, []), [], case)
    return _routed(text, Scored(service.code, 1.0, []), [], case, ["The service was given, not guessed."])


def for_people(text: str, case: Case) -> Part:
    """Agreed with the citizen that a person decides."""
    return _triage(text, [], case, "The citizen was asked, and a person decides.")


def for_another_language(text: str, language: str, case: Case) -> Part:
    """Not English: staff who can read it decide; nothing is guessed."""
    return Part(
        text=text,
        action=Action.TRIAGE,
        chain=[case.authority.settings.worklist],
        reasons=[f"The message is not in English (language {language}), so a person reads it."],
    )


def for_ranking(text: str, ranking: list[Scored], case: Case) -> Part:
    """What to do with one need, given the services considered, best first."""
    limits = case.authority.settings.thresholds
    inside = [scored for scored in ranking if _routable(scored.service, case)]
    if not ranking:
        return _triage(
            text, ranking, case, "Nothing in the words speaks for any service, so a person decides."
        )
    first = ranking[0]
    if first.service == OUT_OF_SCOPE and first.confidence >= limits.refuse_at:
        return _refused(text, first, inside, case)
    best = inside[0] if inside else None
    if best is not None and best is first and best.confidence >= limits.route_at:
        why = [explain.spoke_for(best, case.catalogue)]
        second = explain.came_second(case.catalogue.services[best.service], ranking, case.catalogue)
        return _routed(text, best, ranking[1:], case, [*why, second] if second else why)
    return _unsure(text, ranking, inside, case)


def _unsure(text: str, ranking: list[Scored], inside: list[Scored], case: Case) -> Part:
    """Ask one question where a few services are likely; else a person decides."""
    enough = case.authority.settings.thresholds.clarify_at
    if not inside or inside[0].confidence < enough:
        return _triage(text, ranking, case, "Nothing is likely enough to ask about, so a person decides.")
    if any(_dangerous(scored.service, case) and scored.confidence >= enough for scored in inside):
        reason = "A person may be in danger, so a person looks at it first and no question is asked."
        return msgspec.structs.replace(_triage(text, ranking, case, reason), priority="safeguarding")
    choices = [
        scored
        for place, scored in enumerate(inside[:_MOST_CHOICES])
        if place < 2 or scored.confidence >= _WORTH_ASKING
    ]
    if len(choices) < 2:
        return _triage(text, ranking, case, "One service is likely, but not enough, so a person decides.")
    return Part(
        text=text,
        action=Action.CLARIFY,
        confidence=choices[0].confidence,
        alternatives=_choices(choices, case),
        evidence=choices[0].evidence,
        reasons=[explain.spoke_for(scored, case.catalogue) for scored in choices[:2]],
        question=explain.question([scored.service for scored in choices], case.catalogue),
    )


def for_danger(text: str, found: Scored, parts: Sequence[Part], case: Case) -> Part:
    """The need in which danger was found apart from the engine: alarm, whatever the engine thinks."""
    code = _kind_of_danger(found.service, case.catalogue)
    if code is None:
        reason = (
            "Danger to a person was found, and the catalogue has no service for it, so a person looks first."
        )
        return msgspec.structs.replace(_triage(text, [], case, reason), priority="safeguarding")
    seen = [part for part in parts if part.service == code]
    confidence = max([found.confidence, *(part.confidence for part in seen)])
    words = ", ".join(f"“{word}”" for word in found.evidence)
    reasons = [f"Danger to a person was found{f': {words}' if words else ''}."]
    alternatives = [choice for part in parts for choice in _as_choices(part) if choice.service != code]
    part = _routed(text, Scored(code, confidence, found.evidence), [], case, reasons)
    return msgspec.structs.replace(part, alternatives=alternatives[:_MOST_ALTERNATIVES])


def _kind_of_danger(found: str, catalogue: Catalogue) -> str | None:
    dangerous = [service.code for service in catalogue.services.values() if service.dangerous]
    return next((code for code in (found, _GRAVEST, *dangerous) if code in dangerous), None)


def stays_beside_danger(part: Part, danger: Part) -> bool:
    """Whether a need goes on beside the alarm: only what is clear, and something else."""
    if part.service == danger.service:
        return False
    return part.action in (Action.ROUTE, Action.SIGNPOST, Action.EMERGENCY)


def joined(parts: list[Part]) -> list[Part]:
    """Needs that came out as the same service are one need, said in several places."""
    kept: list[Part] = []
    for part in parts:
        same = next((index for index, one in enumerate(kept) if _same(one, part)), None)
        if same is None:
            kept.append(part)
        else:
            one = kept[same]
            surer = one if one.confidence >= part.confidence else part
            kept[same] = msgspec.structs.replace(surer, text=f"{one.text}\n{part.text}")
    return _without_chatter(kept)


def _same(one: Part, other: Part) -> bool:
    return one.service is not None and one.service == other.service and one.action is other.action


def _without_chatter(parts: list[Part]) -> list[Part]:
    """Greetings and thanks around a need are no need of their own."""
    real = [part for part in parts if part.action is not Action.REFUSE]
    return real or parts[:1]


def _routed(text: str, scored: Scored, rest: Sequence[Scored], case: Case, reasons: list[str]) -> Part:
    service = case.catalogue.services[scored.service]
    routed = router.route(service, case.facts, case.authority, case.here, text)
    if service.dangerous:
        routed = _alarmed(routed, case.authority)
    return Part(
        text=text,
        action=Action.EMERGENCY if service.dangerous else routed.action,
        service=service.code,
        organisation=routed.organisation,
        confidence=scored.confidence,
        alternatives=_choices(rest[:_MOST_ALTERNATIVES], case),
        evidence=scored.evidence,
        rule=routed.rule,
        reasons=[*reasons, *routed.reasons],
        priority=routed.priority,
        chain=routed.chain,
        notify=routed.notify,
        signpost=routed.signpost,
        ask=list(dict.fromkeys([*routed.ask, *service.ask])),
        tell=service.tell,
    )


def _alarmed(routed: Routed, authority: Authority) -> Routed:
    """Someone of ours is alerted, even where the body that answers is outside."""
    if routed.action is Action.ROUTE:
        return routed
    worklist = authority.settings.worklist
    alert = routed.alert or worklist
    chain = [code for code in dict.fromkeys((*routed.chain, worklist)) if code != alert]
    reasons = [*routed.reasons, f"{authority.name_of(alert)} is alerted at once."]
    return msgspec.structs.replace(
        routed, organisation=alert, chain=chain, priority="safeguarding", reasons=reasons
    )


def _refused(text: str, scored: Scored, rest: Sequence[Scored], case: Case) -> Part:
    service = case.catalogue.services.get(OUT_OF_SCOPE)
    return Part(
        text=text,
        action=Action.REFUSE,
        service=OUT_OF_SCOPE,
        confidence=scored.confidence,
        alternatives=_choices(rest[:_MOST_ALTERNATIVES], case),
        evidence=scored.evidence,
        reasons=[explain.spoke_for(scored, case.catalogue)],
        tell=None if service is None else service.tell,
    )


def _triage(text: str, ranking: Sequence[Scored], case: Case, reason: str) -> Part:
    shown = [scored for scored in ranking if _routable(scored.service, case)][:_MOST_ALTERNATIVES]
    return Part(
        text=text,
        action=Action.TRIAGE,
        confidence=ranking[0].confidence if ranking else 0.0,
        alternatives=_choices(shown, case),
        evidence=ranking[0].evidence if ranking else [],
        chain=[case.authority.settings.worklist],
        reasons=[*(explain.spoke_for(scored, case.catalogue) for scored in shown[:1]), reason],
    )


def _routable(code: str, case: Case) -> bool:
    """Whether a service is in scope and somebody answers for it: an engine may be older than the catalogue."""
    return code != OUT_OF_SCOPE and code in case.authority.routes


def _dangerous(code: str, case: Case) -> bool:
    return case.catalogue.services[code].dangerous


def _choices(ranking: Sequence[Scored], case: Case) -> list[Choice]:
    return [
        Choice(
            service=scored.service, organisation=_answers(scored.service, case), confidence=scored.confidence
        )
        for scored in ranking
    ]


def _answers(code: str, case: Case) -> str | None:
    route = case.authority.routes.get(code)
    return None if route is None else route[1].organisation


def _as_choices(part: Part) -> list[Choice]:
    """What the engine thought of a need, as alternatives to the alarm."""
    own = (
        []
        if part.service is None
        else [Choice(service=part.service, organisation=part.organisation, confidence=part.confidence)]
    )
    return [*own, *part.alternatives]
