"""Several needs in one message, told apart: "my bin wasn't emptied and the street light is out" is two.

A message is cut where one need may end and another begin (a sentence's end, "and", "also", a comma). A cut is kept
where its signs say so, and where each side by itself is plainly another service, by its words and by its meaning.
How much each sign weighs was learnt from catalogue examples joined in pairs, against examples left whole
(`split_training`).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

KINDS: Final = ("stop", "also", "and", "comma", "dash")
_BORDER: Final = re.compile(
    r"(?P<also>[,.;!?]*\s+(?:(?:oh|and|but|then)\s+)*(?:also|plus|as well as|on top of that|and then|oh and|after that"
    r"|whil(?:e|st) (?:i'?m|i am|you'?re|you are|i'?ve got you|i have you|we'?re)(?: on| here| there| at it| about it)?"
    r"|second(?:ly)?|(?:one|another) (?:more )?(?:thing|question|issue|matter)|separately|separate thing|by the way|btw"
    r"|in addition|additionally|besides|the other thing(?: is)?|asked re|asking re)[\s,:]+)"
    r"|(?P<stop>[.!?;\n]+\s+)"
    r"|(?P<and>,?\s+(?:and|n|&)\s+)"
    r"|(?P<comma>,\s+)"
    r"|(?P<dash>\s+[-\u2013\u2014]+\s+)",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    r"(?:(?:and|also|plus|then)\s+)*(?:can|could|how|where|when|what|who|do|does|is there|are there|i need|i want"
    r"|need|want|i'?d like|would like|please|pls|will|my|there|where'?s)\b",
    re.IGNORECASE,
)
_LEANS_BACK: Final = re.compile(
    r"(?:it|its|it's|they|them|he|she|that|this|which|because|cos|but|so|then|who)\b", re.IGNORECASE
)
_STANDS_ALONE: Final = re.compile(
    r"(?:the|my|our|his|her|their|there|there'?s|theres|a|an|also|i'?m|im|i|we|we'?ve|ive|i'?ve|is|are|any)\b",
    re.IGNORECASE,
)
_WISH: Final = re.compile(
    r"\b(?:can|could|how|where|when|what|who|need|want|like|please|pls|report|apply|register|book|order|get|help"
    r"|sort|chase|complain|renew|claim|challenge)\b",
    re.IGNORECASE,
)
_FEWEST_WORDS: Final = 2
_MOST_BORDERS: Final = 12
_MOST_PARTS: Final = 3
_SHORT: Final = 4
_LONG: Final = 20
_SECOND_LOOKS: Final = 2
_OUT_OF_SCOPE: Final = "out-of-scope"

_LIKELY: Final = 0.3
"""From here on by its signs a cut is worth asking the whole engine about."""
_SURE_OF_EACH: Final = 0.65
"""How sure the engine must be of each side."""
_MEANT_BY_EACH: Final = 0.12
"""How much each side's meaning alone must speak for its service."""

_WEIGHTS: Final = np.array(
    [0.09, -0.05, -0.77, -0.81, 0.52, 0.4, -0.29, 3.08, -0.64, -3.47, -3.69, 0.79, -1.13, -0.83, 0.38, -0.51, 0.08,
     -0.02, -0.72, -0.8, 0.58, -4.83, -4.95, -2.33, -1.32, -1.74]
)  # fmt: skip
_OFFSET: Final = -5.01


class Judge(Protocol):
    """What a splitter asks: how sure each service is for a text."""

    services: Sequence[str]

    def halves(self, parts: Sequence[str]) -> tuple[Floats, Floats, Floats]:
        """At little cost: the confidences of the whole; and of what comes before, and after, each inner border."""
        ...

    def shares(self, text: str, *, deep: bool) -> Floats | None:
        """Each service's confidence, `deep` with all there is; `None` when nothing is known of the text."""
        ...

    def meant(self, text: str) -> Floats | None:
        """Each service's confidence by meaning alone; `None` where that part is not there."""
        ...


