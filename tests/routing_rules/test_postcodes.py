"""Reading postcodes and finding the authority they lie in."""

from __future__ import annotations

import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_rules import postcodes
from routing_rules.local_authorities import by_slug, local_authorities
from routing_rules.postcodes import Places
from tests.routing_rules.stand_ins import unhurried

AREAS = st.sampled_from(["N", "NW", "NN", "EC", "W", "HA", "EN", "BT", "M", "G"])
OUTCODES = st.builds(
    lambda area, digit, more: f"{area}{digit}{more}",
    AREAS,
    st.sampled_from(string.digits),
    st.sampled_from(["", *string.digits, "A", "P"]),
)
INWARDS = st.builds(
    lambda digit, one, two: f"{digit}{one}{two}",
    st.sampled_from(string.digits),
    st.sampled_from("ABDEFGHJLNPQRSTUWXYZ"),
    st.sampled_from("ABDEFGHJLNPQRSTUWXYZ"),
)


@unhurried
@given(OUTCODES, INWARDS, st.sampled_from(["", " ", "  ", "-", ".", "\t"]), st.booleans())
def test_any_way_of_writing_a_postcode_reads_as_the_official_one(
    outcode: str,
    inward: str,
    gap: str,
    lower: bool,
) -> None:
    """Case, spaces and punctuation do not matter."""
    written = f" {outcode}{gap}{inward} "
    assert postcodes.normalise(written.lower() if lower else written) == f"{outcode} {inward}"


@unhurried
@given(OUTCODES, INWARDS)
def test_an_official_postcode_stays_as_it_is(outcode: str, inward: str) -> None:
    """Reading what was read changes nothing."""
    first = postcodes.normalise(outcode + inward)
    assert first is not None
    assert postcodes.normalise(first) == first


@unhurried
@given(st.text(max_size=40))
def test_no_text_makes_reading_or_finding_fail(text: str) -> None:
    """Whatever is typed in the postcode field is read or refused, never an exception."""
    written = postcodes.normalise(text)
    assert written is None or postcodes.normalise(written) == written
    postcodes.find_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NW9",
        "hello",
        "NW9 5ABC",
        "12345",
        "N W 9 5 A B 7",
        "\uff2e\uff37\uff19 \uff15\uff21\uff22",
        "9NW 5AB",
    ],
)
def test_what_is_no_postcode_reads_as_none(text: str) -> None:
    """Parts of postcodes, words and look-alike characters are refused."""
    assert postcodes.normalise(text) is None


def test_the_letter_o_for_zero_is_forgiven_where_only_a_digit_can_stand() -> None:
    """`N1 OAA` is `N1 0AA`."""
    assert postcodes.normalise("N1 OAA") == "N1 0AA"


@pytest.mark.parametrize(
    ("postcode", "slug"),
    [
        ("HA8 0AB", "barnet"),
        ("nw95ab", "barnet"),
        ("NN16 8TF", "north-northamptonshire"),
        ("NN1 1ED", "west-northamptonshire"),
        ("M1 1AE", "manchester"),
        ("CB1 2AB", "cambridge"),
        ("S1 2HH", "sheffield"),
        ("BS1 5TR", "bristol"),
        ("EH1 1YJ", "edinburgh"),
        ("BT1 5GS", "belfast"),
        ("TA1 1HE", "somerset"),
    ],
)
def test_a_postcode_is_found_in_its_authority(places: Places, postcode: str, slug: str) -> None:
    """Each nation, recoded councils, and both tiers."""
    place = places.find(postcode)
    assert place is not None
    assert place.authority.slug == slug


def test_one_outcode_that_several_authorities_share_is_told_apart(places: Places) -> None:
    """NW9 lies in Barnet and in Brent: the outcode alone would not do."""
    here, there = places.find("NW9 5AB"), places.find("NW9 0AD")
    assert here is not None
    assert there is not None
    assert (here.authority.slug, there.authority.slug) == ("barnet", "brent")


