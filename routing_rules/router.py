"""Service and facts → who answers for it: rules first, then the routes.

Rules are asked first and the first that matches wins. What it does not say comes from the service's own route.
Someone whose postcode lies in another authority's area is told that authority by name, unless the service is for
anyone, a rule about places sent them on, or a person may be in danger: nobody in danger is sent elsewhere.
"""

from __future__ import annotations

from typing import Final

import msgspec

from routing_rules import outside
from routing_rules.authority import Authority
from routing_rules.catalogue import Service
from routing_rules.decision import Action, Facts
from routing_rules.matching import Situation, first_match
from routing_rules.postcodes import Place, Places, normalise
from routing_rules.routed import Routed, Spot
from routing_rules.routes import DISTRICT, SIGNPOST, Route
from routing_rules.rules import Conditions, Priority, Rule, plain_words

_URGENCY: Final[dict[str, int]] = {"normal": 0, "urgent": 1, "safeguarding": 2}
_PLACE_CONDITIONS: Final = frozenset({"postcode", "area", "authority"})


def spot(facts: Facts, places: Places) -> Spot:
    """Read the postcode once for all needs of a request."""
    if facts.postcode is None or not facts.postcode.strip():
        return Spot(None, None, [])
    postcode = normalise(facts.postcode)
    if postcode is None:
        return Spot(None, None, ["The postcode given is not one, so it was not used."])
    place = places.find(postcode)
    if place is None:
        return Spot(postcode, None, [f"No list says which authority {postcode} lies in."])
    return Spot(postcode, place, [])


def route(service: Service, facts: Facts, authority: Authority, here: Spot, words: str = "") -> Routed:
    """Decide who answers for one need. `words` are the citizen's, for rules that look at them.

    The service must be one of the catalogue's that is in scope.
    """
    route_id, base = authority.routes[service.code]
    situation = Situation(
        service=service,
        facts=facts,
        organisation=base.organisation,
        words=plain_words(words),
        postcode=here.postcode,
        place=here.place.authority.slug if here.place else None,
    )
    rule = first_match(authority.ready_rules, situation)
    reasons = list(here.reasons)
    if rule is not None:
        reasons.append(f"Rule {rule.id!r} fired: {rule.why}")
    if here.place is not None and _lives_elsewhere(service, authority, here.place, rule):
        return outside.other_authority(service, authority, here.place, reasons)
    chosen = _chosen(base, facts, rule)
    priority = _highest(
        "safeguarding" if service.dangerous else "urgent" if service.safety == "urgent" else "normal",
        base.priority,
        rule.then.priority if rule else None,
    )
    fired = route_id if rule is None else f"rule:{rule.id}"
    if chosen is None and rule is not None and rule.then.action == "triage":
        return Routed(
            action=Action.TRIAGE,
            organisation=None,
            rule=fired,
            chain=[authority.settings.worklist],
            notify=list(rule.then.notify),
            priority=priority,
            reasons=reasons,
        )
    signposted = rule is not None and rule.then.action == "signpost"
    organisation = chosen or base.organisation
    if signposted or organisation in (DISTRICT, SIGNPOST):
        body = rule.then.signpost if rule is not None else None
        answer = outside.signposted(service, authority, here, organisation, body)
        return msgspec.structs.replace(
            answer, rule=fired, priority=priority, alert=base.alert, reasons=[*reasons, *answer.reasons]
        )
    if chosen is not None and chosen == facts.provider:
        reasons.append(f"The citizen chose {authority.name_of(chosen)}.")
    elif base.choices and rule is None:
        names = ", ".join(authority.name_of(code) for code in base.choices)
        reasons.append(f"With direct payments the citizen may choose: {names}.")
    return _handed_over(authority, organisation, base, rule, fired, priority, reasons)


def _handed_over(
    authority: Authority,
    organisation: str,
    base: Route,
    rule: Rule | None,
    fired: str,
    priority: Priority,
    reasons: list[str],
) -> Routed:
    then = rule.then if rule is not None else None
    chain = _chain(authority, organisation, base, then.chain if then else None)
    members = authority.organisations[organisation].members
    notify = _each_once((*members, *base.notify, *(then.notify if then else ())), without=organisation)
    reasons.append(f"{authority.name_of(organisation)} answers for this ({fired}).")
    if notify:
        reasons.append(f"Told as well: {', '.join(authority.name_of(code) for code in notify)}.")
    if chain:
        reasons.append(f"If it is not taken: {', then '.join(authority.name_of(code) for code in chain)}.")
    return Routed(
        action=Action.ROUTE,
        organisation=organisation,
        rule=fired,
        chain=chain,
        notify=notify,
        priority=priority,
        reasons=reasons,
    )


def _chosen(base: Route, facts: Facts, rule: Rule | None) -> str | None:
    """Whom a rule or the citizen chose, where either did. A rule wins: it may be about that very choice."""
    if rule is not None and (rule.then.organisation is not None or rule.then.action is not None):
        return rule.then.organisation
    return facts.provider if facts.provider in base.choices else None


def _chain(authority: Authority, organisation: str, base: Route, own: tuple[str, ...] | None) -> list[str]:
    """Whom to turn to next; the worklist is behind the last, so that nothing has nowhere to go."""
    if own is None:
        own = base.chain
        if organisation != base.organisation and base.organisation in authority.organisations:
            own = (base.organisation, *own)
    return _each_once((*own, authority.settings.worklist), without=organisation)


def _lives_elsewhere(service: Service, authority: Authority, place: Place, rule: Rule | None) -> bool:
    if place.authority.gss in authority.settings.gss:
        return False
    if service.dangerous or service.tier == "national" or service.code in authority.for_anyone:
        return False
    return rule is None or not _about_places(rule.when)


def _about_places(conditions: Conditions) -> bool:
    return bool(_PLACE_CONDITIONS & conditions.given().keys())


def _highest(*priorities: Priority | None) -> Priority:
    return max((priority for priority in priorities if priority), key=lambda priority: _URGENCY[priority])


def _each_once(codes: tuple[str, ...], without: str) -> list[str]:
    return [code for code in dict.fromkeys(codes) if code != without]
