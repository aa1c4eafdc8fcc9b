"""Is a person in danger? Patterns, a small model of its own and, where it is installed, the meaning: weighed together.

A message may speak of bins for three lines and of a knife in the fourth: so it is read whole, and once more by the
most dangerous ten words of it alone. Nothing here asks the classifier. The model is learnt from the catalogue's seven
safety services and from `examples.toml`; a fifth of the latter is never learnt from, to measure with.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from routing_rules.classifier.arrays import Floats, shares
from routing_rules.classifier.encoder import Encoder
from routing_rules.classifier.linear import Linear
from routing_rules.classifier.words import words
from routing_rules.safety.examples import HARMLESS
from routing_rules.safety.finding import Finding
from routing_rules.safety.patterns import Patterns, Signs
from routing_rules.safety.weights import WITH_MEANING, WITHOUT_MEANING, Evidence

_ALARM: Final = 0.5
_MOST_EVIDENCE: Final = 4
_WINDOW: Final = 10
"""Words enough to tell of a danger."""
_FEWEST_MORE: Final = 3
"""A message with fewer words beyond these is read whole only."""


class Side(msgspec.Struct, frozen=True):
    """A message, or a part of it, and how much each answer is spoken for: by words, by meaning."""

    by_words: Floats
    by_meaning: Floats | None


class Detector:
    """Finds danger to a person. Safe to use from several threads; keeps nothing of what it reads."""

    def __init__(self, patterns: Patterns, words: Linear, encoder: Encoder | None = None) -> None:
        """`words`: learnt to tell the services of danger from `harmless`; `encoder`: the optional part."""
        self.parts = ("patterns", "linear") if encoder is None else ("patterns", "linear", "semantic")
        """What decides here."""
        self._patterns = patterns
        self._words = words
        self._encoder = encoder
        self._weights = WITHOUT_MEANING if encoder is None else WITH_MEANING
        self._harmless = words.services.index(HARMLESS)
        self._dangers = [service for service in words.services if service != HARMLESS]

    def find(self, text: str) -> Finding | None:
        """Return the danger to a person that a text tells of, or `None`."""
        by_words, worst = self._by_words(text)
        if max(self._danger(by_words), self._danger(worst[1])) < self._weights.hardly:
            return None
        whole, part = self._side(text, by_words), self._side(*worst)
        signs = self._patterns.read(text)
        chance = self._weights.chance(self._evidence(whole, part, signs))
        if chance < _ALARM:
            return None
        service = self._which((whole, part), signs)
        return Finding(service=service, evidence=self._why(text, service, signs), confidence=round(chance, 4))

    def evidence(self, text: str) -> Evidence:
        """Return what speaks for and against danger in a text, as numbers: what the weights are learnt from."""
        by_words, worst = self._by_words(text)
        whole, part = self._side(text, by_words), self._side(*worst)
        return self._evidence(whole, part, self._patterns.read(text))

    def _by_words(self, text: str) -> tuple[Floats, tuple[str, Floats]]:
        """By words alone: how much the whole speaks for each answer; and the worst part of it."""
        whole = shares(self._words.scores(text))
        said = words(text)
        if len(said) < _WINDOW + _FEWEST_MORE:
            return whole, (text, whole)
        parts = shares(self._words.windows(text, _WINDOW))
        at = int(parts[:, self._harmless].argmin())
        return whole, (" ".join(said[at : at + _WINDOW]), parts[at])

    def _side(self, text: str, by_words: Floats) -> Side:
        if self._encoder is None:
            return Side(by_words, None)
        likeness = self._encoder.likeness(self._encoder.vector(text))
        danger = {service: likeness.get(service, 0.0) for service in self._dangers}
        rest = {HARMLESS: 1 - sum(danger.values())}
        meant = [(danger | rest)[service] for service in self._words.services]
        return Side(by_words, np.array(meant, dtype=np.float32))

    def _evidence(self, whole: Side, part: Side, signs: Signs) -> Evidence:
        return Evidence(
            words=_odds(self._danger(whole.by_words)),
            part=_odds(self._danger(part.by_words)),
            meaning=0.0 if whole.by_meaning is None else _odds(self._danger(whole.by_meaning)),
            part_meaning=0.0 if part.by_meaning is None else _odds(self._danger(part.by_meaning)),
            sure=sum(map(len, signs.sure.values())),
            hints=max(map(len, signs.hints.values()), default=0),
            harmless=len(signs.harmless),
        )

    def _danger(self, spoken: Floats) -> float:
        return 1 - float(spoken[self._harmless])

    def _which(self, sides: tuple[Side, ...], signs: Signs) -> str:
        """The danger that most speaks for; what sounds like it for sure counts much."""

        def weight(service: str) -> float:
            at = self._words.services.index(service)
            spoken = sum(
                float(side.by_words[at])
                + 3 * float((side.by_words if side.by_meaning is None else side.by_meaning)[at])
                for side in sides
            )
            return spoken + len(signs.sure.get(service, ()))

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