def test_an_unlisted_postcode_is_placed_only_where_all_its_neighbours_agree(places: Places) -> None:
    """EN5 is Barnet's for the most part by sector; a sector that is shared gives no answer."""
    known = places.find("N20 8ZZ")
    assert known is not None
    assert (known.authority.slug, known.exact) == ("barnet", False)
    assert places.find("NW2 3ZZ") is None


def test_nothing_is_found_for_a_postcode_of_nowhere(places: Places) -> None:
    """A well-formed postcode whose area does not exist has no place."""
    assert places.find("ZZ9 9ZZ") is None
    assert places.find("not a postcode") is None


def test_a_letter_is_loaded_before_it_is_asked_for_when_preloaded() -> None:
    """`is_loaded` says whether `find` would read a file."""
    fresh = Places()
    assert not fresh.is_loaded("ZE1 0AA")
    fresh.preload("Z")
    assert fresh.is_loaded("ZE1 0AA")
    assert fresh.is_loaded("no postcode, so nothing to load")


def test_a_loaded_letter_is_held_in_few_bytes_a_postcode() -> None:
    """The postcodes of one letter take a few bytes each once loaded, not an object each."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        fresh = Places()
        fresh.preload("K")
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    entries = {id(codes): len(codes) for _, _, codes, _ in fresh._outcodes.values()}
    assert sum(entries.values()) > 40_000
    assert held < 10 * sum(entries.values())


@pytest.mark.parametrize(
    ("pattern", "postcode", "inside"),
    [
        ("N", "N1 1AA", True),
        ("N", "NW1 1AA", False),
        ("NW", "NW9 5AB", True),
        ("NW9", "NW9 5AB", True),
        ("NW9", "NW91 5AB", False),
        ("N1", "N12 5AB", False),
        ("EC1", "EC1A 1BB", False),
        ("EC1A", "EC1A 1BB", True),
        ("NW9 5", "NW9 5AB", True),
        ("NW9 5", "NW9 6AB", False),
        ("NW9 5AB", "NW9 5AB", True),
    ],
)
def test_a_place_pattern_holds_the_postcodes_in_it(pattern: str, postcode: str, inside: bool) -> None:
    """Area, outcode, sector and whole postcode; a prefix of letters is not enough."""
    assert postcodes.matches(postcodes.read_pattern(pattern), postcode) is inside


@unhurried
@given(OUTCODES, INWARDS, st.integers(0, 3), st.integers(0, 3))
def test_what_a_wider_pattern_covers_matches_it_too(outcode: str, inward: str, one: int, two: int) -> None:
    """`covers` never says yes where a postcode in the narrow pattern is outside the wide one."""
    area = outcode.rstrip(string.digits + "AP") or outcode[:1]
    ladder = [area, outcode, f"{outcode} {inward[0]}", f"{outcode} {inward}"]
    try:
        wide, narrow = (postcodes.read_pattern(ladder[step]) for step in (one, two))
    except ValueError:
        return
    if postcodes.covers(wide, narrow) and postcodes.matches(narrow, f"{outcode} {inward}"):
        assert postcodes.matches(wide, f"{outcode} {inward}")


@pytest.mark.parametrize("pattern", ["", "9", "NW9 5 A", "N*", "london"])
def test_a_place_pattern_that_is_none_is_refused(pattern: str) -> None:
    """A typo in a rule's postcodes is found at start."""
    with pytest.raises(ValueError, match="not a postcode"):
        postcodes.read_pattern(pattern)


def test_the_one_postcode_in_a_message_is_found() -> None:
    """In free text only a single, unmistakable postcode counts."""
    assert postcodes.find_in("the lamp outside 4 Elm Rd nw9 5ab is out") == "NW9 5AB"
    assert postcodes.find_in("moving from NW9 5AB to HA8 0AB") is None
    assert postcodes.find_in("no postcode here") is None


def test_every_authority_has_a_name_and_a_homepage() -> None:
    """382 of them, each district with the county above it."""
    authorities = local_authorities()
    assert len(authorities) == len(by_slug()) == 382
    assert all(one.name and one.homepage.startswith("http") for one in authorities.values())
    assert all(one.parent in by_slug() for one in authorities.values() if one.tier == "district")
