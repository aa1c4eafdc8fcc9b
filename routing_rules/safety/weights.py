"""How much each kind of evidence of danger weighs: learnt by `weighing` from messages that no part was trained on."""

from __future__ import annotations

import math
from typing import Final

import msgspec

_MOST_SURE: Final = 2
_MOST_HINTS: Final = 5
_MOST_HARMLESS: Final = 3


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks for danger in one message. Log-odds where it is a chance, else a count."""

    words: float
    part: float
    """The words of the most dangerous part."""
    meaning: float
    sure: int
    hints: int
    harmless: int
    deep: float = 0.0
    """The meaning as the deep encoder sees it."""

    def row(self) -> tuple[float, ...]:
        """As numbers, in the order of the weights."""
        return (
            self.words,
            self.part,
            self.meaning,
            min(_MOST_SURE, self.sure),
            min(_MOST_HINTS, self.hints),
            min(_MOST_HARMLESS, self.harmless),
            self.deep,
        )


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Log-odds for each unit of evidence."""

    offset: float
    rows: tuple[float, ...]
    """In the order of `Evidence.row`."""

    def chance(self, evidence: Evidence) -> float:
        """All evidence together, 0 to 1."""
        spoken = sum(weight * value for weight, value in zip(self.rows, evidence.row(), strict=True))
        return 1 / (1 + math.exp(-self.offset - spoken))


WITHOUT_MEANING: Final = Weights(offset=-0.48, rows=(0.91, 0.16, 0.0, 2.63, 0.69, -0.34, 0.0))
WITH_MEANING: Final = Weights(offset=0.74, rows=(0.54, 0.0, 1.0, 2.3, 0.18, -0.46, 0.0))
"""With the quick encoder alone."""
SECOND_LOOK: Final = Weights(offset=1.78, rows=(0.56, 0.0, 0.97, 2.36, 0.24, -0.27, 0.0))
"""With the quick encoder: whether to ask the deep one as well. Danger missed here is missed for good: so it is ready to."""
WITH_DEEP: Final = Weights(offset=1.69, rows=(0.29, 0.12, 0.5, 2.3, 0.16, -0.8, 0.7))

_PART: Final = 0.3
_HARDLY: Final = -4.0


def hardly(words: float, part: float) -> bool:
    """Whether by words alone, of the whole and of its most dangerous part, a message is not worth a look.

    Of the dangers that would be found in messages no part was trained on, this loses one in two hundred, obscure ones;
    it spares three of five ordinary messages the rest.
    """
    return (1 - _PART) * words + _PART * part < _HARDLY
