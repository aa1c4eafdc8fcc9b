"""Services by the words a message shares with the catalogue: a token inverted index, and the nearest examples.

Needs numpy and rapidfuzz only, and is made from the catalogue in about a second. It is the engine where nothing
trained is at hand, and everywhere else it names the words and examples that spoke for a service.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

from routing_rules.classifier.arrays import Floats
from routing_rules.classifier.phrases import Phrase
from routing_rules.classifier.spelling import Spelling
from routing_rules.classifier.words import stem, words

Vector = dict[int, float]
"""Column of a term → its weight in a text."""

_SMOOTHING = 0.01
_NEAREST = 20
_HALF_AS_LIKE = 0.5
_LIKENESS_WEIGHT = 3.0
_TOO_COMMON = 0.04
"""A word in more than this share of the examples tells none of them apart; it only makes the search slow."""


class _Posting(msgspec.Struct, frozen=True):
    """The examples that hold a term, and how much it weighs in each."""

    examples: npt.NDArray[np.int64]
    weights: Floats


class Lexical:
    """Scores every service for a message, by weighted words and pairs of words and by the likest examples."""

    def __init__(self, phrases: Sequence[Phrase], fingerprint: str = "") -> None:
        """`phrases`: the catalogue's examples, names and keywords; at least one."""
        self.fingerprint = fingerprint
        """Of what it learnt from."""
        self.services = sorted({phrase.service for phrase in phrases})
        spoken = [words(phrase.text) for phrase in phrases]
        self._spelling = Spelling(Counter(word for said in spoken for word in said))
        held = [_terms(said) for said in spoken]
        seen = Counter(term for terms in held for term in set(terms))
        self._terms = [term for term, count in seen.items() if count > 1 or " " not in term]
        self._columns = {term: column for column, term in enumerate(self._terms)}
        self._idf = [math.log(1 + len(phrases) / seen[term]) for term in self._terms]
        self._texts = [phrase.text for phrase in phrases]
        self._said = [" ".join(said) for said in spoken]
        self._place = {service: at for at, service in enumerate(self.services)}
        self._owner = np.array([self._place[phrase.service] for phrase in phrases], dtype=np.int64)
        vectors = [self._vector(terms) for terms in held]
        self._weights = self._weigh(vectors)
        self._postings = _index(vectors, int(len(phrases) * _TOO_COMMON) + 50)

    def read(self, text: str) -> list[str]:
        """The words of a message, misspelt ones put right."""
        return self._spelling.repair(words(text))

    def scores(self, text: str) -> Floats:
        """A log-odds-like score for each of `services`; all zero when no word is known."""
        said = self.read(text)
        vector = self._vector(_terms(said))
        if not vector:
            return np.zeros(len(self.services), dtype=np.float32)
        total = self._by_words(vector)
        for at, (likeness, _) in self._likest(said, vector).items():
            total[at] += _LIKENESS_WEIGHT * likeness
        return total

    def gains(self, text: str, service: str) -> dict[str, float]:
        """Return how much each word, and pair of words, of a text spoke for a service, against the average one."""
        at = self._place[service]
        vector = self._vector(_terms(self.read(text)))
        usual = self._weights[list(vector)].mean(axis=1) if vector else ()
        return {
            self._terms[column]: weight * float(self._weights[column, at] - mean)
            for (column, weight), mean in zip(vector.items(), usual, strict=True)
        }

    def rarity(self, stem: str) -> float:
        """The logarithm of how much rarer than in every example a stem is; 0 for one that is not known."""
        column = self._columns.get(stem)
        return 0.0 if column is None else self._idf[column]

    def _vector(self, terms: Sequence[str]) -> Vector:
        counts = Counter(self._columns[term] for term in terms if term in self._columns)
        vector = {column: (1 + math.log(count)) * self._idf[column] for column, count in counts.items()}
        length = math.sqrt(sum(weight * weight for weight in vector.values())) or 1.0
        return {column: weight / length for column, weight in vector.items()}

    def _by_words(self, vector: Vector) -> Floats:
        weights = np.fromiter(vector.values(), dtype=np.float32, count=len(vector))
        total: Floats = weights @ self._weights[np.fromiter(vector, dtype=np.int64, count=len(vector))]
        return total

    def _likest(self, said: Sequence[str], vector: Vector) -> dict[int, tuple[float, int]]:
        """Of the examples nearest by words, each service's likest: service → (likeness 0 to 1, example)."""
        likeness = np.zeros(len(self._said), dtype=np.float32)
        for column, weight in vector.items():
            posting = self._postings.get(column)
            if posting is not None:
                likeness[posting.examples] += weight * posting.weights
        near_enough = np.flatnonzero(likeness >= max(_HALF_AS_LIKE * float(likeness.max()), 1e-6))
        nearest = near_enough[np.argsort(-likeness[near_enough])][:_NEAREST]
        joined = " ".join(said)
        best: dict[int, tuple[float, int]] = {}
        for example in nearest.tolist():
            like = 0.5 * float(likeness[example]) + 0.005 * fuzz.token_sort_ratio(joined, self._said[example])
            at = int(self._owner[example])
            if at not in best or like > best[at][0]:
                best[at] = (like, example)
        return best

    def _weigh(self, vectors: Sequence[Vector]) -> Floats:
        """Naive Bayes in both directions: how usual a term is in a service, against how usual in all others."""
        mass = np.zeros((len(self._terms), len(self.services)), dtype=np.float64)
        for vector, at in zip(vectors, self._owner.tolist(), strict=True):
            for column, weight in vector.items():
                mass[column, at] += weight
        others = mass.sum(axis=1, keepdims=True) - mass + _SMOOTHING
        own = mass + _SMOOTHING
        odds = np.log(own / own.sum(axis=0)) - np.log(others / others.sum(axis=0))
        weighed: Floats = odds.astype(np.float32)
        return weighed


def _terms(said: Sequence[str]) -> list[str]:
    stems = [stem(word) for word in said]
    return stems + [f"{one} {two}" for one, two in itertools.pairwise(stems)]


def _index(vectors: Sequence[Vector], most: int) -> dict[int, _Posting]:
    lists: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for example, vector in enumerate(vectors):
        for column, weight in vector.items():
            lists[column].append((example, weight))
    return {
        column: _Posting(
            np.array([example for example, _ in held], dtype=np.int64),
            np.array([weight for _, weight in held], dtype=np.float32),
        )
        for column, held in lists.items()
        if len(held) <= most
    }
