"""`python -m routing_rules.safety.weighing [MESSAGES.csv …]`: learn how much each kind of evidence weighs, and print it.

Learnt from the held-out fifth of `examples.toml`, and from messages in files as for `front-door evaluate` whose right
answer is known. No part has learnt from either, so each part is trusted here as far as it can be in the field.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from routing_rules import safety
from routing_rules.evaluate import read
from routing_rules.safety import examples
from routing_rules.safety.detector import Detector

_STEPS: Final = 50
_RIDGE: Final = 1.0
_MISSED: Final = 3.0
"""How much worse a danger missed is than a false alarm."""
_NEVER_AGAINST: Final = (True, True, True, True, True, True, False)
"""What only ever speaks for danger: every kind of evidence but harmless words."""

Rows = npt.NDArray[np.float64]


def main() -> None:
    """Learn and print, with and without meaning."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    given = parser.parse_args()
    shown = [(one.text, one.service != examples.HARMLESS) for one in examples.load() if one.held_out]
    dangers = set(examples.dangers())
    for file in given.files:
        for message in read(file):
            known = message.emergency if message.emergency is not None else bool(dangers & set(message.codes))
            shown.append((message.text, known))
    for semantic in (True, False):
        detector = safety.load(semantic=semantic)
        offset, weights = fit(detector, shown)
        sys.stdout.write(
            f"with{'' if semantic else 'out'} meaning: offset={offset:.2f}, rows={tuple(weights)}\n"
        )


def fit(detector: Detector, shown: Sequence[tuple[str, bool]]) -> tuple[float, list[float]]:
    """The offset and the weights that tell best which messages are danger."""
    rows = np.array([detector.evidence(text).row() for text, _ in shown])
    right = np.array([danger for _, danger in shown])
    used = rows.std(axis=0) > 0
    while True:
        found = _logistic(rows[:, used], right)
        weights = np.zeros(rows.shape[1])
        weights[used] = found[:-1]
        against = used & np.array(_NEVER_AGAINST) & (weights < 0)
        if not against.any():
            return float(found[-1]), np.round(weights, 2).tolist()
        used &= ~against


def _logistic(rows: Rows, right: npt.NDArray[np.bool_]) -> Rows:
    """Logistic regression by Newton's method; the offset comes last."""
    full = np.hstack([rows, np.ones((len(rows), 1))])
    count = np.where(right, _MISSED, 1.0)
    weights = np.zeros(full.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(full @ weights, -30, 30)))
        slope = full.T @ (count * (right - likely)) - _RIDGE * weights
        bend = (full * (count * likely * (1 - likely))[:, None]).T @ full + _RIDGE * np.eye(full.shape[1])
        weights = weights + np.linalg.solve(bend, slope)
    return np.asarray(weights, dtype=np.float64)


if __name__ == "__main__":
    main()
