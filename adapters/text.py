"""Text from outside, made fit to be stored and shown: what a database or a terminal chokes on is replaced."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\t\n")


def plain(text: str, most: int | None = None) -> str:
    """Give the text with newlines for line ends and without control characters, cut at `most`."""
    # NUL has no place in PostgreSQL, and an escape moves the reader's cursor.
    text = utf8(text).replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = "".join("\ufffd" if _is_control(c) else c for c in text)
    return text if most is None else text[:most]


def utf8(text: str) -> str:
    """Give the text as it is, but for lone surrogates, which no encoder takes."""
    return text.encode("utf-8", "replace").decode()


def one_line(text: str, most: int | None = None) -> str:
    """Give the text as one line, its words parted by single spaces."""
    line = " ".join(plain(text).split())
    return line if most is None else line[:most]


def _is_control(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) == "Cc"
