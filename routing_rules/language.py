"""Which language a message is in, when it plainly is not English. English in any spelling is English."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Final

_FEWEST_LETTERS: Final = 6
_FEWEST_WORDS: Final = 4
_FEWEST_KNOWN: Final = 3
_LEAST_SHARE: Final = 0.34
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")

_SCRIPTS: Final = {
    "BENGALI": "bn", "GUJARATI": "gu", "GURMUKHI": "pa", "DEVANAGARI": "hi", "TAMIL": "ta", "TELUGU": "te",
    "MALAYALAM": "ml", "SINHALA": "si", "THAI": "th", "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja",
    "CJK": "zh", "GREEK": "el", "HEBREW": "he", "ETHIOPIC": "am", "GEORGIAN": "ka", "ARMENIAN": "hy",
    "ARABIC": "ar", "CYRILLIC": "ru",
}  # fmt: skip
_URDU: Final = frozenset("ٹڈڑےںھہ")
_PERSIAN: Final = frozenset("پچژگکی\u200c")
_UKRAINIAN: Final = frozenset("іїєґ")
_BULGARIAN: Final = frozenset("трябва ми съм моля имам къде как нямам искам моя моето са".split())

# Words that tell English, also as it is typed on a phone. A message that holds many of them is English with a
# foreign word in it, whatever else it holds.
_ENGLISH: Final = frozenset(
    """
    the a an and or but if so to of in on at for with from by is are was were be been am do does did has have had i me
    my we us our you your he she it its they them their this that these those there here what when where who how why
    which not no yes can could will would should may might must get got need want help please thanks hi hello im ive
    dont cant wont isnt wasnt havent u ur r n wot wen coz cos pls plz thx ta ya yeah nah aint gonna wanna innit me mi
    dis dat da wiv summat owt nowt aye up down out off about after before again all any some more most my mine one two
    just now still back new old bin house road street school council tax
    """.split()
)


def detect(text: str) -> str | None:
    """Return the BCP 47 tag of the language a text is plainly in; `None` for English, and when too short to say."""
    if text.isascii():
        return _by_words(text)
    letters = [mark for mark in text.casefold() if mark.isalpha()]
    if len(letters) < _FEWEST_LETTERS and not _dense(letters):
        return None
    script = _script(letters, text)
    if script is not None:
        return script
    return _by_words(text)


def _dense(letters: list[str]) -> bool:
    """Whether a few marks already say a lot, as in Chinese."""
    return len(letters) >= 3 and all(ord(mark) >= 0x2E80 for mark in letters)


def _script(letters: list[str], text: str) -> str | None:
    foreign = [mark for mark in letters if ord(mark) >= 0x370]
    if 2 * len(foreign) <= len(letters):
        return None
    names = Counter(unicodedata.name(mark, "?").split()[0].split("-")[0] for mark in foreign)
    if names.keys() & {"HIRAGANA", "KATAKANA"}:
        return "ja"
    found = _SCRIPTS.get(names.most_common(1)[0][0])
    used = set(text)
    if found == "ar":
        return "ur" if used & _URDU else "fa" if used & _PERSIAN else "ar"
    if found == "ru":
        if used & _UKRAINIAN:
            return "uk"
        return "bg" if len(_BULGARIAN.intersection(text.casefold().split())) >= 2 else "ru"
    return found or "und"


def _by_words(text: str) -> str | None:
    said = _WORD.findall(text.casefold().replace("\u2019", "'"))
    if len(said) < _FEWEST_WORDS:
        return None
    spoken = _languages()
    known = Counter(language for word in said if word in spoken for language in spoken[word])
    if not known:
        return None
    best, hits = known.most_common(1)[0]
    english = sum(word in _ENGLISH for word in said)
    if hits < _FEWEST_KNOWN or hits < _LEAST_SHARE * len(said) or hits < 1.5 * english:
        return None
    return best


@functools.cache
def _languages() -> dict[str, tuple[str, ...]]:
    """Each foreign word, and the languages it is of."""
    data = tomllib.loads(Path(__file__).with_name("language_words.toml").read_text(encoding="utf-8"))
    spoken: dict[str, tuple[str, ...]] = {}
    for language, words in data.items():
        for word in set(words.split()):
            spoken[word] = (*spoken.get(word, ()), language)
    return spoken
