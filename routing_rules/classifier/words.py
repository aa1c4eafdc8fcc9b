"""A citizen's message as the words it holds: one spelling for what is the same, whoever typed it."""

from __future__ import annotations

import re
import unicodedata

MOST_CHARACTERS = 4_000
"""A need is clear long before this; reading on would only let a huge message hold the door up."""

_MONEY = re.compile(r"[£$€]\s?\d[\d,.]*(?:k|m)?|\b\d+(?:\.\d\d)?\s?(?:quid|pounds?)\b")
_POSTCODE = re.compile(r"\b(?:[a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2}|(?:n|nw|en|ha|nn|se|sw|ec|wc)\d{1,2})\b")
_CLOCK = re.compile(r"\b\d{1,2}(?:[:.]\d\d)?\s?(?:am|pm)\b|\b\d{1,2}:\d\d\b")
_DATE = re.compile(r"\b\d{1,2}(?:st|nd|rd|th)\b|\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?|#\w+", re.UNICODE)
_REPEATED = re.compile(r"(\w)\1{2,}")
_DIGITS = re.compile(r"^\d+$")
_QUOTES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bc`\u00b4", "'"))

# Text-speak that means one word only. What could be several ("no", "4 beds") stays as it is written.
_PLAIN = {
    "u": "you", "ur": "your", "r": "are", "n": "and", "y": "why", "k": "ok", "c": "see", "w": "with",
    "pls": "please", "plz": "please", "plse": "please", "thx": "thanks", "ta": "thanks", "ppl": "people",
    "coz": "because", "cos": "because", "cuz": "because", "bcos": "because", "bcoz": "because", "bc": "because",
    "wot": "what", "wat": "what", "wots": "whats", "wen": "when", "wer": "where", "wher": "where", "hu": "who",
    "hav": "have", "hve": "have", "av": "have", "gt": "got", "gota": "gotta", "giv": "give", "iv": "ive",
    "dnt": "dont", "doesnt": "doesnt", "cnt": "cant", "wont": "wont", "wudnt": "wouldnt", "didnt": "didnt",
    "shud": "should", "wud": "would", "cud": "could", "shld": "should", "wld": "would", "cld": "could",
    "nxt": "next", "lst": "last", "wk": "week", "wks": "weeks", "wkly": "weekly", "yr": "year", "yrs": "years",
    "mth": "month", "mths": "months", "hr": "hour", "hrs": "hours", "min": "minute", "mins": "minutes",
    "rd": "road", "st": "street", "ave": "avenue", "nr": "near", "opp": "opposite", "appt": "appointment",
    "app": "app", "appts": "appointments", "ref": "reference", "info": "information", "doc": "doctor",
    "docs": "doctors", "sumone": "someone", "some1": "someone", "sum1": "someone", "any1": "anyone",
    "no1": "noone", "every1": "everyone", "evry": "every", "evryone": "everyone", "evrything": "everything",
    "summat": "something", "summit": "something", "sumthing": "something", "nuthin": "nothing",
    "tho": "though", "thru": "through", "til": "till", "untill": "until", "abt": "about", "bout": "about",
    "b4": "before", "2day": "today", "2moro": "tomorrow", "2morrow": "tomorrow", "tmrw": "tomorrow",
    "tmr": "tomorrow", "tomoz": "tomorrow", "2nite": "tonight", "tonite": "tonight", "nite": "night",
    "nites": "nights", "l8": "late", "gr8": "great", "m8": "mate", "w8": "wait", "w8ing": "waiting",
    "dis": "this", "dat": "that", "da": "the", "de": "the", "wiv": "with", "wif": "with", "bin2": "bin",
    "mum": "mum", "mam": "mum", "mom": "mum", "mums": "mum", "dads": "dad", "nan": "gran", "nana": "gran",
    "nanna": "gran", "granny": "gran", "grandma": "gran", "neibour": "neighbour", "neighbor": "neighbour",
    "neighbors": "neighbours", "cust": "customer", "rptd": "reported", "rptg": "reporting", "reqs": "requests",
    "wants2": "wants", "hubby": "husband", "missus": "wife", "ctax": "council tax", "hb": "housing benefit",
    "uc": "universal credit", "tel": "telephone", "tv": "television", "telly": "television",
    "luv": "love", "ov": "of", "fone": "phone", "skool": "school", "rite": "right", "nuff": "enough",
    "gonna": "going to", "wanna": "want to", "gotta": "got to", "dunno": "dont know", "innit": "isnt it",
}


def normal(text: str) -> str:
    """The message in one form: lower case, one kind of quote, and sums, times and postcodes by kind."""
    text = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).translate(_QUOTES).lower()
    text = _MONEY.sub(" #money ", text)
    text = _POSTCODE.sub(" #postcode ", text)
    text = _CLOCK.sub(" #time ", text)
    return _DATE.sub(" #date ", text)


def words(text: str) -> list[str]:
    """The words of a message in order, text-speak written out, numbers as `#n`."""
    found: list[str] = []
    for token in _TOKEN.findall(normal(text)):
        plain = token.replace("'", "")
        plain = _REPEATED.sub(r"\1\1", plain)
        if _DIGITS.match(plain):
            found.append("#n" if len(plain) != 3 or plain not in {"999", "111", "101"} else plain)
            continue
        spelt = _PLAIN.get(plain)
        if spelt is None:
            found.append(plain)
        else:
            found.extend(spelt.split())
    return found


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
    return word[:-1] if word.endswith("e") else word


_ENDINGS = (
    ("ies", "y"), ("ied", "y"), ("ings", ""), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"),
    ("ing", ""), ("ed", ""), ("ly", ""), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""),
)
