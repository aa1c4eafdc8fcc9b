"""How people, places and words are written for search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identifiers import new_reference
from gateway.work.words import (
    Question,
    address_key,
    email_key,
    fold,
    keys_of,
    near,
    phone_key,
    postcode_key,
    read_question,
)


@pytest.mark.parametrize(
    "written",
    ["020 7946 0000", "(020) 7946-0000", "+44 20 7946 0000", "+44 (0)20 7946 0000", "0044 20 79460000"],
)
def test_one_phone_number_has_one_key_however_it_is_written(written):
    """With or without the country's code."""
    assert phone_key(written) == "02079460000"


@pytest.mark.parametrize("written", [None, "", "1234", "no phone"])
def test_what_is_no_phone_number_has_no_key(written):
    """Four digits find nobody."""
    assert phone_key(written) is None


def test_an_address_is_its_first_line_and_its_postcode():
    """However the rest of it is written; without a postcode or words it is none."""
    one = address_key("12 High Street, London", "N12 0AB")
    assert one == address_key("12, High street\nFinchley", "N12 0AB") or one == "12highstreet|N120AB"
    assert one == address_key("12 High Street", "N12 0AB")
    assert one != address_key("14 High Street", "N12 0AB")
    assert address_key("Rose Cottage, Mill Lane", "N12 0AB") == "rosecottagemilllane|N120AB"
    assert address_key("12 High Street", None) is None
    assert address_key(None, "N12 0AB") is None


def test_what_was_typed_is_taken_apart():
    """Each kind by its form, the rest are words."""
    assert read_question("Ann O'Brien N12 0AB") == Question(words=("ann", "o'brien"), postcode="N120AB")
    assert read_question("smith 020 7946 0000") == Question(words=("smith",), phone="02079460000")
    assert read_question("ANN@Example.org") == Question(email="ann@example.org")
    assert read_question("pothole N12") == Question(words=("pothole",), postcode_begins="N12")
    assert read_question("N12 0") == Question(postcode_begins="N120")
    assert read_question("  ").empty
    assert read_question("Zoë") == Question(words=("zoe",))


@given(st.text(max_size=200))
def test_whatever_is_typed_can_be_read(typed):
    """It never fails, and words are small letters and digits."""
    question = read_question(typed)
    assert all(word == fold(word) for word in question.words)


@given(st.sampled_from(["BAR", "NOR"]))
def test_a_reference_is_known_as_one(prefix):
    """In small letters too, and without its dashes; unless it is to be read as words."""
    reference = new_reference(prefix)
    for typed in (reference.lower(), reference.replace("-", " ")):
        assert read_question(typed).reference == reference
        assert read_question(typed, as_reference=False).reference is None


@given(st.from_regex(r"0[0-9]{2} ?[0-9]{4} ?[0-9]{4}", fullmatch=True))
def test_a_telephone_number_is_never_taken_for_a_reference(number):
    """Whatever its last digit would say as a check character."""
    assert read_question(number).reference is None
    assert read_question(number).phone is not None


def test_a_slip_of_the_finger_is_near_and_another_word_is_not():
    """One slip in a short word, two in a long one; likeliest first."""
    words = ["smith", "smyth", "smithson", "pothole", "potholes", "mattress"]
    assert near("smiht", words) == ["smith"]
    assert near("mattres", words) == ["mattress"]
    assert near("potole", words) == ["pothole", "potholes"]
    assert near("street", words) == []


def test_everything_a_request_is_found_by():
    """Words folded; the person's numbers as keys."""
    keys = keys_of(
        "The bin’s full", {"name": "Zoë Smith", "phone": "+44 7700 900123", "email": " A@B.org"}, "N12 0AB"
    )
    assert (keys.text, keys.names, keys.phone, keys.email, keys.postcode) == (
        "the bin's full",
        "zoe smith",
        "07700900123",
        "a@b.org",
        "N120AB",
    )
    assert email_key("x") is None
    assert postcode_key(None) is None
