"""Conditional rules as written in `rules.toml`: when all of this holds, unless all of that does, then so.

Data, not a language: the conditions of a rule are ANDed, a list within a condition means any of them, `unless`
negates, several rules make an OR, and the first rule that matches wins.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from routing_rules import postcodes
from routing_rules.catalogue import Tier
from routing_rules.hours import Times, parse_span

Names = str | tuple[str, ...]
Channel = Literal["phone", "chat", "web", "email", "open311", "in-person"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Known = Literal["postcode", "age", "language", "provider"]
Priority = Literal["normal", "urgent", "safeguarding"]

_NOT_WORD: Final = re.compile(r"[^\w]+")
_APOSTROPHE: Final = re.compile(r"['\u2019]")


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold, all of it. A list means any of its entries; one entry may stand without the list."""

    service: Names = ()
    group: Names = ()
    """Groups of services: a file's name in `services/`."""
    organisation: Names = ()
    """Who would answer by the routes."""
    authority: Names = ()
    """The authority the postcode lies in (`west-northamptonshire`), or the one whose door this is."""
    tier: Tier | tuple[Tier, ...] = ()
    postcode: Names = ()
    """Areas `NW`, outcodes `NW9`, sectors `NW9 5`, or whole postcodes."""
    area: Names = ()
    """Areas named in the file's `[areas]`."""
    channel: Channel | tuple[Channel, ...] = ()
    age_from: int | None = None
    """In years, this age and older."""
    age_to: int | None = None
    """In years, this age and younger."""
    language: Names = ()
    """`pl` is also `pl-PL`."""
    hours: Literal["open", "closed"] | None = None
    hours_of: str | None = None
    """Whose hours: an organisation; else the authority's contact centre."""
    day: Day | tuple[Day, ...] = ()
    between: Times = ()
    """UK local time, `"22:00-06:00"` goes over midnight."""
    bank_holiday: bool | None = None
    words: Names = ()
    """Words or phrases, whole, in any case."""
    provider: Names = ()
    """The provider the citizen chose."""
    known: Known | tuple[Known, ...] = ()
    """Facts that must be known at all."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for conditions that could never hold or cannot be read."""
        if self.age_from is not None and self.age_to is not None and self.age_from > self.age_to:
            raise ValueError(f"no age is from {self.age_from} to {self.age_to}")
        if self.hours_of is not None and self.hours is None:
            raise ValueError('\'hours_of\' says whose hours; say also hours = "open" or "closed"')
        for pattern in each(self.postcode):
            postcodes.read_pattern(pattern)
        for span in each(self.between):
            parse_span(span)
        for phrase in each(self.words):
            if not plain_words(phrase).strip():
                raise ValueError(f"no word in {phrase!r}")

    def given(self) -> dict[str, Any]:
        """The conditions that are there, by name."""
        pairs = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in pairs if value not in ((), None)}


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows. What is left out stays as the routes say."""

    organisation: str | None = None
    chain: tuple[str, ...] | None = None
    notify: tuple[str, ...] = ()
    """Told as well; `organisation` leads."""
    priority: Priority | None = None
    """Never lower than the service's own."""
    action: Literal["triage", "signpost"] | None = None
    signpost: str | None = None
    """A body of `signposts.toml`; else the service's own."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for an outcome that says nothing or two things."""
        if not any((self.organisation, self.chain, self.notify, self.priority, self.action)):
            raise ValueError(
                "nothing follows: give 'organisation', 'chain', 'notify', 'priority' or 'action'"
            )
        if self.action is not None and self.organisation is not None:
            raise ValueError(f"either 'organisation' or action = {self.action!r}, not both")
        if self.signpost is not None and self.action != "signpost":
            raise ValueError("'signpost' needs action = \"signpost\"")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as written."""

    id: str
    why: str
    """For people: one sentence that a decision gives as its reason."""
    when: Conditions
    unless: Conditions | None = None
    then: Outcome


class RulesTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`rules.toml`."""

    areas: dict[str, tuple[str, ...]] = {}
    """Name → postcode patterns."""
    rule: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        """Raise `ValueError` for a pattern that is none."""
        for patterns in self.areas.values():
            for pattern in patterns:
                postcodes.read_pattern(pattern)


def each(value: Any) -> tuple[str, ...]:
    """A condition's entries, where one may stand without the list."""
    return (value,) if isinstance(value, str) else value


def plain_words(text: str) -> str:
    """Text as phrases are sought in it: lower case, single spaces, one at each end, no punctuation."""
    return f" {_NOT_WORD.sub(' ', _APOSTROPHE.sub('', text.casefold())).strip()} "
