"""`python -m routing_rules.split_training`: learn how much each sign of a second need weighs, and print it.

A model is learnt from half of the catalogue, so that it meets the other half as it will meet citizens. Of that other
half, examples joined in pairs show where a cut is right, and examples left whole show where it is not.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue
from routing_rules.classifier.engine import Engine
from routing_rules.classifier.evidence import Evidence
from routing_rules.classifier.linear import Linear
from routing_rules.classifier.phrases import Phrase, phrases_of
from routing_rules.split import rows

Rows = npt.NDArray[np.float64]

_JOINTS: Final = (
    " and ", " and ", " also ", ", and also ", ". ", ". ", ". Also ", ", plus ", " n ", ", ", " and then ", "? And ",
    ", and ", ", and ", " as well as that ", " & ", "? ", "\n",
)  # fmt: skip
_PAIRS: Final = 4000
_WHOLE: Final = 7000
_FEWEST_WORDS: Final = 4
_MOST_WORDS: Final = 22
_SLACK: Final = 4
"""A cut this many characters from the joint is still the joint."""
_STEPS: Final = 40
_RIDGE: Final = 1.0


def main() -> None:
    """Learn and print."""
    phrases = [
        one for one in phrases_of(Catalogue.load(Path(__file__).parent)) if one.service != OUT_OF_SCOPE
    ]
    learnt, met = phrases[::2], phrases[1::2]
    model = Linear.learn([one.text for one in learnt], [one.service for one in learnt])
    judge = Engine(model, [], Evidence(learnt), ("linear",), "half")
    shown = [*_joined(met, judge), *_whole(met, judge)]
    weights = _fit(np.array([row for row, _ in shown]), np.array([right for _, right in shown]))
    sys.stdout.write(
        f"{len(shown)} cuts\nweights {np.round(weights[:-1], 2).tolist()}\noffset {weights[-1]:.2f}\n"
    )


def _joined(phrases: Sequence[Phrase], judge: Engine) -> Iterator[tuple[Rows, bool]]:
    chance = random.Random(5)  # noqa: S311  pairs, not secrets
    fit = [one for one in phrases if _FEWEST_WORDS <= len(one.text.split()) <= _MOST_WORDS]
    for _ in range(_PAIRS):
        one, other = chance.sample(fit, 2)
        first, second = one.text.rstrip(".!? "), other.text
        if chance.random() < 0.5:
            second = second[0].lower() + second[1:]
        if one.service != other.service:
            text = first + chance.choice(_JOINTS) + second
            for cut, row in rows(text, judge):
                yield row, abs(len(cut.left) - len(first)) <= _SLACK


def _whole(phrases: Sequence[Phrase], judge: Engine) -> Iterator[tuple[Rows, bool]]:
    for one in random.Random(6).sample(list(phrases), min(_WHOLE, len(phrases))):  # noqa: S311
        yield from ((row, False) for _, row in rows(one.text, judge))


def _fit(shown: Rows, right: npt.NDArray[np.bool_]) -> Rows:
    """Logistic regression by Newton's method; the offset comes last."""
    full = np.hstack([shown, np.ones((len(shown), 1))])
    weights = np.zeros(full.shape[1])
    ridge = _RIDGE * np.eye(full.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(full @ weights, -30, 30)))
        slope = full.T @ (right - likely) - _RIDGE * weights
        bend = (full * (likely * (1 - likely))[:, None]).T @ full + ridge
        weights = weights + np.linalg.solve(bend, slope)
    return np.asarray(weights, dtype=np.float64)


if __name__ == "__main__":
    main()
