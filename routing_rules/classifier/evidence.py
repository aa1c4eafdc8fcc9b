"""Why: the words of a message that spoke for a service, and the catalogue example most like it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from routing_rules.classifier.phrases import Phrase
from routing_rules.classifier.words import stem, words

_LEAST_LIKE = 0.12
_MOST_WORDS = 4


class Evidence:
    """Names what spoke for a service, once the engine has chosen it."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        """`phrases`: what the catalogue says a citizen might say."""
        stems = [frozenset(stem(word) for word in words(phrase.text)) for phrase in phrases]
        seen = Counter(word for held in stems for word in held)
        self._worth = {word: math.log(len(phrases) / count) for word, count in seen.items()}
        self._examples: dict[str, list[tuple[frozenset[str], float, str]]] = defaultdict(list)
        for phrase, held in zip(phrases, stems, strict=True):
            length = math.sqrt(sum(self._worth[word] ** 2 for word in held)) or 1.0
            self._examples[phrase.service].append((held, length, phrase.text))

    def of(self, text: str, service: str, gains: Mapping[str, float]) -> list[str]:
        """Return the words that spoke for `service`, strongest first, then the likest example in quotes.

        `gains`: how much each stem, and pair of stems with a space between, spoke for it.
        """
        said = words(text)
        shown = {stem(word): word for word in reversed(said)}
        found: list[str] = []
        for term, gain in sorted(gains.items(), key=lambda item: (-item[1], item[0])):
            if gain <= 0 or len(found) >= _MOST_WORDS:
                break
            phrase = " ".join(shown.get(part, part) for part in term.split())
            if "#" not in phrase and not any(phrase in had or had in phrase for had in found):
                found.append(phrase)
        example = self._likest(shown, service)
        if example is not None:
            found.append(f"“{example}”")
        return found

    def _likest(self, stems: Mapping[str, str], service: str) -> str | None:
        worth = {word: self._worth[word] ** 2 for word in stems if word in self._worth}
        own = math.sqrt(sum(worth.values())) or 1.0
        best, likest = _LEAST_LIKE, None
        for held, length, text in self._examples.get(service, ()):
            shared = held & worth.keys()
            like = sum(worth[word] for word in shared) / (own * length) if shared else 0.0
            if like > best:
                best, likest = like, text
        return likest
