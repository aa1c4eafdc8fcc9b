"""A message as numbers for the linear model: its words, pairs of words, and pieces of words that survive misspelling."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from routing_rules.classifier.arrays import Columns, Floats
from routing_rules.classifier.words import stem, words

_SHORTEST_PIECE = 2
_LONGEST_PIECE = 5
_MOST_REMEMBERED = 50_000
_LATELY = 16
"""A text is asked about a few times in a row: for its scores, and for what spoke for them."""


def _pieces(word: str) -> list[str]:
    framed = f"<{word}>"
    return [
        framed[start : start + size]
        for size in range(_SHORTEST_PIECE, _LONGEST_PIECE + 1)
        for start in range(len(framed) - size + 1)
    ]


def _whole(said: Sequence[str]) -> list[str]:
    """Words and pairs, marked so that they never meet a piece of a word."""
    stems = [stem(word) for word in said]
    return ["=" + one for one in stems] + [f"={one} {two}" for one, two in pairwise(stems)]


class Features:
    """Which pieces there are, in which column, and how telling each is."""

    def __init__(self, names: Sequence[str], idf: Floats) -> None:
        """`names`: a piece for each column; `idf`: how rare it is in the catalogue."""
        self.names = list(names)
        self.idf = idf
        self._columns = {name: column for column, name in enumerate(self.names)}
        self._lately: dict[int, tuple[Columns, Floats]] = {}
        self._of_word: dict[str, Columns] = {}

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Features:
        """Take the pieces of all texts; those of words in one text only are left out, whole words are kept."""
        seen: Counter[str] = Counter()
        count = 0
        for text in texts:
            said = words(text)
            seen.update({*_whole(said), *(piece for word in set(said) for piece in _pieces(word))})
            count += 1
        names = [name for name, times in seen.items() if times > 1 or (name[0] == "=" and " " not in name)]
        idf = np.array([1 + math.log((1 + count) / (1 + seen[name])) for name in names], dtype=np.float32)
        return cls(names, idf)

    def read(self, text: str) -> tuple[Columns, Floats]:
        """The columns a text touches and its weights there, of length one together; empty when nothing is known."""
        mark = hash(text)
        known = self._lately.get(mark)
        if known is None:
            columns, weights = self.weigh(text)
            known = (columns, weights / np.sqrt(weights @ weights)) if len(columns) else (columns, weights)
            if len(self._lately) >= _LATELY:
                self._lately.clear()
            self._lately[mark] = known
        return known

    def weigh(self, text: str) -> tuple[Columns, Floats]:
        """The same with the weights as they are, so that those of a text's parts can be put together."""
        said = words(text)
        known = self._columns
        whole = [known[name] for name in _whole(said) if name in known]
        touched = np.concatenate([np.array(whole, dtype=np.int64), *map(self._pieces_of, said)])
        if not len(touched):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        columns, counts = np.unique(touched, return_counts=True)
        weights: Floats = (1 + np.log(counts, dtype=np.float32)) * self.idf[columns]
        return columns, weights

    def _pieces_of(self, word: str) -> Columns:
        known = self._of_word.get(word)
        if known is None:
            columns = [column for piece in _pieces(word) if (column := self._columns.get(piece)) is not None]
            known = np.array(columns, dtype=np.int64)
            if len(self._of_word) >= _MOST_REMEMBERED:
                self._of_word.clear()
            self._of_word[word] = known
        return known
