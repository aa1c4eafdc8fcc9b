"""Text → services with confidence and evidence."""

from __future__ import annotations

import hashlib
from pathlib import Path

from routing_rules.catalogue import Catalogue
from routing_rules.classifier.base import Classifier, Scored, Splitter
from routing_rules.classifier.engine import Engine
from routing_rules.classifier.lexical import Lexical, Phrase

__all__ = ["Classifier", "Engine", "Scored", "Splitter", "load"]

_METHOD = "lexical-1"


def load(catalogue: Catalogue, cache_dir: Path | None = None) -> Engine:
    """The engine for a catalogue, built when `cache_dir` does not hold it yet (about a second)."""
    del cache_dir  # nothing trained is kept yet
    phrases = phrases_of(catalogue)
    said = "\n".join(f"{phrase.service}\t{phrase.text}" for phrase in phrases)
    fingerprint = hashlib.sha256(f"{_METHOD}\n{said}".encode()).hexdigest()[:12]
    return Engine(Lexical(phrases), fingerprint)


def phrases_of(catalogue: Catalogue) -> list[Phrase]:
    """Everything the catalogue says a citizen might say, in the catalogue's order."""
    phrases: list[Phrase] = []
    for code, service in catalogue.services.items():
        said = dict.fromkeys([service.name, *service.keywords, *service.examples])
        phrases.extend(Phrase(text, code) for text in said)
    return phrases
