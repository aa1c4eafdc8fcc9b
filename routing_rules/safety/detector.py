"""Is a person in danger? Phrases of other languages, patterns, a small model and, where installed, the meaning.

A message may speak of bins for three lines and of a knife in the fourth: so it is read whole, and once more by the
most dangerous ten words of it alone. Nothing here asks the classifier. The model is learnt from the catalogue's seven
safety services and from `examples.toml`; a fifth of the latter is never learnt from, to measure with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from routing_rules.classifier.arrays import Floats, shares
from routing_rules.classifier.encoder import Encoder
from routing_rules.classifier.linear import Linear
from routing_rules.classifier.words import words
from routing_rules.safety import phrases
from routing_rules.safety.examples import HARMLESS
from routing_rules.safety.finding import Finding
from routing_rules.safety.patterns import Patterns, Signs
from routing_rules.safety.weights import (
    SECOND_LOOK,
    WITH_DEEP,
    WITH_MEANING,
    WITHOUT_MEANING,
    Evidence,
    Weights,
    hardly,
)

_ALARM: Final = 0.5
_FEW_WORDS: Final = 4
_ALARM_IN_FEW: Final = 0.95
"""Two or three words that are no sure sign say little of anything: "I don't know", "he is 7"."""
_BY_PHRASE: Final = 0.95
"""How sure a phrase in another language is: it is danger wherever it is said."""
_WORTH_A_SECOND_LOOK: Final = 0.3
_MOST_EVIDENCE: Final = 4
_WINDOW: Final = 10
"""Words enough to tell of a danger."""
_FEWEST_MORE: Final = 3
"""A message with fewer words beyond these is read whole only."""


class Detector:
    """Finds danger to a person. Safe to use from several threads; keeps nothing of what it reads."""

    def __init__(self, patterns: Patterns, words: Linear, encoders: Sequence[Encoder] = ()) -> None:
        """`words`: learnt to tell the services of danger from `harmless`; `encoders`: the optional part, quickest first."""
        self.parts = ("patterns", "linear", *("semantic", "deep")[: len(encoders)])
        """What decides here."""
        self._patterns = patterns
        self._words = words
        self._phrases = phrases.shipped()
        self._quick = encoders[0] if encoders else None
        self._deep = encoders[1] if len(encoders) > 1 else None
        self._harmless = words.services.index(HARMLESS)
        self._dangers = [service for service in words.services if service != HARMLESS]

    @property
    def _weights(self) -> Weights:
        if self._quick is None:
            return WITHOUT_MEANING
        return WITH_MEANING if self._deep is None else SECOND_LOOK

    def find(self, text: str) -> Finding | None:
        """Return the danger to a person that a text tells of, or `None`."""
        if told := self._phrases.find(text):
            return Finding(service=told[0], evidence=[told[1]], confidence=_BY_PHRASE)
        by_words, worst = self._by_words(text)
        if hardly(_odds(self._danger(by_words)), _odds(self._danger(worst))):
            return None
        by_meaning = self._meant(text)
        signs = self._patterns.read(text)
        seen = self._evidence(by_words, worst, by_meaning, signs)
        chance = self._weights.chance(seen)
        if self._deep is not None:
            if chance < _WORTH_A_SECOND_LOOK:
                return None
            chance = WITH_DEEP.chance(self._deeper(seen, text))
        few = len(words(text)) < _FEW_WORDS and not signs.sure
        if chance < (_ALARM_IN_FEW if few else _ALARM):
            return None
        service = self._which(by_words, by_meaning, signs)
        return Finding(service=service, evidence=self._why(text, service, signs), confidence=round(chance, 4))

    def evidence(self, text: str) -> Evidence:
        """Return what speaks for and against danger in a text, as numbers: what the weights are learnt from."""
        by_words, worst = self._by_words(text)
        seen = self._evidence(by_words, worst, self._meant(text), self._patterns.read(text))
        return seen if self._deep is None else self._deeper(seen, text)

    def _by_words(self, text: str) -> tuple[Floats, Floats]:
        """By words alone, how much speaks for each answer: in the whole, and in the worst part of it."""
        whole = shares(self._words.scores(text))
        if len(words(text)) < _WINDOW + _FEWEST_MORE:
            return whole, whole
        parts = shares(self._words.windows(text, _WINDOW))
        return whole, parts[int(parts[:, self._harmless].argmin())]

    def _meant(self, text: str) -> Floats | None:
        """How near the text is to each danger by meaning, in the order of the words' answer; the rest is harmless."""
        if self._quick is None:
            return None
        likeness = self._quick.likeness(self._quick.vector(text))
        danger = {service: likeness.get(service, 0.0) for service in self._dangers}
        rest = {HARMLESS: 1 - sum(danger.values())}
        return np.array([(danger | rest)[service] for service in self._words.services], dtype=np.float32)

    def _evidence(self, whole: Floats, part: Floats, meant: Floats | None, signs: Signs) -> Evidence:
        return Evidence(
            words=_odds(self._danger(whole)),
            part=_odds(self._danger(part)),
            meaning=0.0 if meant is None else _odds(self._danger(meant)),
            sure=sum(map(len, signs.sure.values())),
            hints=max(map(len, signs.hints.values()), default=0),
            harmless=len(signs.harmless),
        )

    def _deeper(self, seen: Evidence, text: str) -> Evidence:
        """The evidence with what the deep encoder sees."""
        assert self._deep is not None
        meant = self._deep.likeness(self._deep.vector(text))
        danger = sum(meant.get(service, 0.0) for service in self._dangers)
        return msgspec.structs.replace(seen, deep=_odds(danger))

    def _danger(self, spoken: Floats) -> float:
        return 1 - float(spoken[self._harmless])

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
        for one in heard:
            if len(found) < _MOST_EVIDENCE and not any(one in had or had in one for had in found):
                found.append(one)
        return found


def _odds(chance: float) -> float:
    return math.log((chance + 1e-4) / (1 - chance + 1e-4))
