"""Which line of a TOML file holds a key. `tomllib` reads values and forgets where they stood.

Not a parser: the text is known to be good TOML by the time anyone asks, so a scan for headers, keys and the ends
of long strings and lists is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

KeyPath = tuple[str | int, ...]
Spot = tuple[int, int]
"""A line, from 1, and a column in it, from 0."""

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_NAME: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY: Final = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=\s*(.*)$")
_LONG_QUOTES: Final = ("'''", '"""')
_MARKS: Final = re.compile(r"""[\[\]{},=]|"(?:[^"\\]|\\.)*"|'[^']*'|#.*$|[^\s\[\]{},="'#]+""")
_STRINGS: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|#.*$""")


class Lines:
    """The lines of one file. `find` takes a key path such as `("rule", 2, "when", "service", 0)`."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._found: dict[KeyPath, int] = {}
        self._scan()

    def find(self, path: KeyPath) -> int | None:
        """The line, from 1, of the path or of the nearest thing around it; `None` for an empty path."""
        for length in range(len(path), 0, -1):
            line = self._found.get(path[:length])
            if line is not None:
                return self._inside(line, path[length:])
        return None

    def text_line(self, path: KeyPath, text: str) -> int | None:
        """The line of one entry of a long string: the first from the path's own line on that reads `text`."""
        start = self.find(path)
        if start is None:
            return None
        for number in range(start, len(self._lines) + 1):
            if self._lines[number - 1].strip() == text:
                return number
        return start

    def _scan(self) -> None:
        table: KeyPath = ()
        counts: dict[KeyPath, int] = {}
        number = 0
        while number < len(self._lines):
            line = self._lines[number]
            number += 1
            key = _KEY.match(line)
            header = None if key else _HEADER.match(line)
            if header:
                table = self._table(_split(header[2]), counts, many=header[1] == "[[")
                self._found.setdefault(table, number)
            elif key:
                path = table + _split(key[1])
                for length in range(len(table) + 1, len(path) + 1):
                    self._found.setdefault(path[:length], number)
                number = self._end_of_value(key[2], number)

    @staticmethod
    def _table(names: KeyPath, counts: dict[KeyPath, int], *, many: bool) -> KeyPath:
        """The full path of a header: a name that is a list of tables stands for its newest entry."""
        path: KeyPath = ()
        for depth, name in enumerate(names):
            path = (*path, name)
            if many and depth == len(names) - 1:
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path = (*path, counts[path])
        return path

    def _end_of_value(self, value: str, number: int) -> int:
        """The number of the last line of a value that starts on line `number`."""
        for quotes in _LONG_QUOTES:
            if value.startswith(quotes):
                if quotes in value[3:]:
                    return number
                while number < len(self._lines) and quotes not in self._lines[number]:
                    number += 1
                return number + 1
        depth = _depth(value)
        while depth > 0 and number < len(self._lines):
            depth += _depth(self._lines[number])
            number += 1
        return number

    def _inside(self, line: int, rest: KeyPath) -> int:
        """The line within a value of several lines that holds the rest of a path."""
        here = (line, 0)
        last = self._last_of(line)
        for step in rest:
            found = self._key(here, last, step) if isinstance(step, str) else self._entry(here, last, step)
            if found is None:
                break
            here = found
        return here[0]

    def _marks(self, here: Spot, last: int) -> Iterator[tuple[Spot, str]]:
        """The pieces of a value from a spot on, comments left out."""
        line, column = here
        for number in range(line, last + 1):
            for mark in _MARKS.finditer(self._lines[number - 1], column):
                if not mark[0].startswith("#"):
                    yield (number, mark.start()), mark[0]
            column = 0

    def _key(self, here: Spot, last: int, name: str) -> Spot | None:
        """Where a key's value begins in the inline table that follows the spot."""
        before = ""
        for spot, mark in self._marks(here, last):
            if mark == "=" and before.strip("\"'") == name:
                return spot[0], spot[1] + 1
            before = mark
        return None

    def _entry(self, here: Spot, last: int, index: int) -> Spot | None:
        """Where entry `index` of the list that follows the spot begins."""
        depth = entry = 0
        for spot, mark in self._marks(here, last):
            opens, closes = mark in ("[", "{"), mark in ("]", "}")
            if depth == 1 and mark == ",":
                entry += 1
            elif depth == 1 and entry == index and not closes:
                return spot
            if depth or mark == "[":
                depth += opens - closes
        return None

    def _last_of(self, line: int) -> int:
        key = _KEY.match(self._lines[line - 1])
        return self._end_of_value(key[2], line) if key else line


def _split(name: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in re.findall(_NAME, name))


def _depth(text: str) -> int:
    """How many brackets of either kind the text leaves open."""
    bare = _STRINGS.sub("", text)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
