"""Why: the words of a message that spoke for a service, and the catalogue example most like it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from routing_rules.classifier.phrases import Phrase
from routing_rules.classifier.words import stem, words

_LEAST_LIKE: Final = 0.12
_MOST_WORDS: Final = 4
_LEAST_WORTH: Final = 2.0
"""A word that one example in seven or more holds makes none of them likelier than another."""


class _Examples(msgspec.Struct, frozen=True):
    """One service's examples, found by their words."""

    texts: list[str]
    lengths: list[float]
    holding: dict[str, list[int]]


Rarity = Callable[[str], float]
"""How much rarer than in every example a stem is: the logarithm; 0 for what is not known."""


class Evidence:
    """Names what spoke for a service, once the engine has chosen it."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        """`phrases`: what the catalogue says a citizen might say."""
        self._phrases: dict[str, list[str]] = defaultdict(list)
        for phrase in phrases:
            self._phrases[phrase.service].append(phrase.text)
        self._examples: dict[str, _Examples] = {}

    def of(self, text: str, service: str, gains: Mapping[str, float], rarity: Rarity) -> list[str]:
        """Return the words that spoke for `service`, strongest first, then the likest example in quotes.

        `gains`: how much each stem, and pair of stems with a space between, spoke for it.
        """
        shown = {stem(word): word for word in reversed(words(text))}
        found: list[str] = []
        strongest = sorted((term for term, gain in gains.items() if gain > 0), key=gains.__getitem__)
        while strongest and len(found) < _MOST_WORDS:
            term = strongest.pop()
            phrase = " ".join(shown.get(part, part) for part in term.split())
            if "#" not in phrase and not any(phrase in had or had in phrase for had in found):
                found.append(phrase)
        example = self._likest(shown, service, rarity)
        if example is not None:
            found.append(f"“{example}”")
        return found

    def _likest(self, stems: Iterable[str], service: str, rarity: Rarity) -> str | None:
        worth = {word: value**2 for word in stems if (value := rarity(word))}
        own = self._of(service, rarity)
        likeness: dict[int, float] = defaultdict(float)
        for word, share in worth.items():
            for example in own.holding.get(word, ()):
                likeness[example] += share / own.lengths[example]
        if not likeness:
            return None
        likest = max(likeness, key=likeness.__getitem__)
        near = likeness[likest] / math.sqrt(sum(worth.values()))
        return own.texts[likest] if near > _LEAST_LIKE else None

    def _of(self, service: str, rarity: Rarity) -> _Examples:
        """A service's examples, indexed when they are first asked for: a start-up that indexed all would be slow."""
        own = self._examples.get(service)
        if own is None:
            own = self._examples[service] = _indexed(self._phrases.get(service, []), rarity)
        return own


def _indexed(texts: list[str], rarity: Rarity) -> _Examples:
    lengths, holding = [], defaultdict[str, list[int]](list)
    for at, text in enumerate(texts):
        worth = {word: rarity(word) for word in {stem(word) for word in words(text)}}
        for word, value in worth.items():
            if value >= _LEAST_WORTH:
                holding[word].append(at)
        lengths.append(math.sqrt(sum(value**2 for value in worth.values())) or 1.0)
    return _Examples(texts, lengths, holding)
