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
"""Of how many the words are named; of the first alone where it is sure."""
_LEAST: Final = 0.002

# Chosen on messages that no part was trained on; `front-door evaluate` shows how they hold.
_LEXICAL_SHARPNESS: Final = 1.3
_LINEAR_SHARPNESS: Final = 1.5
_MEANING_SHARE: Final = 0.45
_TOGETHER_SHARPNESS: Final = 1.9
_SURE: Final = 0.85
"""With this confidence the words alone decide: asking for the meaning would change one answer in two hundred."""
_UNCLEAR: Final = 0.5
"""Below this confidence, words and quick meaning together, the deep one is asked."""


class Engine:
    """Classifies one need. Safe to use from several threads: it keeps nothing of what it reads."""

    def __init__(
        self,
        words: Linear | Lexical,
        meaning: Sequence[Meaning],
        evidence: Evidence | None,
        parts: Sequence[str],
        fingerprint: str,
    ) -> None:
        """`words`: what scores by words; `meaning`: slower parts for what is still unclear, the quickest first.

        `evidence`: what names the words and examples that spoke; without it answers name none.
        """
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
        explained = 1 if shares[best[0]] >= _SURE else _WITH_EVIDENCE
        return [
            Scored(
                service=self.services[at],
                confidence=round(float(shares[at]), 4),
                evidence=self._why(text, self.services[at]) if rank < explained else [],
            )
            for rank, at in enumerate(best)
            if rank == 0 or shares[at] >= _LEAST
        ]

    def quick(self, text: str) -> Floats | None:
        """Return each service's confidence by words alone; `None` when no word is known."""
        scores = self._words.scores(text)
        return to_shares(scores * self._sharpness) if scores.any() else None

    def halves(self, parts: Sequence[str]) -> tuple[Floats, Floats, Floats]:
        """By words alone, for the parts of one text in order: how sure of the whole, and of each border's two sides.

        The second and the third have a row for every border between two parts: what comes before it, what after.
        """
        if isinstance(self._words, Lexical):
            return self._halves_one_by_one(parts)
        before, long_before = self._words.up_to(parts)
        after, long_after = before[-1] - before[:-1], long_before[-1] - long_before[:-1]
        return (
            self._confident(before[-1:], long_before[-1:])[0],
            self._confident(before[:-1], long_before[:-1]),
            self._confident(after, long_after),
        )

    def meant(self, text: str) -> Floats | None:
        """Return each service's confidence by meaning alone; `None` without that part."""
        return self._meaning[0].shares(text) if self._meaning else None

    def shares(self, text: str, *, deep: bool = True) -> Floats | None:
        """Return each service's confidence, in the order of `services`; `None` when nothing speaks for any.

        Each slower part is asked only where the quicker ones leave it unclear; `deep`: whether beyond the quickest.
        """
        quick = found = self.quick(text)
        if quick is not None and quick.max() >= _SURE:
            return quick
        for meaning in self._meaning if deep else self._meaning[:1]:
            found = _together(quick, meaning.shares(text))
            if found.max() >= _UNCLEAR:
                break
        return found

    def _confident(self, totals: Floats, lengths: Floats) -> Floats:
        by_length = self._sharpness / np.sqrt(np.maximum(lengths, 1e-9))
        return to_shares((totals * by_length[:, None]).astype(np.float32, copy=False))

    def _halves_one_by_one(self, parts: Sequence[str]) -> tuple[Floats, Floats, Floats]:
        def sure(text: str) -> Floats:
            return to_shares(self._words.scores(text) * self._sharpness)

        inner = range(1, len(parts))
        before = np.stack([sure(" ".join(parts[:at])) for at in inner])
        return sure(" ".join(parts)), before, np.stack([sure(" ".join(parts[at:])) for at in inner])

    def _why(self, text: str, service: str) -> list[str]:
        if self._evidence is None:
            return []
        return self._evidence.of(text, service, self._words.gains(text, service), self._words.rarity)


def _together(by_words: Floats | None, by_meaning: Floats) -> Floats:
    if by_words is None:
        return by_meaning
    spoken = (1 - _MEANING_SHARE) * np.log(by_words + 1e-9) + _MEANING_SHARE * np.log(by_meaning + 1e-9)
    return to_shares(spoken * _TOGETHER_SHARPNESS)
