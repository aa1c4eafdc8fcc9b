"""Words without the person: what names somebody is put out of a text before it may become an example.

Better a word too many masked than a name too few: a person reads what comes out, and can put a harmless word back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_MONTHS: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_STREETS: Final = (
    r"(?:road|rd|street|st|avenue|ave|lane|ln|close|drive|dr|gardens?|gdns|crescent|cres|court|ct|place|pl|way|hill"
    r"|terrace|grove|mews|square|sq|walk|rise|park|parade|house|lodge|mansions|green|row)"
)
_STOPS: Final = (
    r"(?:and|but|i|im|i'm|my|from|at|on|in|of|the|with|calling|ringing|speaking|here|about|a|an|is|it|its|we|you|who"
    r"|because|for|to|please)"
)
_NAMES: Final = rf"(?:(?!{_STOPS}\b)[^\W\d_][\w'.-]*)(?:[ \t]+(?!{_STOPS}\b)[^\W\d_][\w'-]*){{0,2}}"
_CAPITALISED: Final = r"[A-Z][\w'-]+(?:[ \t]+[A-Z][\w'-]+){0,2}"


def _any_case(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_MASKS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (_any_case(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (_any_case(r"[\w.+-]+\s*(?:\(at\)|\[at\]|\bat\b)\s*[\w-]+\s*(?:\(dot\)|\[dot\]|\bdot\b)\s*\w+"), "[e-mail]"),
    (_any_case(r"\b(?:https?://|www\.)\S+"), "[address]"),
    (_any_case(r"\b[a-z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[a-d]\b"), "[number]"),  # National Insurance
    (_any_case(r"\b[a-z]{1,2}\d[a-z\d]?[ \t]*\d[a-z]{2}\b"), "[postcode]"),
    (_any_case(r"\b[a-z]{2}\d{2}[ \t]?[a-z]{3}\b"), "[vehicle]"),
    (_any_case(r"\b\d{1,2}(?:st|nd|rd|th)?[ /.-](?:\d{1,2}|" + _MONTHS + r")[ /.-](?:19|20)?\d{2}\b"), "[date]"),
    (_any_case(r"\b(?:19|20)\d{2}-\d{2}-\d{2}\b"), "[date]"),
    # A telephone number, an NHS number, a reference: seven digits or more, however they are grouped.
    (re.compile(r"(?<![\w£$€])\+?\(?\d(?:[ ().\-]{0,3}\d){6,}(?!\w)"), "[number]"),
    (_any_case(r"\b(?:flat|apartment|apt|unit)[ \t]+\d+\w?\b,?"), "[address]"),
    (_any_case(rf"\b\d+[a-d]?,?[ \t]+(?:[^\W\d_][\w'-]*[ \t]+){{1,3}}{_STREETS}\b\.?"), "[address]"),
    (_any_case(rf"(\bmy (?:full |first |last )?name(?:'s|s| is| was|:)?[ \t:]+){_NAMES}"), r"\1[name]"),
    (_any_case(rf"(\b(?:name|caller|cust|customer|tenant|patient|claimant|surname)[ \t]*[:=][ \t]*){_NAMES}"), r"\1[name]"),
    (_any_case(rf"(\b(?:i am|i'm|im|she is|he is|is)[ \t]+(?:called|named)[ \t]+){_NAMES}"), r"\1[name]"),
    (_any_case(rf"(\b(?:called|named)[ \t]+)(?-i:{_CAPITALISED})"), r"\1[name]"),
    (_any_case(rf"(\bthis is[ \t]+)(?-i:{_CAPITALISED})"), r"\1[name]"),
    (_any_case(rf"(\b(?:it's|its)[ \t]+)(?-i:{_CAPITALISED})(?=[ \t]+(?:here|speaking|calling|from)\b)"), r"\1[name]"),
    (_any_case(r"(\b(?:i am|i'm)[ \t]+)(?-i:[A-Z][\w'-]+[ \t]+[A-Z][\w'-]+)"), r"\1[name]"),
    (_any_case(rf"(\b(?:mr|mrs|ms|miss|mx|dr|doctor|sir|lady|rev|prof)\b\.?[ \t]+)(?-i:{_CAPITALISED})"), r"\1[name]"),
    (_any_case(rf"(\b(?:regards|sincerely|faithfully|thanks|thank you|cheers)[,.!]?[ \t]*\n\s*){_NAMES}"), r"\1[name]"),
    (_any_case(rf"(\b(?:regards|sincerely|faithfully)[,.!]?[ \t]+){_NAMES}\s*$"), r"\1[name]"),
)  # fmt: skip

_DETAILS: Final = {
    "name": "[name]",
    "address": "[address]",
    "email": "[e-mail]",
    "phone": "[number]",
    "nhs_number": "[number]",
    "national_insurance_number": "[number]",
    "date_of_birth": "[date]",
}
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_COMMON: Final = _any_case(rf"(?:{_STREETS}|the|flat|and)")
_TOO_SHORT: Final = 3
"""A piece of a name or an address shorter than this says nothing of anybody by itself."""


def masked(text: str, citizen: Mapping[str, Any] | None = None) -> str:
    """The text on one line, with a mark in the place of each detail. `citizen`: what is known of who said it."""
    text = _CONTROL.sub(" ", text.replace("\u2019", "'"))
    known = {name: value for name in _DETAILS if isinstance(value := (citizen or {}).get(name), str)}
    for name, value in known.items():
        words = re.findall(r"[\w']+", value)
        if words:  # however it is spaced
            whole = r"[\W_]*".join(re.escape(word) for word in words)
            text = _any_case(rf"(?<!\w){whole}(?!\w)").sub(_DETAILS[name], text)
    for pattern, mark in _MASKS:
        text = pattern.sub(mark, text)
    for name in ("name", "address"):
        for word in re.findall(r"[\w']+", known.get(name, "")):
            if len(word) >= _TOO_SHORT and not word.isdigit() and not _COMMON.fullmatch(word):
                alone = _any_case(rf"(?<![\w\[]){re.escape(word)}(?:'s)?(?![\w\]])")
                text = alone.sub(_DETAILS[name], text)
    return " ".join(text.split())
