"""The contract between the door and whatever engine recognises services.

An engine is made once from the catalogue, is used by many requests at once and keeps nothing of what it reads.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec


class Scored(msgspec.Struct, frozen=True):
    """One service an engine considered."""

    service: str
    """The service's code, or `out-of-scope`."""
    confidence: float
    """0 to 1, calibrated: of services given 0.8, about 80 % are right."""
    evidence: list[str]
    """Words of the message and catalogue examples that spoke for it, strongest first. May be empty."""


@runtime_checkable
class Classifier(Protocol):
    """Text of one need → the services it may be."""

    fingerprint: str
    """Short; changes when the engine or what it learnt from changes, so that a replay can tell."""

    def classify(self, text: str) -> list[Scored]:
        """The services considered, best first. Empty when nothing in the text speaks for any service."""
        ...


@runtime_checkable
class Splitter(Protocol):
    """A whole message → the separate needs in it."""

    def split(self, text: str) -> list[str]:
        """The needs in the order they were said, each in the citizen's words. Never empty: one need is one text."""
        ...
