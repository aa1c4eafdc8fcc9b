"""Facts a service needs, read from what a citizen typed, and where each goes in a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from routing_rules.postcodes import find_in, normalise

_EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")
_PHONE: Final = re.compile(r"\+?\d[0-9 ()./-]{4,28}\d")
_DATE: Final = re.compile(r"\b(\d{1,2})[ ./-]+(\d{1,2}|[A-Za-z]{3,9})[ ./-]+(\d{4})\b")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NINO: Final = re.compile(r"\b([A-Za-z]{2})\s?(\d{2})\s?(\d{2})\s?(\d{2})\s?([A-Da-d])\b")
_NHS: Final = re.compile(r"\b(\d{3})[ -]?(\d{3})[ -]?(\d{4})\b")

ORDER: Final = (
    *("postcode", "address", "where", "when", "who", "vehicle", "reference", "nhs-number"),
    *("national-insurance-number", "details", "date-of-birth", "name", "contact"),
)
"""What the place is and what happened first; who the person is last, when it is clear what for."""

_IN_WORDS: Final = {
    "where": "Where",
    "when": "When",
    "who": "Who",
    "vehicle": "Vehicle",
    "reference": "Their reference",
}
"""Facts that belong to the story itself, so they go with its words to whoever deals with it."""

ENOUGH_WORDS: Final = 4
"""From so many words on the story counts as told."""


def to_ask(wanted: Sequence[str], known: Mapping[str, str], words: str) -> list[str]:
    """What is still to be asked, in order. Where there is an address or a place, not both."""
    left = set(wanted) - set(known)
    if "address" in wanted:
        left.discard("where")
    if len(words.split()) >= ENOUGH_WORDS:
        left.discard("details")
    return [fact for fact in ORDER if fact in left]


def read_fact(fact: str, text: str) -> str | None:
    """The fact in its written form, or `None` if the text holds none. Free answers are taken as they are."""
    reader = _READERS.get(fact)
    return text[:500] if reader is None else reader(text)


def read_contact(text: str) -> dict[str, str]:
    """`phone` and `email` in a text."""
    found = {}
    if email := _EMAIL.search(text):
        found["email"] = email[0].strip(".").lower()
        text = text.replace(email[0], " ")
    if (phone := _PHONE.search(text)) and sum(character.isdigit() for character in phone[0]) >= 7:
        found["phone"] = phone[0].strip()
    return found


def as_citizen(facts: Mapping[str, str]) -> dict[str, Any]:
    """The person's details as intake takes them."""
    citizen: dict[str, Any] = {}
    for fact, name in (
        ("name", "name"),
        ("address", "address"),
        ("date-of-birth", "date_of_birth"),
        ("nhs-number", "nhs_number"),
        ("national-insurance-number", "national_insurance_number"),
    ):
        if facts.get(fact):
            citizen[name] = facts[fact][:200]
    return {**citizen, **read_contact(facts.get("contact", ""))}


def with_words(text: str, asked: Sequence[str], facts: Mapping[str, str]) -> str:
    """A need's words with the facts that belong to its story."""
    added = [
        f"{label}: {facts[fact]}" for fact, label in _IN_WORDS.items() if fact in asked and facts.get(fact)
    ]
    if facts.get("details") and "details" in asked:
        added.insert(0, facts["details"])
    return "\n".join([text, *added])


def _read_postcode(text: str) -> str | None:
    return normalise(text) or find_in(text)


def _read_date(text: str) -> str | None:
    found = _DATE.search(text)
    if found is None:
        return None
    day, month, year = found[1], found[2].lower(), found[3]
    number = int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1 if month[:3] in _MONTHS else 0
    try:
        return date(int(year), number, int(day)).isoformat()
    except ValueError:
        return None


def _read_nino(text: str) -> str | None:
    found = _NINO.search(text)
    return None if found is None else "".join(found.groups()).upper()


def _read_nhs(text: str) -> str | None:
    found = _NHS.search(text)
    return None if found is None else "".join(found.groups())


def _read_contact(text: str) -> str | None:
    return text[:300] if read_contact(text) else None


_READERS: Final[dict[str, Callable[[str], str | None]]] = {
    "postcode": _read_postcode,
    "date-of-birth": _read_date,
    "nhs-number": _read_nhs,
    "national-insurance-number": _read_nino,
    "contact": _read_contact,
}
