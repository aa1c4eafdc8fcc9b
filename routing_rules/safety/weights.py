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
    part_meaning: float
    sure: int
    hints: int
    harmless: int

    def row(self) -> tuple[float, ...]:
        """As numbers, in the order of the weights."""
        return (
            self.words,
            self.part,
            self.meaning,
            self.part_meaning,
            min(_MOST_SURE, self.sure),
            min(_MOST_HINTS, self.hints),
            min(_MOST_HARMLESS, self.harmless),
        )


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Log-odds for each unit of evidence."""

    offset: float
    rows: tuple[float, ...]
    """In the order of `Evidence.row`."""
    hardly: float
    """Below this chance by words alone, of the whole and of its parts, a message is not looked at further."""

    def chance(self, evidence: Evidence) -> float:
        """All evidence together, 0 to 1."""
        spoken = sum(weight * value for weight, value in zip(self.rows, evidence.row(), strict=True))
        return 1 / (1 + math.exp(-self.offset - spoken))


WITH_MEANING: Final = Weights(offset=3.2, rows=(0.56, 0.0, 1.31, 0.0, 2.58, 0.02, -0.53), hardly=0.012)
WITHOUT_MEANING: Final = Weights(offset=1.5, rows=(1.12, 0.0, 0.0, 0.0, 2.32, 0.33, -0.69), hardly=0.02)
