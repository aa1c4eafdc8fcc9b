"""Rules made ready once, at start, then asked for every need whether they match."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Any, Final

import msgspec

from routing_rules import postcodes
from routing_rules.catalogue import Service
from routing_rules.decision import Facts
from routing_rules.hours import LONDON, Hours, Span, is_bank_holiday, parse_span
from routing_rules.rules import Conditions, Rule, RulesTable, each, plain_words

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Situation(msgspec.Struct):
    """One need, as the rules see it."""

    service: Service
    facts: Facts
    organisation: str
    """Who would answer by the routes."""
    words: str
    """The citizen's words from `plain_words`."""
    postcode: str | None = None
    """As written officially."""
    place: str | None = None
    """Slug of the authority it lies in."""


Test = Callable[[Situation], bool]
Areas = Mapping[str, tuple[str, ...]]


class Clocks(msgspec.Struct, frozen=True):
    """Whose hours a condition may ask about."""

    authority: Hours
    organisations: dict[str, Hours]
    """Only those with hours of their own."""

    def of(self, organisation: str | None) -> Hours:
        """An organisation's hours; the authority's where it has none of its own."""
        return self.organisations.get(organisation or "", self.authority)


class ReadyRule(msgspec.Struct, frozen=True):
    """A rule ready to be asked."""

    rule: Rule
    when: tuple[Test, ...]
    unless: tuple[Test, ...]

    def matches(self, situation: Situation) -> bool:
        """Whether everything in `when` holds and not everything in `unless`."""
        if not all(test(situation) for test in self.when):
            return False
        return not self.unless or not all(test(situation) for test in self.unless)


def make_ready(table: RulesTable, clocks: Clocks) -> tuple[ReadyRule, ...]:
    """Make a file's rules ready. The names in them have been checked before."""
    return tuple(
        ReadyRule(
            rule,
            _tests(rule.when, table.areas, clocks),
            () if rule.unless is None else _tests(rule.unless, table.areas, clocks),
        )
        for rule in table.rule
    )


def first_match(rules: tuple[ReadyRule, ...], situation: Situation) -> Rule | None:
    """The first rule that matches, or `None`."""
    for ready in rules:
        if ready.matches(situation):
            return ready.rule
    return None


def _tests(conditions: Conditions, areas: Areas, clocks: Clocks) -> tuple[Test, ...]:
    given = conditions.given()
    given.pop("hours_of", None)
    tests = []
    for name, value in given.items():
        if name == "area":
            patterns = tuple(pattern for area in each(value) for pattern in areas[area])
            tests.append(_postcode(patterns))
        elif name == "hours":
            tests.append(_hours(value, clocks.of(conditions.hours_of)))
        elif name == "bank_holiday":
            tests.append(_bank_holiday(value, clocks.authority))
        else:
            tests.append(_MAKERS[name](value))
    return tuple(tests)


def _service(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.service.code in names


def _group(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.service.group in names


def _organisation(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.organisation in names


def _authority(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.place in names or situation.facts.authority in names


def _tier(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.service.tier in names


def _postcode(value: Any) -> Test:
    patterns = tuple(postcodes.read_pattern(pattern) for pattern in each(value))

    def test(situation: Situation) -> bool:
        postcode = situation.postcode
        return postcode is not None and any(postcodes.matches(pattern, postcode) for pattern in patterns)

    return test


def _channel(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.facts.channel in names


def _age_from(value: int) -> Test:
    return lambda situation: situation.facts.age is not None and situation.facts.age >= value


def _age_to(value: int) -> Test:
    return lambda situation: situation.facts.age is not None and situation.facts.age <= value


def _language(value: Any) -> Test:
    tags = tuple(tag.lower() for tag in each(value))

    def test(situation: Situation) -> bool:
        language = (situation.facts.language or "").lower()
        return any(language == tag or language.startswith(f"{tag}-") for tag in tags)

    return test


def _hours(value: str, hours: Hours) -> Test:
    wanted = value == "open"
    return lambda situation: hours.is_open(situation.facts.now) is wanted


def _day(value: Any) -> Test:
    days = frozenset(each(value))
    return lambda situation: _DAYS[_local(situation).weekday()] in days


def _between(value: Any) -> Test:
    spans = tuple(parse_span(text) for text in each(value))
    return lambda situation: any(_holds(span, _local(situation).time()) for span in spans)


def _bank_holiday(value: bool, hours: Hours) -> Test:  # noqa: FBT001  the value stands in the rule
    return lambda situation: is_bank_holiday(_local(situation).date(), hours.nation) is value


def _words(value: Any) -> Test:
    phrases = tuple(plain_words(phrase) for phrase in each(value))
    return lambda situation: any(phrase in situation.words for phrase in phrases)


def _provider(value: Any) -> Test:
    names = frozenset(each(value))
    return lambda situation: situation.facts.provider in names


def _known(value: Any) -> Test:
    names = tuple(each(value))

    def test(situation: Situation) -> bool:
        facts = situation.facts
        have = {
            "postcode": situation.postcode,
            "age": facts.age,
            "language": facts.language,
            "provider": facts.provider,
        }
        return all(have[name] is not None for name in names)

    return test


_MAKERS: Final[dict[str, Callable[[Any], Test]]] = {
    "service": _service,
    "group": _group,
    "organisation": _organisation,
    "authority": _authority,
    "tier": _tier,
    "postcode": _postcode,
    "channel": _channel,
    "age_from": _age_from,
    "age_to": _age_to,
    "language": _language,
    "day": _day,
    "between": _between,
    "words": _words,
    "provider": _provider,
    "known": _known,
}


def _local(situation: Situation) -> datetime:
    return situation.facts.now.astimezone(LONDON)


def _holds(span: Span, clock: time) -> bool:
    start, end = span
    if end is None:
        return clock >= start
    return start <= clock < end if start <= end else clock >= start or clock < end
