"""A message as numbers for the linear model: its words, pairs of words, and pieces of words that survive misspelling.

A message is the sum of its terms, each counted once, so that what a term weighs can be remembered.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from routing_rules.classifier.arrays import Columns, Floats
from routing_rules.classifier.words import LATELY, stem, words

_SHORTEST_PIECE = 2
_LONGEST_PIECE = 5
_WHOLE = "="
"""Before the name of a stem or a pair, so that it never meets a piece of a word."""


class Terms(msgspec.Struct, frozen=True):
    """What a message is made of, each once."""

    words: tuple[str, ...]
    pairs: tuple[str, ...]
    """The stems of two words that stand together, with a space between."""


@functools.lru_cache(LATELY)
def terms(text: str) -> Terms:
    """The words and the pairs of words of a message."""
    said = words(text)
    stems = [stem(word) for word in said]
    pairs = [f"{one} {two}" for one, two in pairwise(stems)]
    return Terms(tuple(dict.fromkeys(said)), tuple(dict.fromkeys(pairs)))


def _names(word: str) -> list[str]:
    return [_WHOLE + stem(word), *_pieces(word)]


def _pieces(word: str) -> list[str]:
    framed = f"<{word}>"
    return [
        framed[start : start + size]
        for size in range(_SHORTEST_PIECE, _LONGEST_PIECE + 1)
        for start in range(len(framed) - size + 1)
    ]


class Features:
    """Which words, pairs and pieces there are, in which column, and how telling each is."""

    def __init__(self, names: Sequence[str], idf: Floats) -> None:
        """`names`: a name for each column, stems and pairs with a mark before them; `idf`: how rare it is."""
        self.names = list(names)
        self.idf = idf
        self._columns = {name: column for column, name in enumerate(self.names)}

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Features:
        """Take the names of all texts; those in one text only are left out, whole words are kept."""
        seen: Counter[str] = Counter()
        count = 0
        for text in texts:
            said = terms(text)
            seen.update({name for word in said.words for name in _names(word)})
            seen.update(_WHOLE + pair for pair in said.pairs)
            count += 1
        names = [name for name, times in seen.items() if times > 1 or (name[0] == _WHOLE and " " not in name)]
        idf = np.array([1 + math.log((1 + count) / (1 + seen[name])) for name in names], dtype=np.float32)
        return cls(names, idf)

    def of_word(self, word: str) -> Columns:
        """The columns of a word by its stem and its pieces, one as often as the word holds it."""
        known = self._columns
        return np.array([known[name] for name in _names(word) if name in known], dtype=np.int64)

    def of_pairs(self, pairs: Iterable[str]) -> Columns:
        """The columns of those pairs that are known."""
        known = self._columns
        return np.array([known[name] for pair in pairs if (name := _WHOLE + pair) in known], dtype=np.int64)

    def whole(self, stem_or_pair: str) -> int | None:
        """The column of a stem, or of a pair, by itself; `None` when it is not known."""
        return self._columns.get(_WHOLE + stem_or_pair)

    def read(self, text: str) -> tuple[Columns, Floats]:
        """The columns a text touches, each once, and its weights there; empty when nothing is known."""
        said = terms(text)
        touched = [*map(self.of_word, said.words), self.of_pairs(said.pairs)]
        squared = sum(float(self.idf[columns] @ self.idf[columns]) for columns in touched)
        if not squared:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        columns, counts = np.unique(np.concatenate(touched), return_counts=True)
        weights: Floats = (counts * self.idf[columns] / math.sqrt(squared)).astype(np.float32)
        return columns, weights
