"""Tests of reading words: `words`, `spelling`, `wordpiece`, `noise`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_rules.classifier.noise import noisy
from routing_rules.classifier.spelling import Spelling
from routing_rules.classifier.wordpiece import WordPiece
from routing_rules.classifier.words import stem, words

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "bin", "##s", "b", "##i", "##n", "!", "un", "##known"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("U lot havent been 2day!!", ["you", "lot", "havent", "been", "today"]),
        ("It\u2019s £130 by 5pm, NW9 5XE", ["its", "#money", "by", "#time", "#postcode"]),
        ("ring 999 not 12345", ["ring", "999", "not", "#n"]),
        ("soooooo looooud", ["soo", "looud"]),
        ("", []),
    ],
)
def test_one_spelling_for_what_is_the_same(text: str, found: list[str]) -> None:
    """Text-speak is written out, quotes vanish, and sums, times, numbers and postcodes count only by kind."""
    assert list(words(text)) == found


def test_endings_do_not_hide_a_word() -> None:
    """Forms of one word meet in one stem."""
    assert stem("emptied") == stem("empty")
    assert stem("bins") == stem("bin")
    assert stem("stopping") == stem("stopped") == "stop"


@given(st.text(max_size=400))
def test_any_text_can_be_read(text: str) -> None:
    """No text makes reading fail, and no word is empty."""
    assert all(words(text))
    assert all(stem(word) for word in words(text))


def test_a_slip_is_put_right() -> None:
    """An unknown word becomes the known one it is a slip of; known and far-off words stay."""
    spelling = Spelling({"collection": 5, "council": 9, "the": 50})
    assert spelling.repair(["colection", "councl", "the", "xylophone"]) == [
        "collection",
        "council",
        "the",
        "xylophone",
    ]


def test_words_are_cut_into_the_longest_known_pieces() -> None:
    """A known word is one piece; others are spelt out; what cannot be is the unknown piece."""
    cut = WordPiece(PIECES)
    assert [PIECES[number] for number in cut.numbers("Bins unknown bin ☃!", 20)] == [
        "[CLS]", "bin", "##s", "un", "##known", "bin", "[UNK]", "!", "[SEP]",
    ]  # fmt: skip


def test_a_long_text_keeps_its_two_ends() -> None:
    """Of a text that is too long the beginning and the end are read."""
    numbers = WordPiece(PIECES).numbers("bin " * 50 + "unknown", 12)
    assert len(numbers) == 12
    assert [PIECES[number] for number in numbers[-3:]] == ["un", "##known", "[SEP]"]


@given(st.text(min_size=1, max_size=200), st.integers(0, 1000))
def test_noise_keeps_something_and_is_repeatable(text: str, seed: int) -> None:
    """The same seed makes the same slips, and a text never vanishes."""
    said = noisy(text, random.Random(seed))
    assert said == noisy(text, random.Random(seed))
    assert said
