"""The engine: what its parts make of a message, as services with one honest confidence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from routing_rules.classifier.arrays import Floats
from routing_rules.classifier.arrays import shares as to_shares
from routing_rules.classifier.base import Scored
from routing_rules.classifier.evidence import Evidence
from routing_rules.classifier.lexical import Lexical
from routing_rules.classifier.linear import Linear
from routing_rules.classifier.meaning import Meaning

_MOST: Final = 6
"""Services named in an answer."""
_WITH_EVIDENCE: Final = 2
_LEAST: Final = 0.002

# Chosen on messages that no part was trained on; `front-door evaluate` shows how they hold.
_LEXICAL_SHARPNESS: Final = 1.3
_LINEAR_SHARPNESS: Final = 1.5
_MEANING_SHARPNESS: Final = 16.0
_MEANING_SHARE: Final = 0.5
_TOGETHER_SHARPNESS: Final = 1.5
_SURE: Final = 0.9
"""With this confidence the words alone decide: asking for the meaning would change one answer in two hundred."""


class Engine:
    """Classifies one need. Safe to use from several threads: it keeps nothing of what it reads."""

    def __init__(
        self,
        words: Linear | Lexical,
        meaning: Meaning | None,
        evidence: Evidence,
        parts: Sequence[str],
        fingerprint: str,
    ) -> None:
        """`words`: what scores by words; `meaning`: the slower part for what words leave unclear, if there."""
        self.fingerprint = fingerprint
        """Changes when a part, or what it learnt from, changes."""
        self.parts = tuple(parts)
        """What decides here: `linear` or, where nothing was learnt, `lexical`; and `semantic`."""
        self.services: Sequence[str] = words.services
        self._words = words
        self._meaning = meaning
        self._evidence = evidence
        self._sharpness = _LINEAR_SHARPNESS if isinstance(words, Linear) else _LEXICAL_SHARPNESS

    def classify(self, text: str) -> list[Scored]:
        """Return the services considered, best first; empty when nothing in the text speaks for any service."""
        shares = self.shares(text)
        if shares is None:
            return []
        best = np.argsort(-shares)[:_MOST].tolist()
        return [
            Scored(
                service=self.services[at],
                confidence=round(float(shares[at]), 4),
                evidence=self._why(text, self.services[at]) if rank < _WITH_EVIDENCE else [],
            )
            for rank, at in enumerate(best)
            if rank == 0 or shares[at] >= _LEAST
        ]

    def quick(self, text: str) -> Floats | None:
        """Return each service's confidence by words alone; `None` when no word is known."""
        scores = self._words.scores(text)
        return to_shares(scores * self._sharpness) if scores.any() else None

    def shares(self, text: str) -> Floats | None:
        """Return each service's confidence, in the order of `services`; `None` when nothing speaks for any."""
        quick = self.quick(text)
        if self._meaning is None or (quick is not None and quick.max() >= _SURE):
            return quick
        meant = to_shares(self._meaning.scores(text) * _MEANING_SHARPNESS)
        if quick is None:
            return meant
        together = (1 - _MEANING_SHARE) * np.log(quick + 1e-9) + _MEANING_SHARE * np.log(meant + 1e-9)
        return to_shares(together * _TOGETHER_SHARPNESS)

    def _why(self, text: str, service: str) -> list[str]:
        return self._evidence.of(text, service, self._words.gains(text, service))
