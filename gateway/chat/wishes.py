"""What a citizen wants of the chat itself, beside any service: a person, a yes, a no, where a request stands."""

from __future__ import annotations

import re
from typing import Final

from gateway.identifiers import read_reference

_PERSON: Final = re.compile(
    r"\b(?:(?:speak|talk|chat|get|put me|transfer me|connect me)\b.{0,25}\b(?:person|human|someone|somebody|agent|advis[eo]r"
    r"|operator|representative|staff|people)|(?:real|actual|live) (?:person|human|agent)|(?:siarad|sgwrsio) (?:â|gyda|ag|a) "
    r"(?:pherson|person|rhywun))\b",
    re.IGNORECASE,
)
_YES: Final = re.compile(
    r"(?:yes|yep|yeah|ok(?:ay)?|correct|send(?: (?:it|them|all))?|ie|iawn|ydy|do)[.! ]*(?:please)?[.! ]*",
    re.IGNORECASE,
)
_NO: Final = re.compile(
    r"(?:no|nope|none|nothing(?: else)?|that'?s (?:all|it)|na|nac ydy)[.! ,]*(?:thanks?(?: you)?|diolch)?[.! ]*",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"\b[A-Za-z]{3}[- ]?[0-9A-Za-z]{4}[- ]?[0-9A-Za-z]{4}\b")
_MOST_WORDS: Final = 12
"""A longer message tells of something: it is understood, whatever words are in it."""


def wants_person(text: str) -> bool:
    """Whether they ask to talk to somebody."""
    return len(text.split()) <= _MOST_WORDS and _PERSON.search(text) is not None


def says_yes(text: str) -> bool:
    """Whether the whole answer is a yes."""
    return _YES.fullmatch(text.strip()) is not None


def says_no(text: str) -> bool:
    """Whether the whole answer is a no."""
    return _NO.fullmatch(text.strip()) is not None


def named_reference(text: str, prefix: str) -> str | None:
    """A request's reference in a message, if its check character is right and it is this authority's."""
    for found in _REFERENCE.finditer(text):
        reference = read_reference(found[0])
        if reference is not None and reference.startswith(f"{prefix}-"):
            return reference
    return None
