"""Reading what callers send: bodies, query parameters and headers, each with a clear error."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from gateway.api.problems import from_validation, invalid, problem

T = TypeVar("T")

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATE: Final = re.compile(rb"(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_TRACEPARENT: Final = re.compile(r"^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The JSON body as `kind`. 415 if it is not called JSON, 400 if it is not JSON, 422 if it does not fit."""
    if request.content_type not in {"application/json", "application/octet-stream"}:
        raise problem(
            415,
            "not-json",
            "JSON expected",
            f"Content-Type is {request.content_type!r}; send application/json",
        )
    body = await request.read()
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise from_validation(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        lone = _SURROGATE.search(body)
        detail = f"holds half of a surrogate pair: {lone[0].decode()}" if lone else str(error)
        raise problem(400, "not-json", "The body is not JSON", detail) from None


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query parameters as `kind`; unknown or repeated ones are errors."""
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise invalid(f"{name} was given more than once", f"?{name}")
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        found = from_validation(error).problem
        pointer = found.errors[0].pointer.replace("/", "?", 1) or "?"
        raise invalid(found.errors[0].detail, pointer) from None


def checked_text(text: str, pointer: str) -> str:
    """Words as sent, but for the white space around them. 422 if nothing is left or it holds control characters."""
    if found := _CONTROL.search(text):
        at = found.start()
        raise invalid(f"holds the control character U+{ord(found[0]):04X} at position {at}", pointer)
    stripped = text.strip()
    if not stripped:
        raise invalid("is empty", pointer)
    return stripped


def idempotency_key(request: web.Request) -> str | None:
    """The Idempotency-Key, quoted as the draft says or bare; 400 if it is empty, too long or not printable."""
    raw = request.headers.get("Idempotency-Key")
    if raw is None:
        return None
    key = raw[1:-1] if len(raw) >= 2 and raw[0] == raw[-1] == '"' else raw
    if not key or len(key) > 255 or not key.isascii() or not key.isprintable():
        raise problem(400, "bad-key", "Idempotency-Key", "must have 1 to 255 printable ASCII characters")
    return key


def trace_id(request: web.Request, fresh: str) -> str:
    """The caller's W3C trace, or a fresh one."""
    found = _TRACEPARENT.match(request.headers.get("traceparent", ""))
    return found[1] if found else fresh
