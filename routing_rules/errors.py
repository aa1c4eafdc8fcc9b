"""Everything that can be wrong with the rules, or with what is asked of them.

    RulesFault
    ├── RulesErrors            all that is wrong in a folder: `errors`, in the order of files and lines
    ├── NotKnown               asked for an authority or service that is not there: `kind`, `name`, `suggestion`
    ├── MissingVariables       a connection names environment variables that are not set: `names`
    ├── BadVariable            an environment variable is not the kind of value that is wanted: `name`, `kind`
    └── RulesError             one thing wrong in one file: `file`, `line`, `message`, `suggestion`
        ├── UnreadableFile     not there, not UTF-8, not TOML
        ├── UnknownKey         a key that means nothing at that place
        ├── UnknownName        a service, organisation, group, area … that does not exist
        ├── BadValue           the right key with a value that cannot be
        ├── MissingValue       something that must be there is not
        └── Clash              two places say different things

A `RulesError` prints as `file:line: message (did you mean …?)`, so that an editor can jump to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rapidfuzz import fuzz, process


class RulesFault(Exception):
    """Base of everything that is wrong with the rules or with what is asked of them."""


class NotKnown(RulesFault):
    """Asked for an authority or a service that is not there."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.suggestion = nearest(name, known)
        super().__init__(f"unknown {kind} {name!r}{_did_you_mean(self.suggestion)}")


class MissingVariables(RulesFault):
    """A connection names environment variables that are not set."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"not set in the environment: {', '.join(self.names)}")


class BadVariable(RulesFault):
    """An environment variable is not the kind of value that its place needs."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        super().__init__(f"{name} in the environment is not of type {kind}")


class RulesError(RulesFault):
    """One thing wrong in one file."""

    def __init__(self, file: Path, line: int | None, message: str, suggestion: str | None = None) -> None:
        self.file = file
        self.line = line
        """From 1; `None` where the fault is that something is not there at all."""
        self.message = message
        self.suggestion = suggestion
        """The nearest right name, or `None`."""
        place = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {message}{_did_you_mean(suggestion)}")


class UnreadableFile(RulesError):
    """Not there, not UTF-8, or not TOML."""


class UnknownKey(RulesError):
    """A key that means nothing at that place."""


class UnknownName(RulesError):
    """The name of a service, organisation, group or area that does not exist."""


class BadValue(RulesError):
    """The right key with a value that cannot be."""


class MissingValue(RulesError):
    """Something that must be there is not."""


class Clash(RulesError):
    """Two places say different things."""


class RulesErrors(RulesFault):
    """All that is wrong in a folder."""

    def __init__(self, errors: Iterable[RulesError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (str(error.file), error.line or 0)))
        super().__init__("\n".join(str(error) for error in self.errors))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like this one, or `None` when none looks like it."""
    found = process.extractOne(name, list(known), scorer=fuzz.WRatio, processor=str.lower, score_cutoff=65)
    return None if found is None else found[0]


def _did_you_mean(suggestion: str | None) -> str:
    return "" if suggestion is None else f" (did you mean {suggestion!r}?)"
