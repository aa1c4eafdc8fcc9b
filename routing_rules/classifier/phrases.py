"""What the catalogue says a citizen might say."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from routing_rules.catalogue import Catalogue


class Phrase(msgspec.Struct, frozen=True):
    """Something a citizen might say, and the service they would mean."""

    text: str
    service: str


def phrases_of(catalogue: Catalogue) -> list[Phrase]:
    """Return every name, keyword and example, in the catalogue's order."""
    phrases: list[Phrase] = []
    for code, service in catalogue.services.items():
        said = dict.fromkeys([service.name, *service.keywords, *service.examples])
        phrases.extend(Phrase(text, code) for text in said)
    return phrases


def fingerprint_of(phrases: Sequence[Phrase], method: str) -> str:
    """Return a short mark that changes with any phrase and with the method that learns from them."""
    said = "\n".join(f"{phrase.service}\t{phrase.text}" for phrase in phrases)
    return hashlib.sha256(f"{method}\n{said}".encode()).hexdigest()[:12]
