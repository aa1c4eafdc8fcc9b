"""A linear model over pieces of words: learnt in numpy within a minute, applied in a fraction of a millisecond."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from routing_rules.classifier.arrays import Bytes, Columns, Floats
from routing_rules.classifier.features import Features, terms
from routing_rules.classifier.noise import noisy
from routing_rules.classifier.words import stem, words

_STEADY = 1e-8
_FULL = 127.0
_MOST_REMEMBERED = 20_000
"""Words whose say is kept, never messages. About a kilobyte each."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How to learn. The defaults are what the catalogue's own held-out examples chose."""

    epochs: int = 5
    batch: int = 256
    rate: float = 0.2
    """Step size of Adagrad at the start; it falls to a twentieth."""
    softness: float = 0.05
    """How much of each target is spread over all answers, so that the model does not grow sure of itself."""
    noise: float = 0.2
    """Share of the texts read with slips in them, anew in each epoch."""
    seed: int = 7


class Linear:
    """Scores every answer for a text. Weights are kept as bytes with one scale for each row."""

    def __init__(
        self, features: Features, services: Sequence[str], weights: Bytes, scales: Floats, fingerprint: str
    ) -> None:
        """`weights`: a row for each feature, a column for each service; a real weight is byte x row's scale."""
        self.fingerprint = fingerprint
        """Of what it learnt from."""
        self.features = features
        self.services = list(services)
        self._weights = weights
        self._scales = scales
        self._values: Floats = features.idf * scales
        self._usual: Floats = weights.mean(axis=1, dtype=np.float32)
        self._says: dict[str, Floats] = {}

    def scores(self, text: str) -> Floats:
        """A log-odds-like score for each of `services`; all zero when nothing in the text is known."""
        said = self._said(text)
        total = said[:-1]
        if said[-1]:
            total /= math.sqrt(float(said[-1]))
        return total

    def up_to(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """What the texts up to each add to the scores of all together, a row each; and to their squared length.

        The scores of some texts read as one are the sum of their rows by the root of the sum of their lengths:
        nearly `scores` of them joined, for the price of reading each once.
        """
        said = [terms(text) for text in texts]
        by_words = np.array([self._say(word) for one in said for word in one.words], dtype=np.float32)
        pairs = [self.features.of_pairs(one.pairs) for one in said]
        total = _up_to(by_words.reshape(-1, len(self.services) + 1), [len(one.words) for one in said])
        total += _up_to(self._each(np.concatenate(pairs)), list(map(len, pairs)))
        return total[:, :-1], total[:, -1]

    def windows(self, text: str, size: int) -> Floats:
        """The scores of every `size` words that stand together, a row for each place where they can begin."""
        says = [self._say(word) for word in words(text)]
        summed = np.zeros((len(says) + 1, len(self.services) + 1), dtype=np.float32)
        np.concatenate(says).reshape(len(says), -1).cumsum(axis=0, out=summed[1:])
        held = summed[size:] - summed[:-size]
        scores: Floats = held[:, :-1] / np.sqrt(np.maximum(held[:, -1:], _STEADY))
        return scores

    def gains(self, text: str, service: str) -> dict[str, float]:
        """How much each whole word and pair of words of a text spoke for a service, against the average one."""
        at = self.services.index(service)
        said = terms(text)
        found: dict[str, float] = {}
        for name in (*map(stem, said.words), *said.pairs):
            column = self.features.whole(name)
            if column is not None:
                gain = float(self._weights[column, at]) - float(self._usual[column])
                found[name] = gain * float(self._values[column])
        return found

    def rarity(self, stem: str) -> float:
        """The logarithm of how much rarer than in every text a stem was; 0 for one that is not known."""
        column = self.features.whole(stem)
        return 0.0 if column is None else float(self.features.idf[column]) - 1

    def _said(self, text: str) -> Floats:
        """The sum of what a text's terms say: for each service, and last their squared length."""
        said = terms(text)
        says = [self._say(word) for word in said.words]
        if not says:
            return np.zeros(len(self.services) + 1, dtype=np.float32)
        total: Floats = np.concatenate(says).reshape(len(says), -1).sum(axis=0)
        pairs = self.features.of_pairs(said.pairs)
        if len(pairs):
            total += self._sum(pairs)
        return total

    def _say(self, word: str) -> Floats:
        known = self._says.get(word)
        if known is None:
            known = self._sum(self.features.of_word(word))
            if len(self._says) >= _MOST_REMEMBERED:
                self._says.clear()
            self._says[word] = known
        return known

    def _sum(self, columns: Columns) -> Floats:
        idf = self.features.idf[columns]
        total = np.empty(len(self.services) + 1, dtype=np.float32)
        np.dot(self._values[columns], self._weights[columns].astype(np.float32), out=total[:-1])
        total[-1] = idf @ idf
        return total

    def _each(self, columns: Columns) -> Floats:
        """What each column says by itself, a row each, as in `_sum`."""
        rows = np.empty((len(columns), len(self.services) + 1), dtype=np.float32)
        np.multiply(self._weights[columns], self._values[columns, None], out=rows[:, :-1])
        rows[:, -1] = np.square(self.features.idf[columns])
        return rows

    def save(self, path: Path) -> None:
        """Write the model to one file, whole or not at all."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                names=np.frombuffer("\n".join(self.features.names).encode(), dtype=np.uint8),
                idf=self.features.idf,
                services=np.frombuffer("\n".join(self.services).encode(), dtype=np.uint8),
                fingerprint=np.frombuffer(self.fingerprint.encode(), dtype=np.uint8),
                weights=self._weights,
                scales=self._scales,
            )
        part.replace(path)

    @classmethod
    def load(cls, path: Path, fingerprint: str | None = None) -> Linear:
        """Read a saved model. Raises `OSError` or `KeyError` when the file is not one.

        Raises `ValueError` when it carries another `fingerprint` than the one asked for.
        """
        with np.load(path, allow_pickle=False) as held:
            carried = held["fingerprint"].tobytes().decode()
            if fingerprint not in {None, carried}:
                raise ValueError(f"{path.name} was learnt from something else")
            names = held["names"].tobytes().decode().split("\n")
            services = held["services"].tobytes().decode().split("\n")
            features = Features(names, held["idf"])
            return cls(features, services, held["weights"], held["scales"], carried)

    @classmethod
    def learn(
        cls,
        texts: Sequence[str],
        services: Sequence[str],
        recipe: Recipe | None = None,
        *,
        fingerprint: str = "",
    ) -> Linear:
        """Learn from texts and the right service of each. The same input gives the same model."""
        recipe = recipe or Recipe()
        features = Features.learn(texts)
        known = sorted(set(services))
        place = {service: at for at, service in enumerate(known)}
        targets = np.array([place[service] for service in services], dtype=np.int64)
        weights = _descend(features, texts, targets, len(known), recipe)
        scales = np.maximum(np.abs(weights).max(axis=1), _STEADY) / _FULL
        bytes_ = np.rint(weights / scales[:, None]).astype(np.int8)
        return cls(features, known, bytes_, scales.astype(np.float32), fingerprint)


def _up_to(rows: Floats, counts: Sequence[int]) -> Floats:
    """The sum of the first rows: of as many as the first count says, of those and the second's, and so on."""
    summed = np.zeros((len(rows) + 1, rows.shape[1]), dtype=np.float32)
    rows.cumsum(axis=0, out=summed[1:])
    found: Floats = summed[np.cumsum(counts)]
    return found


def _descend(
    features: Features, texts: Sequence[str], targets: npt.NDArray[np.int64], answers: int, recipe: Recipe
) -> Floats:
    """Multinomial logistic regression by Adagrad, one step size for each feature."""
    order_of = np.random.default_rng(recipe.seed)
    chance = random.Random(recipe.seed)  # noqa: S311  slips of the thumb, not secrets
    clean = [features.read(text) for text in texts]
    weights = np.zeros((len(features.names), answers), dtype=np.float32)
    seen = np.full((len(features.names), 1), _STEADY, dtype=np.float32)
    steps = recipe.epochs * -(-len(texts) // recipe.batch)
    step = 0
    for _ in range(recipe.epochs):
        order = order_of.permutation(len(texts))
        for start in range(0, len(order), recipe.batch):
            chosen = order[start : start + recipe.batch]
            held = [
                features.read(noisy(texts[at], chance)) if chance.random() < recipe.noise else clean[at]
                for at in chosen.tolist()
            ]
            touched, values = _dense(held)
            rows = weights[touched]
            wrong = _softmax(values @ rows)
            wrong -= recipe.softness / answers
            wrong[np.arange(len(chosen)), targets[chosen]] -= 1 - recipe.softness
            slope = values.T @ wrong / len(chosen)
            seen[touched] += np.square(slope).mean(axis=1, keepdims=True)
            rate = recipe.rate * (1 - 0.95 * step / steps)
            weights[touched] = rows - rate * slope / np.sqrt(seen[touched])
            step += 1
    return weights


def _dense(held: Sequence[tuple[Columns, Floats]]) -> tuple[Columns, Floats]:
    """The columns a batch touches, and the batch as a dense matrix over just those."""
    columns = np.concatenate([columns for columns, _ in held])
    touched, places = np.unique(columns, return_inverse=True)
    matrix = np.zeros((len(held), len(touched)), dtype=np.float32)
    texts = np.repeat(np.arange(len(held)), [len(columns) for columns, _ in held])
    matrix[texts, places] = np.concatenate([values for _, values in held])
    return touched, matrix


def _softmax(scores: Floats) -> Floats:
    raised: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    raised /= raised.sum(axis=1, keepdims=True)
    return raised
