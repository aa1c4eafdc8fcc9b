"""`python -m routing_rules.safety.weighing [MESSAGES.csv …]`: learn how much each kind of evidence weighs, and print it.

Learnt from the held-out fifth of `examples.toml`, and from messages in files as for `front-door evaluate` whose right
answer is known. No part has learnt from either, so each part is trusted here as far as it can be in the field.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from routing_rules import safety
from routing_rules.evaluate import read
from routing_rules.safety import examples

_STEPS: Final = 50
_RIDGE: Final = 1.0
_MISSED: Final = 3.0
"""How much worse a danger missed at the first look is than a needless second look."""
_WORTH_A_SECOND_LOOK: Final = -0.85
"""The log-odds of 0.3."""
_OBSCURE: Final = 0.3
_DANGER: Final = 3.0
_ORDINARY: Final = 6.0
"""How much a message counts: ordinary ones are by far the most in the field."""
_HARMLESS: Final = 5
"""The one kind of evidence that may speak against danger."""
_BEFORE_DEEP: Final = 6

Rows = npt.NDArray[np.float64]


class Shown(msgspec.Struct, frozen=True):
    """A message whose answer is known."""

    text: str
    danger: bool
    counts: float


def main() -> None:
    """Learn and print: by words alone, with the quick encoder, for the second look, and with the deep one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    shown = list(messages(parser.parse_args().files))
    right = np.array([one.danger for one in shown])
    count = np.array([one.counts for one in shown])
    for semantic in (False, True):
        detector = safety.load(semantic=semantic)
        rows = np.array([detector.evidence(one.text).row() for one in shown])
        _say("with the quick encoder" if semantic else "by words", fit(rows[:, :_BEFORE_DEEP], right, count))
        if detector.parts[-1] == "deep":
            eager = fit(rows[:, :_BEFORE_DEEP], right, np.where(right, _MISSED * count, count))
            _say("second look", eager)
            likely = eager[0] + rows[:, :_BEFORE_DEEP] @ np.array(eager[1]) >= _WORTH_A_SECOND_LOOK
            _say("with the deep encoder", fit(rows[likely], right[likely], count[likely]))


def messages(files: Sequence[Path]) -> Iterator[Shown]:
    """What to learn from."""
    for one in examples.load():
        if one.held_out:  # written to be hard to tell: the rare among the rare
            danger = one.service != examples.HARMLESS
            yield Shown(one.text, danger, _OBSCURE * (_DANGER if danger else 1))
    dangers = set(examples.dangers())
    for file in files:
        for message in read(file):
            if message.emergency is None:
                danger = bool(dangers & set(message.codes))
                yield Shown(message.text, danger, _DANGER if danger else _ORDINARY)
            else:
                yield Shown(message.text, message.emergency, _DANGER if message.emergency else 1)


def fit(rows: Rows, right: npt.NDArray[np.bool_], count: Rows) -> tuple[float, list[float]]:
    """The offset and the weights that tell best which messages are danger."""
    used = rows.std(axis=0) > 0
    only_for = np.array([kind != _HARMLESS for kind in range(rows.shape[1])])
    while True:
        found = _logistic(rows[:, used], right, count)
        weights = np.zeros(rows.shape[1])
        weights[used] = found[:-1]
        against = used & only_for & (weights < 0)
        if not against.any():
            return float(found[-1]), np.round(weights, 2).tolist()
        used &= ~against


def _say(name: str, found: tuple[float, list[float]]) -> None:
    sys.stdout.write(f"{name}: offset={found[0]:.2f}, rows={tuple(found[1])}\n")


def _logistic(rows: Rows, right: npt.NDArray[np.bool_], count: Rows) -> Rows:
    """Logistic regression by Newton's method; the offset comes last."""
    full = np.hstack([rows, np.ones((len(rows), 1))])
    weights = np.zeros(full.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(full @ weights, -30, 30)))
        slope = full.T @ (count * (right - likely)) - _RIDGE * weights
        bend = (full * (count * likely * (1 - likely))[:, None]).T @ full + _RIDGE * np.eye(full.shape[1])
        weights = weights + np.linalg.solve(bend, slope)
    return np.asarray(weights, dtype=np.float64)


if __name__ == "__main__":
    main()
