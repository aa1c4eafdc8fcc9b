"""What one rule's conditions say about another's: does the one hold whenever the other does? For `check` only.

The answers are careful: `implies` says yes only where it is certain, so a rule is never called unreachable wrongly.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from routing_rules import postcodes
from routing_rules.authority import Authority
from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue
from routing_rules.hours import parse_span
from routing_rules.rules import Conditions, Rule, each, plain_words

_ABOUT_SERVICES: Final = frozenset({"service", "group", "tier", "organisation"})


class Logic:
    """Answers for one authority."""

    def __init__(self, catalogue: Catalogue, authority: Authority) -> None:
        self._catalogue = catalogue
        self._authority = authority
        self._areas: Mapping[str, tuple[str, ...]] = authority.rules.areas

    def always_before(self, earlier: Rule, later: Rule) -> bool:
        """Whether the earlier rule matches whenever the later one does, so that the later never fires."""
        if not self.implies(later.when, earlier.when):
            return False
        if earlier.unless is None:
            return True
        if not self.services(later.when) & self.services(earlier.unless):
            return True
        return later.unless is not None and self.implies(earlier.unless, later.unless)

    def never(self, rule: Rule) -> str | None:
        """Why a rule can never fire by itself, or `None`."""
        if not self.services(rule.when):
            return "no service is all that its conditions ask of it"
        if rule.unless is not None and self.implies(rule.when, rule.unless):
            return "whatever matches 'when' matches 'unless' too"
        return None

    def services(self, conditions: Conditions) -> frozenset[str]:
        """The services that the conditions leave possible."""
        return frozenset(
            service.code
            for service in self._catalogue.services.values()
            if service.code != OUT_OF_SCOPE
            and _in(service.code, conditions.service)
            and _in(service.group, conditions.group)
            and _in(service.tier, conditions.tier)
            and _in(self._authority.routes[service.code][1].organisation, conditions.organisation)
        )

    def implies(self, narrow: Conditions, wide: Conditions) -> bool:
        """Whether `wide` certainly holds whenever `narrow` does."""
        given = wide.given()
        if given.keys() & _ABOUT_SERVICES and not self.services(narrow) <= self.services(wide):
            return False
        return all(
            self._implies_one(name, value, narrow, wide)
            for name, value in given.items()
            if name not in _ABOUT_SERVICES and name != "hours_of"
        )

    def _implies_one(self, name: str, value: Any, narrow: Conditions, wide: Conditions) -> bool:
        if name in ("postcode", "area"):
            return self._places_within(narrow, each(value) if name == "postcode" else self._patterns(value))
        if name == "known":
            return set(each(value)) <= self._known(narrow)
        own = getattr(narrow, name)
        if own in ((), None):
            return False
        if name in _SINGLE:
            return _SINGLE[name](own, value) and (name != "hours" or narrow.hours_of == wide.hours_of)
        return all(any(_ENTRIES[name](entry, wanted) for wanted in each(value)) for entry in each(own))

    def _patterns(self, areas: Any) -> tuple[str, ...]:
        return tuple(pattern for area in each(areas) for pattern in self._areas[area])

    def _places_within(self, narrow: Conditions, wide: tuple[str, ...]) -> bool:
        sets = [each(narrow.postcode), self._patterns(narrow.area)]
        return any(
            patterns and all(any(_place_within(one, other) for other in wide) for one in patterns)
            for patterns in sets
        )

    @staticmethod
    def _known(conditions: Conditions) -> set[str]:
        """Facts that are known whenever the conditions hold."""
        known = set(each(conditions.known))
        if conditions.postcode or conditions.area:
            known.add("postcode")
        if conditions.age_from is not None or conditions.age_to is not None:
            known.add("age")
        if conditions.language:
            known.add("language")
        if conditions.provider:
            known.add("provider")
        return known


def _in(name: str, wanted: Any) -> bool:
    return not wanted or name in each(wanted)


def _place_within(narrow: str, wide: str) -> bool:
    """Whether every postcode in one pattern is in the other."""
    return postcodes.covers(postcodes.read_pattern(wide), postcodes.read_pattern(narrow))


def _language_within(narrow: str, wide: str) -> bool:
    return narrow.lower() == wide.lower() or narrow.lower().startswith(f"{wide.lower()}-")


def _words_within(narrow: str, wide: str) -> bool:
    return plain_words(wide) in plain_words(narrow)


def _span_within(narrow: str, wide: str) -> bool:
    (start, end), (wide_start, wide_end) = parse_span(narrow), parse_span(wide)
    if (start, end) == (wide_start, wide_end):
        return True
    over_midnight = (end is not None and end <= start) or (wide_end is not None and wide_end <= wide_start)
    if over_midnight:
        return False
    return wide_start <= start and (wide_end is None or (end is not None and end <= wide_end))


_SINGLE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "hours": operator.eq,
    "bank_holiday": operator.eq,
    "age_from": operator.ge,
    "age_to": operator.le,
}
_ENTRIES: Final[dict[str, Callable[[str, str], bool]]] = {
    "authority": operator.eq,
    "channel": operator.eq,
    "day": operator.eq,
    "provider": operator.eq,
    "language": _language_within,
    "words": _words_within,
    "between": _span_within,
}
"""Whether one entry of the narrow condition lies within one of the wide."""
