"""Why: the words of a message that spoke for a service, and the catalogue example most like it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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


class Evidence:
    """Names what spoke for a service, once the engine has chosen it."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        """`phrases`: what the catalogue says a citizen might say."""
        stems = [{stem(word) for word in words(phrase.text)} for phrase in phrases]
        seen = Counter(word for held in stems for word in held)
        self._worth = {word: math.log(len(phrases) / count) for word, count in seen.items()}
        self._examples: dict[str, _Examples] = defaultdict(lambda: _Examples([], [], {}))
        for phrase, held in zip(phrases, stems, strict=True):
            own = self._examples[phrase.service]
            for word in held:
                if self._worth[word] >= _LEAST_WORTH:
                    own.holding.setdefault(word, []).append(len(own.texts))
            own.texts.append(phrase.text)
            own.lengths.append(math.sqrt(sum(self._worth[word] ** 2 for word in held)) or 1.0)

    def of(self, text: str, service: str, gains: Mapping[str, float]) -> list[str]:
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
        example = self._likest(shown, service)
        if example is not None:
            found.append(f"“{example}”")
        return found

    def _likest(self, stems: Mapping[str, str], service: str) -> str | None:
        worth = {word: self._worth[word] ** 2 for word in stems if word in self._worth}
        if service not in self._examples or not worth:
            return None
        own = self._examples[service]
        likeness: dict[int, float] = defaultdict(float)
        for word, share in worth.items():
            for example in own.holding.get(word, ()):
                likeness[example] += share / own.lengths[example]
        if not likeness:
            return None
        likest = max(likeness, key=likeness.__getitem__)
        near = likeness[likest] / math.sqrt(sum(worth.values()))
        return own.texts[likest] if near > _LEAST_LIKE else None
