"""Tests of `routing_rules.classifier.wordpiece`."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from routing_rules.classifier.wordpiece import WordPiece

_PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *string.printable.lower(),
    *(f"##{one}" for one in "abcdefghij0123456789"),
]


@settings(max_examples=200)
@given(st.text(alphabet=[chr(mark) for mark in range(128)], max_size=60))
def test_plain_text_is_cut_by_the_quick_way_as_by_the_thorough_one(text: str) -> None:
    """A text in ASCII alone is read the quick way; one mark that is not makes it be read the thorough way."""
    cut = WordPiece(_PIECES)
    quick, thorough = cut.numbers(text, 200), cut.numbers(text + " é", 200)
    assert thorough == [*quick[:-1], *cut.numbers("e", 200)[1:]]
