"""What the safety check answers."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Danger to a person, found in a text."""

    service: str
    """Which: a service of the catalogue with `safety` emergency or safeguarding."""
    evidence: list[str]
    """The words that say so, strongest first; then what else spoke for it."""
    confidence: float
    """0 to 1."""
