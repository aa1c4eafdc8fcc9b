"""Is a person in danger? Patterns, a small model of its own and, where it is installed, the meaning: weighed together.

Nothing here asks the classifier. The model is learnt from the catalogue's seven safety services and from
`examples.toml`; a fifth of the latter is never learnt from, to measure with.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from routing_rules.classifier.arrays import Floats, shares
from routing_rules.classifier.encoder import Encoder
from routing_rules.classifier.linear import Linear
from routing_rules.safety.examples import HARMLESS
from routing_rules.safety.finding import Finding
from routing_rules.safety.patterns import Patterns, Signs

_MOST_SURE: Final = 2
_MOST_HINTS: Final = 5
_MOST_HARMLESS: Final = 3
_ALARM: Final = 0.5
_MOST_EVIDENCE: Final = 4


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much each kind of evidence weighs, in log-odds. Learnt from messages that no part was trained on."""

    offset: float
    words: float
    meaning: float
    sure: float
    hints: float
    harmless: float
    hardly: float
    """Below this chance by words alone a message is not looked at further."""


_WITH_MEANING: Final = Weights(
    offset=3.2, words=0.56, meaning=1.31, sure=2.58, hints=0.02, harmless=-0.53, hardly=0.012
)
_WITHOUT_MEANING: Final = Weights(
    offset=1.5, words=1.12, meaning=0.0, sure=2.32, hints=0.33, harmless=-0.69, hardly=0.02
)


class Detector:
    """Finds danger to a person. Safe to use from several threads; keeps nothing of what it reads."""

    def __init__(self, patterns: Patterns, words: Linear, encoder: Encoder | None = None) -> None:
        """`words`: learnt to tell the services of danger from `harmless`; `encoder`: the optional part."""
        self.parts = ("patterns", "linear") if encoder is None else ("patterns", "linear", "semantic")
        """What decides here."""
        self._patterns = patterns
        self._words = words
        self._encoder = encoder
        self._weights = _WITHOUT_MEANING if encoder is None else _WITH_MEANING
        self._harmless = words.services.index(HARMLESS)
        self._dangers = [service for service in words.services if service != HARMLESS]

    def find(self, text: str) -> Finding | None:
        """Return the danger to a person that a text tells of, or `None`."""
        by_words = shares(self._words.scores(text))
        if 1 - by_words[self._harmless] < self._weights.hardly:
            return None
        by_meaning = None if self._encoder is None else self._meant(self._encoder, text)
        signs = self._patterns.read(text)
        chance = self._chance(by_words, by_meaning, signs)
        if chance < _ALARM:
            return None
        service = self._which(by_words, by_meaning, signs)
        return Finding(service=service, evidence=self._why(text, service, signs), confidence=round(chance, 4))

    def _chance(self, by_words: Floats, by_meaning: Floats | None, signs: Signs) -> float:
        """All evidence together, 0 to 1."""
        given = self._weights
        total = given.offset + given.words * _odds(1 - float(by_words[self._harmless]))
        if by_meaning is not None:
            total += given.meaning * _odds(1 - float(by_meaning[self._harmless]))
        total += given.sure * min(_MOST_SURE, sum(map(len, signs.sure.values())))
        total += given.hints * min(_MOST_HINTS, max(map(len, signs.hints.values()), default=0))
        total += given.harmless * min(_MOST_HARMLESS, len(signs.harmless))
        return 1 / (1 + math.exp(-total))

    def _meant(self, encoder: Encoder, text: str) -> Floats:
        """How near the text is to each danger by meaning, in the order of the words' answer; the rest is harmless."""
        likeness = encoder.likeness(encoder.vector(text))
        danger = {service: likeness.get(service, 0.0) for service in self._dangers}
        rest = {HARMLESS: 1 - sum(danger.values())}
        return np.array([(danger | rest)[service] for service in self._words.services], dtype=np.float32)

    def _which(self, by_words: Floats, by_meaning: Floats | None, signs: Signs) -> str:
        """The danger that most speaks for; what sounds like it for sure counts much."""

        def weight(service: str) -> float:
            at = self._words.services.index(service)
            meant = by_words[at] if by_meaning is None else 3 * by_meaning[at]
            return float(by_words[at] + meant) + 0.5 * len(signs.sure.get(service, ()))

        return max(self._dangers, key=weight)

    def _why(self, text: str, service: str, signs: Signs) -> list[str]:
        heard = [*signs.sure.get(service, ()), *signs.hints.get(service, ())]
        gains = sorted(self._words.gains(text, service).items(), key=lambda item: -item[1])
        heard += [term for term, gain in gains if gain > 0 and "#" not in term]
        found: list[str] = []
        for words in heard:
            if len(found) < _MOST_EVIDENCE and not any(words in had or had in words for had in found):
                found.append(words)
        return found


def _odds(chance: float) -> float:
    return math.log((chance + 1e-4) / (1 - chance + 1e-4))
