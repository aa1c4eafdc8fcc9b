"""Corrections as proposed examples: TOML for a person to read, thin out and paste. Nothing is learnt without them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from rapidfuzz import fuzz, process

from gateway.learning.masking import masked
from gateway.store.corrections import Lesson
from routing_rules.catalogue import Catalogue

ALIKE: Final = 96
"""From this likeness on (0 to 100) a new example teaches nothing that a known one does not."""
LONGEST: Final = 400
"""Characters: a longer message holds more of a life than of a need."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence that may become an example."""

    service: str
    text: str
    reference: str
    """Whose words they were, so that the reviewer can look."""
    before: str | None
    clash: str | None = None
    """A service that has nearly this example already: then one of the two is wrong."""


class Proposals(msgspec.Struct, frozen=True, kw_only=True):
    """What the corrections come to."""

    new: list[Proposal]
    known: int
    """How many the catalogue has already, or that were said twice."""
    too_long: list[str]
    """References of those too long to be an example."""
    no_service: int
    """How many are of services that the catalogue does not have any more."""


def propose(lessons: Iterable[Lesson], catalogue: Catalogue) -> Proposals:
    """Mask, and leave out what is known."""
    have = _Known(catalogue)
    new: list[Proposal] = []
    known = no_service = 0
    too_long: list[str] = []
    for lesson in lessons:
        if lesson.service_after not in catalogue.services:
            no_service += 1
            continue
        text = re.sub("'{3,}", "''", masked(lesson.text, lesson.citizen))  # three would end the TOML string
        if len(text) > LONGEST:
            too_long.append(lesson.reference)
            continue
        owner = have.owner(text)
        if owner == lesson.service_after or not _plain(text):
            known += 1
            continue
        new.append(
            Proposal(
                service=lesson.service_after,
                text=text,
                reference=lesson.reference,
                before=lesson.service_before,
                clash=owner,
            )
        )
        have.add(text, lesson.service_after)
    return Proposals(new=new, known=known, too_long=too_long, no_service=no_service)


def as_toml(proposals: Proposals, catalogue: Catalogue, authority: str, now: datetime) -> str:
    """The file to review: a table a service, ready to be pasted line by line."""
    many = len(proposals.new)
    lines = [
        f"# {many} proposed examples from corrections at {authority}, {now:%Y-%m-%d}.",
        "# Nothing has been learnt yet. Read each line, delete what is not typical or still tells of a person, and paste",
        "# the rest under the service's own `examples` in the file named above it. Then: front-door check.",
    ]
    if proposals.too_long:
        lines.append(f"# Too long to be examples, look yourself: {', '.join(proposals.too_long)}")
    by_service: dict[str, list[Proposal]] = {}
    for one in proposals.new:
        by_service.setdefault(one.service, []).append(one)
    ordered = sorted(by_service.items(), key=lambda item: (catalogue.services[item[0]].group, item[0]))
    for code, some in ordered:
        lines += ["", f"# services/{catalogue.services[code].group}.toml", f"[{code}]", _whence(some)]
        lines += [
            f"# {one.reference}: nearly an example of {one.clash}; which of the two is right?"
            for one in some
            if one.clash
        ]
        lines += ["examples = '''", *(one.text for one in some), "'''"]
    return "\n".join(lines) + "\n"


def _whence(some: Sequence[Proposal]) -> str:
    counts = Counter(one.before or "undecided" for one in some)
    said = ", ".join(f"{count} from {code}" if code != "undecided" else f"{count} undecided" for code, count in
                     sorted(counts.items(), key=lambda item: (-item[1], item[0])))  # fmt: skip
    return f"# {said}: {', '.join(one.reference for one in some)}"


class _Known:
    """The catalogue's examples, and what has been proposed so far, to find what is nearly the same."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._plain: list[str] = []
        self._services: list[str] = []
        for service in catalogue.services.values():
            for example in service.examples:
                self.add(example, service.code)

    def add(self, text: str, service: str) -> None:
        self._plain.append(_plain(text))
        self._services.append(service)

    def owner(self, text: str) -> str | None:
        """The service that has nearly this text."""
        found = process.extractOne(_plain(text), self._plain, scorer=fuzz.ratio, score_cutoff=ALIKE)
        return None if found is None else self._services[found[2]]


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()
