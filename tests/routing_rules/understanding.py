"""What the tests of understanding share: the shipped catalogue, a few of its services learnt, and the dev messages."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from routing_rules.catalogue import Catalogue
from routing_rules.classifier.linear import Linear
from routing_rules.classifier.phrases import Phrase, phrases_of

RULES = Path(__file__).parents[2] / "routing_rules"
SHARED = Path(__file__).parents[3] / "shared" / "catalogue"

FEW = (
    "missed-bin",
    "new-bin",
    "street-light",
    "pothole",
    "parking-fine",
    "parking-permit",
    "council-tax-discount",
    "register-death",
    "blue-badge",
    "library-membership",
    "pest-control",
    "allotments",
)


@functools.cache
def catalogue() -> Catalogue:
    """The catalogue that comes with the door."""
    return Catalogue.load(RULES)


@functools.cache
def few_phrases() -> tuple[Phrase, ...]:
    """What it says for twelve services, enough to learn from in a second or two."""
    return tuple(phrase for phrase in phrases_of(catalogue()) if phrase.service in FEW)


@functools.cache
def few_learnt() -> Linear:
    """A linear model of those twelve."""
    phrases = few_phrases()
    return Linear.learn([phrase.text for phrase in phrases], [phrase.service for phrase in phrases])


def shared(name: str) -> Path:
    """A file of development messages; the test is skipped where they are not."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the development messages are not here: {name}")
    return path
