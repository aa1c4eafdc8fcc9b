"""Stored requests through other rules: what would go elsewhere, before anyone relies on it. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store.decisions import Past
from routing_rules.decision import Decision, Facts
from routing_rules.door import Door
from routing_rules.errors import NotKnown

UNKNOWN: Final = "unknown"
"""The action where the new rules do not know the authority, or the service that was given."""


class Outcome(msgspec.Struct, frozen=True, order=True):
    """What is done with one need."""

    service: str = ""
    organisation: str = ""
    action: str = ""

    def __str__(self) -> str:
        if not self.action:
            return "(nothing)"
        return " → ".join(filter(None, (self.action, self.service, self.organisation)))


class Moved(msgspec.Struct, frozen=True):
    """One need that would go elsewhere."""

    before: Outcome
    after: Outcome


def decide_again(past: Past, door: Door) -> Decision | None:
    """What other rules make of a past request, with its facts and at its time; `None` where they do not know a name."""
    given = past.decision.given
    facts = Facts(
        authority=past.authority_id,
        now=past.created_at,
        channel=past.channel,
        postcode=past.postcode,
        age=given.age,
        language=given.language,
        service=given.service,
        provider=given.provider,
    )
    try:
        return door.decide(past.text, facts)
    except NotKnown:
        return None


def compare(before: Decision, after: Decision | None) -> list[Moved]:
    """What would go elsewhere. Needs that come out the same are set aside first, wherever they stand in the message."""
    old = outcomes(before)
    if after is None:
        return [Moved(one, Outcome(one.service, "", UNKNOWN)) for one in old]
    new = outcomes(after)
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    left, right = _in_order(old, gone), _in_order(new, come)
    many = max(len(left), len(right))
    left += [Outcome()] * (many - len(left))
    right += [Outcome()] * (many - len(right))
    return [Moved(one, other) for one, other in zip(left, right, strict=True)]


def outcomes(decision: Decision) -> list[Outcome]:
    """What a decision does with each need."""
    return [
        Outcome(part.service or "", part.organisation or "", part.action.value) for part in decision.parts
    ]


def _in_order(many: Sequence[Outcome], wanted: Counter[Outcome]) -> list[Outcome]:
    found = []
    for one in many:
        if wanted[one]:
            wanted[one] -= 1
            found.append(one)
    return found


class Line(msgspec.Struct, frozen=True):
    """A row of the table."""

    moved: Moved
    count: int
    references: tuple[str, ...]
    """The first few."""


class Tally:
    """Counts what moved, remembering a few references of each: it grows with the kinds of change, not with the past."""

    def __init__(self, references: int = 3) -> None:
        self.requests = 0
        self.moved = 0
        """Requests of which a need would go elsewhere."""
        self._most = references
        self._counts: Counter[Moved] = Counter()
        self._references: dict[Moved, list[str]] = {}

    def add(self, past: Past, moved: Sequence[Moved]) -> None:
        """Take one request in."""
        self.requests += 1
        self.moved += bool(moved)
        for one in moved:
            self._counts[one] += 1
            known = self._references.setdefault(one, [])
            if len(known) < self._most and past.reference not in known:
                known.append(past.reference)

    def lines(self) -> list[Line]:
        """What moved, commonest first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0].before, item[0].after))
        return [Line(moved, count, tuple(self._references[moved])) for moved, count in ordered]
