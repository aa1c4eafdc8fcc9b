"""Several needs in one message, told apart: "my bin wasn't emptied and the street light is out" is two.

A message is cut where one need may end and another begin (a sentence's end, "and", "also", a comma), and the cut is
kept only where each side by itself is plainly another service, and neither is mere context for the other. How much
each sign weighs was learnt from catalogue examples joined in pairs, against examples left whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_BORDER: Final = re.compile(
    r"(?P<stop>[.!?;\n]+\s+)"
    r"|(?P<also>,?\s+(?:and\s+)?(?:also|plus|as well as|on top of that|while i'?m here|secondly|another thing"
    r"|separately|and then)[\s,]+)"
    r"|(?P<and>,?\s+(?:and|n|&)\s+)"
    r"|(?P<comma>,\s+)"
    r"|(?P<dash>\s+[-\u2013\u2014]+\s+)",
    re.IGNORECASE,
)
_KINDS: Final = ("stop", "also", "and", "comma", "dash")
_ASKS: Final = re.compile(
    r"(?:(?:and|also|plus|then)\s+)*(?:can|could|how|where|when|what|who|do|does|is there|are there|i need|i want"
    r"|need|want|i'?d like|would like|please|pls|will|my|there|where'?s|i also|could)\b",
    re.IGNORECASE,
)
_LEANS_BACK: Final = re.compile(
    r"(?:it|its|it's|they|them|he|she|that|this|which|because|cos|but|so|then|who)\b", re.IGNORECASE
)
_WISH: Final = re.compile(
    r"\b(?:can|could|how|where|when|what|who|need|want|like|please|pls|report|apply|register|book|order|get|help"
    r"|sort|chase|complain|renew|claim|challenge)\b",
    re.IGNORECASE,
)
_FEWEST_WORDS: Final = 2
_MOST_BORDERS: Final = 12
_MOST_PARTS: Final = 3
_LONG: Final = 20
_OUT_OF_SCOPE: Final = "out-of-scope"

_ONE_NEED: Final = 0.9
"""A message this surely of one service is of one need."""
_WORTH_A_SECOND_LOOK: Final = 0.15
_ENOUGH: Final = 0.5

_WEIGHTS: Final = np.array(
    [-0.70, -0.69, -1.08, -0.85, 1.27, 1.41, -0.22, -0.06, -0.19, 0.85, 2.75, 0.34, -2.27, -1.54, 0.24, -0.59, 0.59,
     -0.47, -1.11, -0.27]
)  # fmt: skip
_OFFSET: Final = -7.79


class Judge(Protocol):
    """What a splitter asks: how sure each service is for a text."""

    services: list[str]

    def quick(self, text: str) -> Floats | None:
        """Each service's confidence at little cost; `None` when nothing is known of the text."""
        ...

    def shares(self, text: str) -> Floats | None:
        """Each service's confidence with all there is."""
        ...


class _Cut(msgspec.Struct, frozen=True):
    kind: str
    left: str
    right: str


class Splitter:
    """Tells the needs of a message apart."""

    def __init__(self, judge: Judge) -> None:
        """`judge`: the engine."""
        self._judge = judge

    def split(self, text: str) -> list[str]:
        """Return the needs in the order they were said, each in the citizen's words. One need is one text."""
        parts = [text]
        while len(parts) < _MOST_PARTS:
            for at, part in enumerate(parts):
                cut = self._cut(part)
                if cut is not None:
                    parts[at : at + 1] = [cut.left, cut.right]
                    break
            else:
                break
        return parts

    def _cut(self, text: str) -> _Cut | None:
        cuts = list(_cuts(text))
        if not cuts:
            return None
        whole = self._judge.quick(text)
        if whole is None or whole.max() >= _ONE_NEED:
            return None
        likely = [(self._weigh(cut, whole, self._judge.quick), cut) for cut in cuts]
        first, best = max(likely, key=lambda pair: pair[0])
        if first < _WORTH_A_SECOND_LOOK:
            return None
        surer = self._judge.shares(text)
        if surer is None or self._weigh(best, surer, self._judge.shares) < _ENOUGH:
            return None
        return best

    def _weigh(self, cut: _Cut, whole: Floats, ask: Callable[[str], Floats | None]) -> float:
        """Return how likely it is, 0 to 1, that another need begins here."""
        left, right = ask(cut.left), ask(cut.right)
        if left is None or right is None:
            return 0.0
        one, other = int(left.argmax()), int(right.argmax())
        named = {self._judge.services[one], self._judge.services[other]}
        if one == other or _OUT_OF_SCOPE in named:
            return 0.0
        signs = _signs(cut, left, right, whole)
        return float(1 / (1 + math.exp(-float(signs @ _WEIGHTS) - _OFFSET)))


def _cuts(text: str) -> Iterator[_Cut]:
    for number, border in enumerate(_BORDER.finditer(text)):
        if number >= _MOST_BORDERS:
            return
        left, right = text[: border.start()].strip(), text[border.end() :].strip()
        if len(left.split()) >= _FEWEST_WORDS and len(right.split()) >= _FEWEST_WORDS:
            yield _Cut(border.lastgroup or "", left, right)


def _signs(cut: _Cut, left: Floats, right: Floats, whole: Floats) -> npt.NDArray[np.float64]:
    one, other = int(left.argmax()), int(right.argmax())
    return np.array(
        [
            _odds(left[one]),
            _odds(right[other]),
            _odds(left[other]),
            _odds(right[one]),
            _odds(whole[one]),
            _odds(whole[other]),
            _odds(whole.max()),
            min(_odds(left[one]), _odds(right[other])),
            _odds(min(1 - 1e-6, whole[one] + whole[other])),
            *(float(cut.kind == kind) for kind in _KINDS),
            float(_ASKS.match(cut.right) is not None),
            float(_LEANS_BACK.match(cut.right) is not None),
            float(_WISH.search(cut.left) is not None),
            float(_WISH.search(cut.right) is not None),
            min(len(cut.left.split()), _LONG) / _LONG,
            min(len(cut.right.split()), _LONG) / _LONG,
        ]
    )


def _odds(share: float) -> float:
    return math.log((share + 1e-4) / (1 - share + 1e-4))
