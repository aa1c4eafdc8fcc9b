"""What danger sounds like, as written in `patterns.toml`: people, harm and now, said together."""

from __future__ import annotations

import functools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from routing_rules.classifier.words import words
from routing_rules.safety.openings import openings

HARMLESS: Final = "harmless"
_NAMED: Final = re.compile(r"\{([a-z]+)\}")
_GAP: Final = r"\s+(?:\S+\s+){0,8}?"


class _Heard(msgspec.Struct, frozen=True):
    sure: list[str] = []
    hint: list[str] = []
    patterns: list[str] = []


class Signs(msgspec.Struct, frozen=True):
    """What a message gave away."""

    sure: dict[str, list[str]]
    """Service → the words that raise its alarm by themselves."""
    hints: dict[str, list[str]]
    """Service → words that speak for it, weighed with everything else."""
    harmless: list[str]
    """Words that speak against any danger."""


class Pattern:
    """One pattern, compiled when first needed: all of them together take a third of a second."""

    def __init__(self, said: str, named: Mapping[str, str]) -> None:
        """Raises `ValueError` for a name that is not known."""
        self._said = said
        try:
            self.whole = _NAMED.sub(lambda match: named[match[1]], said)
        except KeyError as error:
            raise ValueError(f"pattern {said!r}: {error}") from error

    @functools.cached_property
    def compiled(self) -> re.Pattern[str]:
        """Raises `ValueError` when it does not compile."""
        try:
            return re.compile(rf"(?<!\S)(?:{self.whole.replace('~', _GAP)})(?!\S)")
        except re.error as error:
            raise ValueError(f"pattern {self._said!r}: {error}") from error


class Patterns:
    """All patterns, found by the words they can begin with."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the patterns; with a `path` of one's own, each is tried at once, and those that come with the door by tests.

        Raises `ValueError` naming the pattern that does not compile or has an unknown name.
        """
        data = tomllib.loads((path or Path(__file__).with_name("patterns.toml")).read_text(encoding="utf-8"))
        named: dict[str, str] = data.pop("words")
        heard = msgspec.convert(data, dict[str, _Heard])
        self.all: list[Pattern] = []
        """Every pattern; known by its place here."""
        self._harmless = self._take(heard.pop(HARMLESS).patterns, named)
        self._sure = {code: self._take(held.sure, named) for code, held in heard.items()}
        self._hints = {code: self._take(held.hint, named) for code, held in heard.items()}
        self.services = sorted(heard)
        if path is not None:
            self.try_all()
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._by_beginning: dict[str, list[int]] = defaultdict(list)
        for at, pattern in enumerate(self.all):
            opens = openings(pattern.whole)
            for word in opens.words:
                self._by_word[word].append(at)
            for beginning in opens.beginnings:
                self._by_beginning[beginning].append(at)

    def try_all(self) -> None:
        """Compile every pattern. Raises `ValueError` naming the first that does not."""
        for pattern in self.all:
            assert pattern.compiled

    def read(self, text: str) -> Signs:
        """What the text gives away."""
        said = words(text)
        joined = " ".join(said)
        hits = {
            at: match[0].strip()
            for at in sorted(self.opened(said))
            if (match := self.all[at].compiled.search(joined))
        }
        return Signs(_found(self._sure, hits), _found(self._hints, hits), _hits(self._harmless, hits))

    def opened(self, said: Iterable[str]) -> set[int]:
        """The patterns that one of the words can begin."""
        opened: set[int] = set()
        for word in said:
            opened.update(self._by_word.get(word, ()))
        for beginning, patterns in self._by_beginning.items():
            if any(word.startswith(beginning) for word in said):
                opened.update(patterns)
        return opened

    def _take(self, patterns: Iterable[str], named: Mapping[str, str]) -> range:
        first = len(self.all)
        self.all.extend(Pattern(pattern, named) for pattern in patterns)
        return range(first, len(self.all))


def _found(groups: Mapping[str, range], hits: Mapping[int, str]) -> dict[str, list[str]]:
    return {code: heard for code, patterns in groups.items() if (heard := _hits(patterns, hits))}


def _hits(patterns: range, hits: Mapping[int, str]) -> list[str]:
    return [words for at, words in hits.items() if at in patterns]
