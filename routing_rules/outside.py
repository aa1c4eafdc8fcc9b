"""Answers for what the door does not deliver itself: another tier, a national body, another authority. Never a dead end."""

from __future__ import annotations

from routing_rules import postcodes
from routing_rules.authority import Authority
from routing_rules.catalogue import Service
from routing_rules.decision import Action, Signpost
from routing_rules.local_authorities import LocalAuthority, by_slug
from routing_rules.postcodes import Place
from routing_rules.routed import Routed, Spot
from routing_rules.routes import DISTRICT, SIGNPOST, Body, Districts


def signposted(
    service: Service, authority: Authority, here: Spot, organisation: str, body: str | None
) -> Routed:
    """Name the body that answers: the rule's, the district for that place, or the service's own."""
    signposts = authority.signposts
    if body is None and organisation == DISTRICT and signposts.districts is not None:
        return _district(service, authority, here, signposts.districts)
    if body is None:
        body = signposts.services.get(service.code)
    if body is None:
        contact = authority.settings.public_contact
        words = f"{authority.name} can tell you who answers for this."
        point = Signpost(name=authority.name, say=words, phone=contact.phone, url=contact.url)
    else:
        point = _point(signposts.bodies[body], service, authority.settings.short_name)
    return Routed(
        action=Action.SIGNPOST,
        organisation=SIGNPOST if organisation != DISTRICT else DISTRICT,
        rule=None,
        signpost=point,
        reasons=[f"{point.name} answers for this, outside this front door."],
    )


def other_authority(service: Service, authority: Authority, place: Place, reasons: list[str]) -> Routed:
    """Name the authority, or the NHS, of the place where the citizen lives."""
    theirs = _answering(place.authority, service)
    reasons = [
        *reasons,
        f"{place.postcode} lies in the area of {place.authority.name}, not {authority.name}.",
    ]
    if theirs is not place.authority:
        reasons.append(f"There the county answers for this: {theirs.name}.")
    if service.tier == "nhs":
        point = Signpost(
            name=f"the NHS in the area of {place.authority.name}",
            say=f"{place.postcode} is in the area of {place.authority.name}. The NHS service finder shows who is near you.",
            phone="111",
            url="https://www.nhs.uk/nhs-services/services-near-you/",
        )
    else:
        point = Signpost(
            name=theirs.name,
            say=f"{place.postcode} is in the area of {theirs.name}, which answers for this there.",
            url=theirs.homepage,
        )
    return Routed(
        action=Action.SIGNPOST,
        organisation=theirs.name,
        rule="another-authority",
        signpost=point,
        reasons=reasons,
    )


def _answering(local: LocalAuthority, service: Service) -> LocalAuthority:
    """The district or the county above it, by the service's tier."""
    if service.tier == "county" and local.parent is not None:
        return by_slug().get(local.parent, local)
    return local


def _district(service: Service, authority: Authority, here: Spot, districts: Districts) -> Routed:
    bodies = authority.signposts.bodies
    area, body = _where(here, districts)
    if body is None:
        point = _point(bodies[districts.unknown], service, authority.settings.short_name)
        reasons = ["The district answers for this. Which one depends on the postcode, which is not known."]
        return Routed(
            action=Action.SIGNPOST,
            organisation=DISTRICT,
            rule=None,
            signpost=point,
            ask=["postcode"],
            reasons=reasons,
        )
    point = _point(bodies[body], service, area or authority.settings.short_name)
    reason = f"The district answers for this: {point.name}{f', for {area}' if area else ''}."
    return Routed(action=Action.SIGNPOST, organisation=DISTRICT, rule=None, signpost=point, reasons=[reason])


def _where(here: Spot, districts: Districts) -> tuple[str | None, str | None]:
    """The district's name, where the list has it, and the body that answers there today."""
    if here.postcode is None:
        return None, None
    today = districts.authorities.get(here.place.authority.slug) if here.place else None
    for area in districts.areas:
        matches = any(
            postcodes.matches(postcodes.read_pattern(text), here.postcode) for text in area.postcodes
        )
        if matches and today in (None, area.body):
            return area.name, area.body
    return None, today


def _point(body: Body, service: Service, area: str) -> Signpost:
    say = body.say.replace("{service}", service.name).replace("{area}", area)
    return Signpost(name=body.name, say=say, phone=body.phone, url=body.url)
