"""Who answers for each service (`routes.toml`), and the bodies outside the door (`signposts.toml`), as written."""

from __future__ import annotations

from typing import Final

import msgspec

from routing_rules import postcodes
from routing_rules.rules import Priority

DISTRICT: Final = "district"
"""As a route's organisation: the other tier answers, which one is found by postcode."""
SIGNPOST: Final = "signpost"
"""As a route's organisation: a body outside the door answers, `signposts.toml` says which."""
OUTSIDE: Final = (DISTRICT, SIGNPOST)


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers, and who is next."""

    organisation: str
    """An organisation's code, `district` or `signpost`."""
    chain: tuple[str, ...] = ()
    """Whom to turn to next, in order. The worklist comes behind the last by itself."""
    notify: tuple[str, ...] = ()
    """Told as well; `organisation` leads."""
    choices: tuple[str, ...] = ()
    """Providers the citizen may choose instead, where direct payments give a choice."""
    priority: Priority | None = None
    alert: str | None = None
    """Where a body outside answers and a person may be in danger: whom of ours is alerted."""


class Reach(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some services, by group or by code."""

    groups: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


class RoutesTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`routes.toml`. A service's own route wins over its group's."""

    groups: dict[str, Route] = {}
    services: dict[str, Route] = {}
    for_anyone: Reach = Reach()
    """Services that people who live in another authority's area may use here all the same."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody outside the door."""

    name: str
    say: str
    """One or two sentences for the citizen. `{service}` and `{area}` stand for their names."""
    phone: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a body that cannot be reached, or words with an unknown blank in them."""
        if not (self.phone or self.url):
            raise ValueError("give a 'phone' or a 'url': a signpost is never a dead end")
        if "{" in self.say.replace("{service}", "").replace("{area}", ""):
            raise ValueError("'say' knows the blanks {service} and {area} only")


class DistrictArea(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A district by the postcodes in it."""

    name: str
    """As people there call it: `Kettering`."""
    body: str
    """Who answers there: a key of `[bodies]`."""
    postcodes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` for a pattern that is none."""
        for pattern in self.postcodes:
            postcodes.read_pattern(pattern)


class Districts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The other tier of a two-tier area."""

    unknown: str
    """The body named while the postcode is not known: how to find the right one."""
    authorities: dict[str, str] = {}
    """Slug of today's authority → body, for postcodes that are in no area below."""
    areas: tuple[DistrictArea, ...] = ()
    """First match wins, so sectors stand before the outcodes around them."""


class SignpostsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`signposts.toml`."""

    bodies: dict[str, Body] = {}
    services: dict[str, str] = {}
    """Service → body."""
    districts: Districts | None = None
