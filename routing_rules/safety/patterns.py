"""What danger sounds like, as written in `patterns.toml`: people, harm and now, said together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from routing_rules.classifier.words import words

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


class Patterns:
    """All patterns, compiled once."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the patterns. Raises `ValueError` naming the pattern that does not compile or has an unknown name."""
        path = path or Path(__file__).with_name("patterns.toml")
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        named: dict[str, str] = data.pop("words")
        heard = msgspec.convert(data, dict[str, _Heard])
        self._harmless = [_compile(pattern, named) for pattern in heard.pop(HARMLESS).patterns]
        self._sure = {code: [_compile(one, named) for one in held.sure] for code, held in heard.items()}
        self._hints = {code: [_compile(one, named) for one in held.hint] for code, held in heard.items()}
        self.services = sorted(heard)

    def read(self, text: str) -> Signs:
        """What the text gives away."""
        said = " ".join(words(text))
        return Signs(_found(self._sure, said), _found(self._hints, said), _hits(self._harmless, said))


def _compile(pattern: str, named: Mapping[str, str]) -> re.Pattern[str]:
    try:
        whole = _NAMED.sub(lambda match: named[match[1]], pattern)
        return re.compile(rf"(?<!\S)(?:{whole.replace('~', _GAP)})(?!\S)")
    except (re.error, KeyError) as error:
        raise ValueError(f"pattern {pattern!r}: {error}") from error


def _found(patterns: Mapping[str, list[re.Pattern[str]]], said: str) -> dict[str, list[str]]:
    return {code: hits for code, held in patterns.items() if (hits := _hits(held, said))}


def _hits(patterns: list[re.Pattern[str]], said: str) -> list[str]:
    return [match[0].strip() for pattern in patterns if (match := pattern.search(said))]
