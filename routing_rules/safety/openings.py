"""With which words a pattern can begin, so that a message is tried only against patterns that one of its words opens.

Knows what `patterns.toml` uses: letters, groups without a name, alternatives, `?`, `*`, `+` and `~`. Whatever else
comes ends what can be told: the words up to there, or their beginnings, are the answer all the same.
"""

from __future__ import annotations

from typing import Final

import msgspec

_MOST: Final = 4_000
_ENDS: Final = " ~"
_TOLD: Final = "…"
"""After the letters that a word surely begins with, where its end is not known."""


class Openings(msgspec.Struct, frozen=True):
    """How a match of one pattern begins."""

    words: frozenset[str]
    """With one of these whole words,"""
    beginnings: tuple[str, ...]
    """or with a word that begins with one of these; an empty one fits any word."""


def openings(pattern: str) -> Openings:
    """The openings of a pattern whose `{names}` are filled in, its `~` not yet."""
    found = _Reader(pattern).alternatives()
    if len(found) > _MOST:
        return Openings(frozenset(), ("",))
    words = {one.rstrip() for one in found if not one.endswith(_TOLD)}
    beginnings = {one.removesuffix(_TOLD) for one in found if one.endswith(_TOLD)}
    if "" in words:
        beginnings.add("")
    return Openings(frozenset(words - {""}), tuple(sorted(beginnings)))


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> set[str]:
        """Read up to the group's end: each way in which it can begin, up to its first space."""
        found: set[str] = set()
        current = {""}
        while self._at < len(self._pattern) and self._pattern[self._at] != ")":
            if self._pattern[self._at] == "|":
                self._at += 1
                found |= current
                current = {""}
            else:
                current = _followed(current, self._atom())
                if len(current) > _MOST:
                    current = {_TOLD}
        return found | current

    def _atom(self) -> set[str]:
        mark = self._pattern[self._at]
        if self._pattern.startswith("(?:", self._at):
            self._at += 3
            made = self.alternatives()
            self._at += 1
        elif mark.isalnum() or mark in "#'":
            self._at += 1
            made = {mark}
        elif mark in _ENDS:
            self._at += 1
            made = {" "}
        else:
            # What follows is not looked at: it may be anything.
            self._at = self._group_end()
            return {_TOLD}
        return self._repeated(made)

    def _repeated(self, made: set[str]) -> set[str]:
        sign = self._pattern[self._at : self._at + 1]
        if sign not in {"?", "*", "+"}:
            return {_TOLD} if sign == "{" else made
        self._at += 1
        once = made if sign == "?" else {one if _done(one) else one + _TOLD for one in made}
        return once if sign == "+" else once | {""}

    def _group_end(self) -> int:
        """Where the alternative that is being read ends."""
        depth, at = 0, self._at
        in_class = False
        while at < len(self._pattern):
            mark = self._pattern[at]
            if mark == "\\":
                at += 1
            elif in_class:
                in_class = mark != "]"
            elif mark == "[":
                in_class = True
            elif mark == "(":
                depth += 1
            elif mark in ")|" and not depth:
                return at
            elif mark == ")":
                depth -= 1
            at += 1
        return at


def _done(opening: str) -> bool:
    return opening.endswith((" ", _TOLD))


def _followed(current: set[str], more: set[str]) -> set[str]:
    done = {one for one in current if _done(one)}
    return done | {one + other for one in current - done for other in more}
