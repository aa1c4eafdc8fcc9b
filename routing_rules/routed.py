"""What the router answers, and what it knows of the place."""

from __future__ import annotations

import msgspec

from routing_rules.decision import Action, Signpost
from routing_rules.postcodes import Place
from routing_rules.rules import Priority


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers for one need, and why."""

    action: Action
    """`route`, `signpost` or `triage`."""
    organisation: str | None
    """An organisation's code; for `signpost` the tier or body (`district`, `signpost`, an authority's name)."""
    rule: str | None
    """`rule:<id>` where a rule fired, else the route's id."""
    chain: list[str] = []
    notify: list[str] = []
    priority: Priority = "normal"
    signpost: Signpost | None = None
    alert: str | None = None
    """Ours to alert where the body that answers is outside and a person may be in danger."""
    ask: list[str] = []
    """Facts needed to say more (the postcode, where a district is not known)."""
    reasons: list[str] = []


class Spot(msgspec.Struct, frozen=True):
    """What is known of where the citizen is."""

    postcode: str | None
    place: Place | None
    reasons: list[str]
