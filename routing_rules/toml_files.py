"""TOML files into msgspec Structs, with every fault found at once: file, line, key, and the nearest right name.

A Struct's fields are the keys there may be; a key that is none of them is an error, never ignored. msgspec stops at
its first error and does not know lines, so the tables are walked along the Struct's own types here, and only single
values are left to msgspec.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from routing_rules import toml_lines
from routing_rules.errors import (
    BadValue,
    MissingValue,
    RulesError,
    UnknownKey,
    UnknownName,
    UnreadableFile,
    nearest,
)

T = TypeVar("T")
Errors = list[RulesError]

_WORDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class Source:
    """One TOML file: its values, and where they stand."""

    def __init__(self, path: Path, text: str, data: dict[str, Any], digest: str) -> None:
        self.path = path
        self.data = data
        self.digest = digest
        """SHA-256 of the file, hex."""
        self._text = text
        self._lines: toml_lines.Lines | None = None

    @property
    def lines(self) -> toml_lines.Lines:
        """Scanned only when something is to be said about the file."""
        if self._lines is None:
            self._lines = toml_lines.Lines(self._text)
        return self._lines

    def line(self, *path: str | int) -> int | None:
        """The line of a key path, or of the nearest thing around it."""
        return self.lines.find(path)

    def unknown(self, kind: str, name: str, known: typing.Iterable[str], *path: str | int) -> UnknownName:
        """The error for a name that does not exist."""
        return UnknownName(self.path, self.line(*path), f"unknown {kind} {name!r}", nearest(name, known))

    def bad(self, message: str, *path: str | int) -> BadValue:
        """The error for a value that cannot be."""
        return BadValue(self.path, self.line(*path), message)


def read(path: Path, errors: Errors) -> Source | None:
    """Read one file. What keeps it from being TOML is added to `errors`, and the answer is then `None`."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        errors.append(UnreadableFile(path, None, f"cannot be read: {error.strerror or error}"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        errors.append(UnreadableFile(path, line, "is not UTF-8"))
    except tomllib.TOMLDecodeError as error:
        errors.append(UnreadableFile(path, _line_in(str(error)), f"is not TOML: {error}"))
    else:
        return Source(path, text, data, hashlib.sha256(raw).hexdigest())
    return None


def convert(source: Source, kind: type[T], errors: Errors, *path: str | int) -> T | None:
    """Make a `kind` of the table at `path`. Everything wrong with it is added to `errors`, and the answer is then `None`."""
    table: Any = source.data
    for step in path:
        table = table[step]
    found: Errors = []
    _walk(source, table, kind, path, found)
    errors.extend(found)
    return None if found else msgspec.convert(table, kind)


def _walk(source: Source, value: Any, kind: Any, path: toml_lines.KeyPath, errors: Errors) -> None:
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if isinstance(value, dict):
            _walk_table(source, value, kind, path, errors)
            return
    elif origin is dict and isinstance(value, dict):
        for key, entry in value.items():
            _walk(source, key, arguments[0], (*path, key), errors)
            _walk(source, entry, arguments[1], (*path, key), errors)
        return
    elif origin in (tuple, list) and isinstance(value, list):
        for index, entry in enumerate(value):
            _walk(source, entry, arguments[0], (*path, index), errors)
        return
    elif origin in (typing.Union, types.UnionType):
        _walk(source, value, _arm(value, arguments), path, errors)
        return
    elif origin is Literal and isinstance(value, str):
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            message = f"{_named(path)} cannot be {value!r}; there are: {choices}"
            errors.append(BadValue(source.path, source.line(*path), message, nearest(value, arguments)))
        return
    _check_value(source, value, kind, path, errors)


def _walk_table(
    source: Source,
    table: dict[str, Any],
    kind: type[msgspec.Struct],
    path: toml_lines.KeyPath,
    errors: Errors,
) -> None:
    hints, fields = _shape(kind)
    before = len(errors)
    meant: set[str | None] = set()
    for key, value in table.items():
        if key in fields:
            _walk(source, value, hints[fields[key].name], (*path, key), errors)
        else:
            where = f" in {_named(path)}" if path else ""
            message = f"unknown key {key!r}{where}"
            suggestion = nearest(key, fields)
            meant.add(suggestion)
            errors.append(UnknownKey(source.path, source.line(*path, key), message, suggestion))
    for name, field in fields.items():
        if field.required and name not in table and name not in meant:
            where = f"{_named(path)} has" if path else "there is"
            errors.append(MissingValue(source.path, source.line(*path) or 1, f"{where} no {name!r}"))
    if len(errors) == before:
        try:
            msgspec.convert(table, kind)
        except msgspec.ValidationError as error:  # the Struct's own check of its fields together
            reason = str(error).partition(" - at `$")[0]
            errors.append(source.bad(f"{_named(path)}: {reason}" if path else reason, *path))


@functools.cache
def _shape(kind: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, msgspec.structs.FieldInfo]]:
    """A Struct's types by field, and its fields by key: found out once, for there are hundreds of tables of a kind."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return hints, {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _check_value(source: Source, value: Any, kind: Any, path: toml_lines.KeyPath, errors: Errors) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        expected = _expected(kind)
        reason = f"must be {expected}, not {value!r}" if expected else str(error).partition(" - at `$")[0]
        errors.append(source.bad(f"{_named(path)}: {reason}", *path))


def _expected(kind: Any) -> str | None:
    origin = get_origin(kind)
    if origin in (tuple, list):
        return "a list"
    if origin is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "a table"
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    return _WORDS.get(kind)


def _arm(value: Any, arms: tuple[Any, ...]) -> Any:
    """Which type of a union a value means; the first real one when it is none of them."""
    real = [arm for arm in arms if arm is not type(None)]
    for arm in real:
        origin = get_origin(arm) or arm
        if isinstance(value, dict) and (origin is dict or _is_struct(origin)):
            return arm
        if isinstance(value, list) and origin in (tuple, list):
            return arm
        if isinstance(value, str) and origin in (str, Literal):
            return arm
    return real[0]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _named(path: toml_lines.KeyPath) -> str:
    """A key path as people write it: `rule[2].when.service`."""
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}"
    return name.lstrip(".")


def _line_in(message: str) -> int | None:
    found = message.partition("(at line ")[2].partition(",")[0]
    return int(found) if found.isdigit() else None
