"""Words into the pieces a sentence encoder knows: longest piece first, as BERT's own tokenizer cuts them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_MOST_REMEMBERED = 50_000
_LONGEST_WORD = 40
_IN_ASCII = re.compile(r"[a-z0-9]+|[!-~]")
"""A word, or a mark by itself; what is neither parts them."""
_ODD_QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bc`\u00b4", "'") | dict.fromkeys("\u201c\u201d", '"')
)


class WordPiece:
    """Cuts text by one vocabulary. Its first four pieces are padding, unknown, beginning and end."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = list(vocabulary)
        self._number = {piece: number for number, piece in enumerate(self.vocabulary)}
        self.padding, self.unknown, self.begin, self.end = (
            self._number[name] for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
        )
        self._remembered: dict[str, list[int]] = {}

    def numbers(self, text: str, most: int) -> list[int]:
        """The pieces' numbers, begin and end included, at most `most`: a long text keeps its two ends."""
        pieces: list[int] = []
        for word in _basic(text):
            pieces.extend(self._cut(word))
        room = most - 2
        if len(pieces) > room:
            first = room * 2 // 3
            pieces = pieces[:first] + pieces[first - room :]
        return [self.begin, *pieces, self.end]

    def _cut(self, word: str) -> list[int]:
        known = self._remembered.get(word)
        if known is None:
            known = self._search(word)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[word] = known
        return known

    def _search(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self.unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._number.get(word[start:end] if start == 0 else "##" + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self.unknown]
        return found


def _basic(text: str) -> list[str]:
    """Lower case, no accents; punctuation stands alone."""
    if text.isascii():
        return _IN_ASCII.findall(text.translate(_ODD_QUOTES).lower())
    plain = unicodedata.normalize("NFD", text.translate(_ODD_QUOTES).lower())
    spaced: list[str] = []
    for mark in plain:
        if mark.isalnum():
            spaced.append(mark)
        elif unicodedata.category(mark) == "Mn":
            continue
        elif mark.isspace() or unicodedata.category(mark)[0] == "C":
            spaced.append(" ")
        else:
            spaced.append(f" {mark} ")
    return "".join(spaced).split()
