"""A citizen's message as the words it holds: one spelling for what is the same, whoever typed it."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

MOST_CHARACTERS: Final = 4_000
"""A need is clear long before this; reading on would only let a huge message hold the door up."""

_MOST_REMEMBERED: Final = 50_000
LATELY: Final = 16
"""A message is read a few times in a row: for danger, for its language, for its needs. Older ones are forgotten."""
_KINDS: Final = re.compile(
    r"(?P<money>[£$€]\s?\d[\d,.]*(?:k|m)?|\b\d+(?:\.\d\d)?\s?(?:quid|pounds?)\b)"
    r"|(?P<postcode>\b(?:[a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2}|(?:n|nw|en|ha|nn|se|sw|ec|wc)\d{1,2})\b)"
    r"|(?P<time>\b\d{1,2}(?:[:.]\d\d)?\s?(?:am|pm)\b|\b\d{1,2}:\d\d\b)"
    r"|(?P<date>\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b)"
)
_DIGIT: Final = re.compile(r"\d")
_TOKEN: Final = re.compile(r"#?[^\W_]+(?:'[^\W_]+)?")
_REPEATED: Final = re.compile(r"(\w)\1{2,}")
_TELLING_NUMBERS: Final = frozenset({"999", "111", "101"})
_QUOTES: Final = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bc`\u00b4", "'"))

# Text-speak that means one word only. What could be several ("no", "4 beds") stays as it is written.
_PLAIN = {
    "u": "you", "ur": "your", "r": "are", "n": "and", "w": "with", "pls": "please", "plz": "please",
    "plse": "please", "thx": "thanks", "ta": "thanks", "ppl": "people", "coz": "because", "cos": "because",
    "cuz": "because", "bcos": "because", "bcoz": "because", "bc": "because", "wot": "what", "wat": "what",
    "wots": "whats", "wen": "when", "wer": "where", "wher": "where", "hu": "who", "hav": "have",
    "hve": "have", "av": "have", "gt": "got", "gota": "gotta", "giv": "give", "iv": "ive", "dnt": "dont",
    "cnt": "cant", "wudnt": "wouldnt", "shud": "should", "wud": "would", "cud": "could", "shld": "should",
    "wld": "would", "cld": "could", "nxt": "next", "lst": "last", "wk": "week", "wks": "weeks",
    "wkly": "weekly", "yr": "year", "yrs": "years", "mth": "month", "mths": "months", "hr": "hour",
    "hrs": "hours", "min": "minute", "mins": "minutes", "rd": "road", "st": "street", "ave": "avenue",
    "nr": "near", "opp": "opposite", "appt": "appointment", "appts": "appointments", "ref": "reference",
    "info": "information", "doc": "doctor", "docs": "doctors", "sumone": "someone", "some1": "someone",
    "sum1": "someone", "any1": "anyone", "no1": "noone", "every1": "everyone", "evry": "every",
    "evryone": "everyone", "evrything": "everything", "summat": "something", "summit": "something",
    "sumthing": "something", "nuthin": "nothing", "tho": "though", "thru": "through", "til": "till",
    "untill": "until", "abt": "about", "bout": "about", "b4": "before", "2day": "today",
    "2moro": "tomorrow", "2morrow": "tomorrow", "tmrw": "tomorrow", "tmr": "tomorrow", "tomoz": "tomorrow",
    "2nite": "tonight", "tonite": "tonight", "nite": "night", "nites": "nights", "l8": "late",
    "gr8": "great", "m8": "mate", "w8": "wait", "w8ing": "waiting", "dis": "this", "dat": "that",
    "da": "the", "de": "the", "wiv": "with", "wif": "with", "mam": "mum", "mom": "mum", "mums": "mum",
    "dads": "dad", "nan": "gran", "nana": "gran", "nanna": "gran", "granny": "gran", "grandma": "gran",
    "neibour": "neighbour", "neighbor": "neighbour", "neighbors": "neighbours", "cust": "customer",
    "rptd": "reported", "rptg": "reporting", "reqs": "requests", "wants2": "wants", "hubby": "husband",
    "missus": "wife", "ctax": "council tax", "hb": "housing benefit", "uc": "universal credit",
    "tel": "telephone", "tv": "television", "telly": "television", "luv": "love", "ov": "of",
    "fone": "phone", "skool": "school", "rite": "right", "nuff": "enough", "gonna": "going to",
    "wanna": "want to", "gotta": "got to", "dunno": "dont know", "innit": "isnt it",
}  # fmt: skip


def normal(text: str) -> str:
    """The message in one form: lower case, one kind of quote; sums, times, dates and postcodes only by kind."""
    plain = text[:MOST_CHARACTERS]
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    plain = plain.translate(_QUOTES).lower()
    return _KINDS.sub(lambda found: f" #{found.lastgroup} ", plain) if _DIGIT.search(plain) else plain


@functools.lru_cache(LATELY)
def words(text: str) -> tuple[str, ...]:
    """The words of a message in order, text-speak written out, numbers as `#n`."""
    return tuple(word for token in _TOKEN.findall(normal(text)) for word in _spelt(token))


@functools.lru_cache(_MOST_REMEMBERED)
def _spelt(token: str) -> tuple[str, ...]:
    plain = token.replace("'", "")
    if plain.isdigit():
        return (plain if plain in _TELLING_NUMBERS else "#n",)
    plain = _REPEATED.sub(r"\1\1", plain)
    spelt = _PLAIN.get(plain)
    return (plain,) if spelt is None else tuple(spelt.split())


@functools.lru_cache(_MOST_REMEMBERED)
def stem(word: str) -> str:
    """A word without its ending, so that `bins`, `emptying` and `emptied` meet `bin` and `empty`."""
    if len(word) <= 3 or word[0] == "#":
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            base = word[: len(word) - len(ending)] + instead
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz" and ending in {"ing", "ed"}:
                base = base[:-1]
            return base[:-1] if base.endswith("e") and len(base) > 3 else base
    return word.removesuffix("e")


_ENDINGS = (
    ("ies", "y"),
    ("ied", "y"),
    ("ings", ""),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ing", ""),
    ("ed", ""),
    ("ly", ""),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("s", ""),
)
