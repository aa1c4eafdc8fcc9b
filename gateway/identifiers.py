"""Ids and the reference a person reads out."""

from __future__ import annotations

import itertools
import os
import secrets
import uuid
from datetime import datetime
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford base32: no I, L, O or U, so nothing is misheard as a digit."""

_VALUE: Final = {character: number for number, character in enumerate(ALPHABET)}
_ALIKE: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_BODY: Final = 7
_PREFIX: Final = 3

_counter = itertools.count(int.from_bytes(os.urandom(2)))


def uuid7(now: datetime) -> uuid.UUID:
    """A time-ordered UUID (RFC 9562, version 7): new rows land at the end of every index.

    Ids made by one process for one millisecond keep their order: behind the time stand a counter of 34 bits, which one
    process never uses up, and 40 random bits.
    """
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    count = next(_counter)
    random = (count & 0x3FFFFF) << 40 | int.from_bytes(os.urandom(5))
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | (count >> 22 & 0xFFF) << 64 | 0x2 << 62 | random)


def _check_character(body: str) -> str:
    """ISO 7064's hybrid scheme over 32 characters: finds every single slip and nearly every swap."""
    remainder = 32
    for character in body:
        remainder = (remainder + _VALUE[character]) % 32 or 32
        remainder = remainder * 2 % 33
    return ALPHABET[(33 - remainder) % 32]


def new_reference(prefix: str) -> str:
    """A fresh reference such as `BAR-7K3M-9QXD`. Not a secret: knowing one is no proof of who you are."""
    number = secrets.randbits(5 * _BODY)
    body = "".join(ALPHABET[number >> 5 * place & 31] for place in range(_BODY))
    whole = body + _check_character(body)
    return f"{prefix}-{whole[:4]}-{whole[4:]}"


def read_reference(spoken: str) -> str | None:
    """The reference in its written form, forgiving case, spaces and look-alike letters; `None` if it cannot be one.

    A reference with a wrong check character is no reference: better to ask again than to show another person's. Nor is
    one that begins with a digit: that is a telephone number.
    """
    compact = "".join(character for character in spoken.upper() if character.isalnum())
    if len(compact) != _PREFIX + _BODY + 1 or not compact.isascii() or not compact[:_PREFIX].isalpha():
        return None
    prefix, body = compact[: -_BODY - 1], compact[-_BODY - 1 :].translate(_ALIKE)
    if any(character not in _VALUE for character in body) or _check_character(body[:-1]) != body[-1]:
        return None
    return f"{prefix}-{body[:4]}-{body[4:]}"
