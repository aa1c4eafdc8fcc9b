"""The engine: what the parts make of a message, as services with one honest confidence each."""

from __future__ import annotations

import numpy as np

from routing_rules.classifier.base import Scored
from routing_rules.classifier.lexical import Floats, Lexical

_SHARPNESS = 1.3
"""Turns scores into confidence; fitted on held-out examples."""
_MOST = 8
"""Services named in an answer."""
_WITH_EVIDENCE = 2
_LEAST = 0.002


class Engine:
    """Classifies one need. Safe to use from several threads: it keeps nothing of what it reads."""

    def __init__(self, lexical: Lexical, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.parts = ("lexical",)
        self._lexical = lexical

    def classify(self, text: str) -> list[Scored]:
        """The services considered, best first. Empty when nothing in the text speaks for any service."""
        scores = self._lexical.scores(text)
        if not scores.any():
            return []
        likely = _shares(scores * _SHARPNESS)
        best = np.argsort(-likely)[:_MOST]
        services = self._lexical.services
        return [
            Scored(
                service=services[at],
                confidence=round(float(likely[at]), 4),
                evidence=self._lexical.evidence(text, services[at]) if rank < _WITH_EVIDENCE else [],
            )
            for rank, at in enumerate(best.tolist())
            if rank == 0 or likely[at] >= _LEAST
        ]


def _shares(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max())
    shares: Floats = raised / raised.sum()
    return shares
