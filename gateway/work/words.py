"""How people, places and words are written for search, so that two ways of writing the same one meet."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

import msgspec
from rapidfuzz.distance import DamerauLevenshtein

from gateway.identifiers import read_reference
from routing_rules.postcodes import normalise

_EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
_PHONE: Final = re.compile(r"(?<![\w-])\+?\(?\d[\d ()./-]{6,}\d(?![\w-])")
_POSTCODE: Final = re.compile(r"\b[A-Za-z]{1,2}\d[A-Za-z\d]? ?\d[A-Za-z]{2}\b")
_PART_OF_POSTCODE: Final = re.compile(r"\b[A-Za-z]{1,2}\d[A-Za-z\d]?(?: \d)?\b")
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9'-]*")
MOST_WORDS: Final = 12


def phone_key(text: str | None) -> str | None:
    """Digits as dialled within the country: `+44 20 7946 0000` and `(020) 7946 0000` are the same."""
    if not text:
        return None
    digits = re.sub(r"\D", "", text)
    if text.lstrip().startswith(("+44", "(+44", "0044")):
        digits = "0" + re.sub(r"^(00)?440?", "", digits)
    return digits if len(digits) >= 5 else None


def email_key(text: str | None) -> str | None:
    """Without case and white space."""
    return text.strip().casefold() if text and "@" in text else None


def postcode_key(text: str | None) -> str | None:
    """Capitals without the space."""
    return text.replace(" ", "").upper() if text else None


def address_key(address: str | None, postcode: str | None) -> str | None:
    """The first line's number and street with the postcode: however the rest is written, it is the same house."""
    if not address or not postcode:
        return None
    plain = fold(address)
    line = re.split(r"[,\n]", plain)[0].strip()
    if not any(character.isdigit() for character in line):
        line = " ".join(re.split(r"[,\n]", plain)[:2])
    words = re.sub(r"[^a-z0-9]", "", line)
    return f"{words}|{postcode_key(postcode)}" if words else None


def fold(text: str) -> str:
    """Small letters without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return "".join(character for character in plain if not unicodedata.combining(character))


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What a request can be found by."""

    text: str
    """In the citizen's words: stemmed as English."""
    names: str
    """Names and addresses: as they are."""
    phone: str | None
    email: str | None
    postcode: str | None
    address: str | None


def keys_of(text: str, citizen: dict[str, Any], postcode: str | None) -> Keys:
    """What one request can be found by."""
    return Keys(
        text=fold(text),
        names=fold(" ".join(str(citizen[name]) for name in ("name", "address") if citizen.get(name))),
        phone=phone_key(citizen.get("phone")),
        email=email_key(citizen.get("email")),
        postcode=postcode_key(postcode),
        address=address_key(citizen.get("address"), postcode),
    )


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed into the search box, taken apart. All of it must fit."""

    reference: str | None = None
    phone: str | None = None
    email: str | None = None
    postcode: str | None = None
    postcode_begins: str | None = None
    words: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look for."""
        return self == Question()


def read_question(typed: str, *, as_reference: bool = True) -> Question:
    """Take apart what was typed: a reference, a phone number, an e-mail address, a postcode or its beginning, words.

    Letters alone may be words that only look like a reference, "my recycling" by its check character: where nobody has
    that reference, ask again without `as_reference`.
    """
    if as_reference and len(typed.strip()) <= 16 and (reference := read_reference(typed)) is not None:
        return Question(reference=reference)
    email = phone = postcode = begins = None
    if found := _EMAIL.search(typed):
        email, typed = email_key(found[0]), typed.replace(found[0], " ")
    if found := _POSTCODE.search(typed):
        postcode = postcode_key(normalise(found[0]))
        typed = typed.replace(found[0], " ") if postcode else typed
    if found := _PHONE.search(typed):
        phone, typed = phone_key(found[0]), typed.replace(found[0], " ")
    if postcode is None and (found := _PART_OF_POSTCODE.search(typed)):
        begins, typed = postcode_key(found[0]), typed.replace(found[0], " ")
    words = tuple(dict.fromkeys(_WORD.findall(fold(typed))))[:MOST_WORDS]
    return Question(email=email, phone=phone, postcode=postcode, postcode_begins=begins, words=words)


def near(word: str, candidates: list[str]) -> list[str]:
    """Those that a slip or two of the finger may have made of `word`, likeliest first."""
    most = 1 if len(word) <= 5 else 2
    found = [
        (distance, each)
        for each in candidates
        if (distance := DamerauLevenshtein.distance(word, each, score_cutoff=most)) <= most
    ]
    return [each for _, each in sorted(found)]
