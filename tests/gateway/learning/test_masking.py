"""Words without the person: nothing that names somebody is left in what may become an example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning.masking import masked


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("ring me on 020 7946 0101 about my bin", "ring me on [number] about my bin"),
        ("call +44 (0)7700 900123 please", "call [number] please"),
        ("07700900123", "[number]"),
        ("mail ann.smith+bins@example.co.uk", "mail [e-mail]"),
        ("mail ann at example dot com", "mail [e-mail]"),
        ("a pothole in EN5 4NA by the church", "a pothole in [postcode] by the church"),
        ("it is n120ab", "it is [postcode]"),
        ("my name is Grace Okoro and the bin is full", "my name is [name] and the bin is full"),
        ("hi my name's grace, bin missed", "hi my name's [name], bin missed"),
        ("my name’s O’Brien and I am cold", "my name's [name] and I am cold"),
        ("Caller: Mohammed Al-Amin from the flats", "Caller: [name] from the flats"),
        ("this is Grace Okoro from the shop", "this is [name] from the shop"),
        ("Mrs Patel says the lamp is out", "Mrs [name] says the lamp is out"),
        ("I live at 14 Acacia Road, near the park", "I live at [address], near the park"),
        ("flat 12b has a leak", "[address] has a leak"),
        ("born 12/03/1950 and 3 May 1999", "born [date] and [date]"),
        ("NI is QQ 12 34 56 C", "NI is [number]"),
        ("nhs 943 476 5919", "nhs [number]"),
        ("car AB12 CDE blocks us", "car [vehicle] blocks us"),
        ("see https://example.org/x?me=1 now", "see [address] now"),
        ("two\nlines\tof  it", "two lines of it"),
    ],
)
def test_what_names_somebody_is_masked(said, left):
    """And the need that was said is still there."""
    assert masked(said) == left


@pytest.mark.parametrize(
    "said",
    [
        "the bin lorry missed us 3 times in 2 weeks",
        "my council tax went up by £120",
        "band D, 25 % discount since 2019",
        "is there a food bank near me that is open this week",
        "this is the third time I ask",
        "the number 32 bus and the A1000",
    ],
)
def test_what_names_nobody_stays(said):
    """Amounts, times and roads of the country are part of the need."""
    assert masked(said) == said


CITIZEN = {
    "name": "Grace Adaeze Okoro",
    "email": "g.okoro@example.org",
    "phone": "020 7946 0101",
    "address": "3 The Larches, Barnet Lane",
    "lat": 51.6,
}


def test_what_is_known_of_the_citizen_is_masked_however_it_is_said():
    """The whole, or a word of it; spaced or not."""
    said = "okoro here, GRACE's bin at the Larches, 02079460101, write to g.okoro@example.org"
    left = masked(said, CITIZEN)
    for piece in ("okoro", "grace", "larches", "0101", "example"):
        assert piece not in left.lower()
    assert "bin" in left


@given(
    first=st.from_regex(r"[A-Z][a-z]{2,9}", fullmatch=True),
    last=st.from_regex(r"[A-Z][a-z]{2,9}", fullmatch=True),
    before=st.text(alphabet="abc \n.,'", max_size=20),
    after=st.text(alphabet="abc \n.,'", max_size=20),
)
def test_no_known_name_survives_anywhere(first, last, before, after):
    """Whatever stands around it."""
    left = masked(f"{before} {first} {last} {after}", {"name": f"{first} {last}"})
    words = {word.strip(".,'").lower() for word in left.replace("[", " ").replace("]", " ").split()}
    assert not {first.lower(), last.lower()} & (words - {"name"})


@given(st.text(max_size=300))
def test_any_text_comes_out_on_one_line_and_twice_the_same(text):
    """Nothing breaks it, and masking what is masked changes nothing."""
    left = masked(text, CITIZEN)
    assert "\n" not in left
    assert masked(left, CITIZEN) == left
