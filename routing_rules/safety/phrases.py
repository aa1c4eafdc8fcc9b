"""What danger sounds like in other languages, as written in `phrases.toml`: few phrases, each sure by itself."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

_GAP: Final = r"(?:\S+ ){0,3}?"
_WITHOUT_SPACES: Final = frozenset({"zh"})
"""Languages whose phrases are looked for anywhere, for they are written without spaces."""

# Accents of Latin, Greek and Cyrillic; vowel points of Hebrew and Arabic; joiners. Indian vowel signs are letters.
_LEFT_OUT: Final = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640\u200c\u200d]")
_BETWEEN: Final = re.compile(r"[^\w\u0900-\u0963\u0966-\u0dff]+|_+")
_SAME: Final = str.maketrans("łøđðıیىکہھةں", "loddiييكهههن")  # noqa: RUF001 - Arabic letters
"""Letters that have no accent to lose, or that are typed one for another."""


class Phrase(msgspec.Struct, frozen=True):
    """One way of saying it."""

    language: str
    service: str
    pattern: str
    """A regular expression over a folded text."""


class Phrases:
    """All phrases, by their most telling word. Safe to use from several threads; keeps nothing of what it reads."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the phrases. Raises `ValueError` naming the phrase that holds no whole word."""
        path = path or Path(__file__).with_name("phrases.toml")
        languages = msgspec.convert(
            tomllib.loads(path.read_text(encoding="utf-8")), dict[str, dict[str, str]]
        )
        self._by_word: dict[str, list[Phrase]] = {}
        self._anywhere: list[tuple[str, str]] = []
        self.services: dict[str, set[str]] = {}
        """Language → the dangers it has phrases for."""
        for language, services in languages.items():
            self.services[language] = set(services)
            for service, lines in services.items():
                held = [line.strip() for line in lines.splitlines() if line.strip()]
                if language in _WITHOUT_SPACES:
                    self._anywhere += [(_folded(line).replace(" ", ""), service) for line in held]
                else:
                    self._hold(language, service, held)
        self._first_marks = {phrase[0] for phrase, _ in self._anywhere}

    def find(self, text: str) -> tuple[str, str] | None:
        """Return the danger that a text tells of and the words that say so; `None` when no phrase is in it."""
        said = _folded(text)
        for word in dict.fromkeys(said.split()):
            for phrase in self._by_word.get(word, ()):
                if match := _compiled(phrase.pattern).search(f" {said} "):
                    return phrase.service, match[0].strip()
        if said.isascii() or self._first_marks.isdisjoint(said):
            return None
        close = said.replace(" ", "")
        return next(((service, phrase) for phrase, service in self._anywhere if phrase in close), None)

    def _hold(self, language: str, service: str, lines: Iterable[str]) -> None:
        for line in lines:
            places = [word.split("/") for word in line.split()]
            key = max(map(_keys, places), key=lambda keys: min(map(len, keys), default=0))
            if not key:
                raise ValueError(f"{language}.{service}: {line!r} holds no whole word")
            pattern = " " + "".join(map(_place, places))
            for word in key:
                self._by_word.setdefault(word, []).append(Phrase(language, service, pattern))


@functools.cache
def shipped() -> Phrases:
    """Return the phrases that come with the door, read once."""
    return Phrases()


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when first needed: a message meets few of them."""
    return re.compile(pattern)


def _keys(place: list[str]) -> set[str]:
    """The words of which one is in every text with this place; none for a gap or where an ending is left open.

    Long ones tell most: "me" is in many a message, "pega" in few.
    """
    if any(word.endswith("*") or not _folded(word) for word in place):
        return set()
    return {max(_folded(word).split(), key=len) for word in place}


def _place(words: list[str]) -> str:
    """One place of a phrase: any of these words, or a gap."""
    return _GAP if words == ["~"] else f"(?:{'|'.join(map(_word, words))}) "


def _word(word: str) -> str:
    return re.escape(_folded(word)) + (r"\S*" if word.endswith("*") else "")


def _folded(text: str) -> str:
    """Lower case without accents or punctuation, words apart by one space."""
    said = text.casefold()
    if not said.isascii():
        said = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", said)).translate(_SAME)
    return _BETWEEN.sub(" ", said).strip()
