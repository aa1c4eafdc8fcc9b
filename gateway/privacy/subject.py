"""Whose data it is: the requests of one person, found by what they give."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

import msgspec

from gateway.errors import InvalidInput, NotFound
from gateway.identifiers import read_reference
from gateway.store.pool import Connection

_DIGITS: Final = re.compile(r"\D")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is found by: any of these, all together."""

    reference: str | None = None
    email: str | None = None
    phone: str | None = None


def phone_digits(phone: str) -> str:
    """A UK number as digits alone: +44 20, 0044 20 and 020 are the same."""
    digits = _DIGITS.sub("", phone)
    for prefix in ("0044", "44"):
        if digits.startswith(prefix):
            return "0" + digits.removeprefix(prefix).removeprefix("0")
    return digits


_FIND: Final = r"""
SELECT request_id FROM requests
WHERE authority_id = $1 AND (reference = $2 OR lower(citizen ->> 'email') = $3
    OR regexp_replace(regexp_replace(citizen ->> 'phone', '\D', '', 'g'), '^(0044|44)0?', '0') = $4)
ORDER BY request_id
"""


async def requests_of(connection: Connection, authority: str, subject: Subject) -> list[UUID]:
    """Their requests, oldest first. Raises `InvalidInput` for what nobody can be found by, `NotFound` if there are none."""
    reference = read_reference(subject.reference) if subject.reference else None
    if subject.reference and reference is None:
        raise InvalidInput(
            "this is no reference; check it again with the person who gave it", pointer="/reference"
        )
    phone = phone_digits(subject.phone) if subject.phone else None
    if phone is not None and len(phone) < 7:
        raise InvalidInput("has too few digits", pointer="/phone")
    email = subject.email.strip().lower() if subject.email else None
    if not (reference or phone or email):
        raise InvalidInput("give a reference, an e-mail address or a phone number")
    rows = await connection.fetch(_FIND, authority, reference, email, phone)
    if not rows:
        raise NotFound("nothing is kept of this person")
    return [row["request_id"] for row in rows]
