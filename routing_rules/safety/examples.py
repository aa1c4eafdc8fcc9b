"""Messages that tell danger from its look-alikes, as written in `examples.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import msgspec

HARMLESS: Final = "harmless"
"""The answer for a message in which nobody is in danger."""


_HELD_OUT: Final = 5


class Example(msgspec.Struct, frozen=True):
    """One message, and the service of danger it belongs to or `HARMLESS`."""

    text: str
    service: str
    held_out: bool
    """Whether nothing is ever trained on it: every fifth line of a service, to measure with."""


def load(path: Path | None = None) -> list[Example]:
    """Return all examples, in the file's order."""
    path = path or Path(__file__).with_name("examples.toml")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Example(text, service, held_out=number % _HELD_OUT == _HELD_OUT - 1)
        for service, table in tables.items()
        for number, text in enumerate(filter(None, map(str.strip, table["examples"].splitlines())))
    ]


def dangers() -> tuple[str, ...]:
    """Return the services of danger, in alphabetical order."""
    return tuple(sorted({example.service for example in load()} - {HARMLESS}))
