"""Misspelt words put right against the words the catalogue knows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

_SHORTEST = 4
_MOST_REMEMBERED = 20_000


class Spelling:
    """The catalogue's own vocabulary as a spelling book; remembers words, never messages."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """`counts`: how often each word is in the catalogue; a word seen once is itself often a slip."""
        self._counts = Counter(counts)
        self._by_first: dict[str, list[str]] = defaultdict(list)
        for word, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0])):
            if len(word) >= _SHORTEST and count > 1 and word.isalpha():
                self._by_first[word[0]].append(word)
        self._remembered: dict[str, str] = {}

    def repair(self, words: Iterable[str]) -> list[str]:
        """The words, each unknown one replaced by the known one it is a slip of, if there is one."""
        return [word if word in self._counts else self._nearest(word) for word in words]

    def _nearest(self, word: str) -> str:
        if len(word) < _SHORTEST or not word.isalpha():
            return word
        known = self._remembered.get(word)
        if known is None:
            known = self._search(word)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[word] = known
        return known

    def _search(self, word: str) -> str:
        slips = 1 if len(word) < 7 else 2
        near = process.extract(
            word, self._by_first.get(word[0], ()), scorer=OSA.distance, score_cutoff=slips, limit=4
        )
        if not near:
            return word
        best = max(
            near, key=lambda hit: (-hit[1], JaroWinkler.similarity(word, hit[0]), self._counts[hit[0]])
        )
        return str(best[0])