class Cut(msgspec.Struct, frozen=True):
    """A place where another need may begin."""

    kind: str
    """One of `KINDS`."""
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

    def _cut(self, text: str) -> Cut | None:
        likely = sorted(self._likely(text), key=lambda pair: -pair[0])
        for _, cut in likely[:_SECOND_LOOKS]:
            if self._plainly_two(cut):
                return cut
        return None

    def _likely(self, text: str) -> list[tuple[float, Cut]]:
        """The cuts that their signs speak for, with how much."""
        found: list[tuple[float, Cut]] = []
        for cut, row in rows(text, self._judge):
            chance = 1 / (1 + math.exp(-float(row @ _WEIGHTS) - _OFFSET))
            if chance >= _LIKELY:
                found.append((chance, cut))
        return found

    def _plainly_two(self, cut: Cut) -> bool:
        """Whether all the engine knows sees another service on each side, and is sure of both."""
        sides = [self._judge.shares(side, deep=False) for side in (cut.left, cut.right)]
        if sides[0] is None or sides[1] is None:
            return False
        named = [int(side.argmax()) for side in sides if side is not None]
        if named[0] == named[1] or _OUT_OF_SCOPE in {self._judge.services[at] for at in named}:
            return False
        if min(float(side.max()) for side in sides if side is not None) < _SURE_OF_EACH:
            return False
        for side, at in zip((cut.left, cut.right), named, strict=True):
            meant = self._judge.meant(side)
            if meant is not None and meant[at] < _MEANT_BY_EACH:
                return False
        return True


def rows(text: str, judge: Judge) -> list[tuple[Cut, npt.NDArray[np.float64]]]:
    """Every cut of a text whose sides seem to be different services, with its signs."""
    borders = _borders(text)
    if not borders:
        return []
    starts = [0, *(border.end() for border in borders)]
    ends = [*(border.start() for border in borders), len(text)]
    whole, before, after = judge.halves([text[start:end] for start, end in zip(starts, ends, strict=True)])
    apart = before.argmax(axis=1) != after.argmax(axis=1)
    return [
        (cut, signs(cut, before[at], after[at], whole))
        for at in apart.nonzero()[0].tolist()
        for cut in (_cut_at(text, borders[at]),)
    ]


def _borders(text: str) -> list[re.Match[str]]:
    """Where another need may begin: only where there are words enough for one on either side."""
    found = list(itertools.islice(_BORDER.finditer(text), _MOST_BORDERS))
    while found and text.count(" ", 0, found[0].start()) < _FEWEST_WORDS - 1:
        del found[0]
    while found and text.count(" ", found[-1].end()) < _FEWEST_WORDS - 1:
        del found[-1]
    return found


def _cut_at(text: str, border: re.Match[str]) -> Cut:
    return Cut(border.lastgroup or "", text[: border.start()].strip(), text[border.end() :].strip())


def signs(cut: Cut, left: Floats, right: Floats, whole: Floats) -> npt.NDArray[np.float64]:
    """What speaks for and against a second need at a cut, as numbers."""
    one, other = int(left.argmax()), int(right.argmax())
    kind = {name: float(cut.kind == name) for name in KINDS}
    asks = float(_ASKS.match(cut.right) is not None)
    alone = float(_STANDS_ALONE.match(cut.right) is not None)
    wishes = [float(_WISH.search(side) is not None) for side in (cut.left, cut.right)]
    words = [len(side.split()) for side in (cut.left, cut.right)]
    return np.array(
        [
            _odds(min(left[one], right[other])),
            _odds(max(left[one], right[other])),
            _odds(left[other]),
            _odds(right[one]),
            _odds(min(whole[one], whole[other])),
            _odds(max(whole[one], whole[other])),
            *kind.values(),
            asks,
            float(_LEANS_BACK.match(cut.right) is not None),
            alone,
            *wishes,
            wishes[0] * wishes[1],
            kind["and"] * asks,
            kind["stop"] * asks,
            kind["comma"] * asks,
            kind["comma"] * alone,
            *(float(count < _SHORT) for count in words),
            *(min(count, _LONG) / _LONG for count in words),
            float(left[one] * right[other]),
        ]
    )


def _odds(share: float) -> float:
    return math.log((share + 1e-3) / (1 - share + 1e-3))
