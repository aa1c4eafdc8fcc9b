"""Slips of the thumb and text-speak, so that what is trained meets them before citizens do."""

from __future__ import annotations

import random

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    key: [row[at] for at in (here - 1, here + 1) if 0 <= at < len(row)]
    for row in _ROWS
    for here, key in enumerate(row)
}
_SHORT = {
    "you": "u", "are": "r", "and": "n", "please": "pls", "to": "2", "for": "4", "because": "cos", "your": "ur",
    "what": "wot", "with": "wiv", "have": "hav", "week": "wk", "the": "da", "before": "b4", "tomorrow": "2moro",
    "people": "ppl", "would": "wud", "should": "shud", "could": "cud", "that": "dat", "my": "me", "why": "y",
    "when": "wen", "where": "were", "something": "summat", "doctor": "doc", "someone": "sum1", "road": "rd",
    "next": "nxt", "going": "goin", "doing": "doin", "nothing": "nuffin", "though": "tho", "know": "no",
}  # fmt: skip
_LONG_ENOUGH = 4


def noisy(text: str, chance: random.Random) -> str:
    """The text as somebody in a hurry would have typed it. Never empty for a text that is not."""
    kept = [_slip(word, chance) for word in text.split() if chance.random() >= 0.05]
    said = " ".join(kept) or text
    if chance.random() < 0.3:
        said = "".join(mark for mark in said if mark.isalnum() or mark in " '") or text
    return said


def _slip(word: str, chance: random.Random) -> str:
    short = _SHORT.get(word.lower())
    if short is not None and chance.random() < 0.3:
        return short
    if len(word) < _LONG_ENOUGH or chance.random() >= 0.12:
        return word
    at = chance.randrange(1, len(word) - 1)
    match chance.randrange(4):
        case 0:
            return word[:at] + word[at + 1 :]
        case 1:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 2:
            return word[:at] + word[at] + word[at:]
        case _:
            beside = _BESIDE.get(word[at].lower())
            return word[:at] + chance.choice(beside) + word[at + 1 :] if beside else word
