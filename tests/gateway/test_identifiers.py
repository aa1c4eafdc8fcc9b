"""References that survive being read out, and ids that sort by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.identifiers import ALPHABET, new_reference, read_reference, uuid7

references = st.builds(lambda _: new_reference("BAR"), st.integers())


@given(references)
def test_a_reference_reads_back_as_itself(reference):
    """What is written can be read."""
    assert read_reference(reference) == reference


@given(references)
def test_a_reference_is_read_however_it_is_spoken(reference):
    """Case, spaces and look-alike letters do not matter."""
    spoken = reference.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert read_reference(f" {spoken} ".replace("bar", "BAR")) == reference


@given(references, st.integers(4, 12), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_found(reference, place, character):
    """A slip never leads to another person's request."""
    wrong = reference[:place] + character + reference[place + 1 :]
    if wrong != reference and reference[place] != "-":
        assert read_reference(wrong) is None


@given(st.text(max_size=30))
def test_anything_else_is_no_reference_and_no_crash(text):
    """Whatever is typed is either a reference with a right check character or nothing."""
    read = read_reference(text)
    assert read is None or read_reference(read) == read


def test_ids_sort_by_time_and_within_a_millisecond():
    """Newer rows come after older ones, and one process's events keep their order."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [uuid7(start + timedelta(milliseconds=n)) for n in range(100)]
    assert ids == sorted(ids)
    assert all(each.version == 7 and each.variant == "specified in RFC 4122" for each in ids)


def test_many_ids_of_one_millisecond_keep_their_order():
    """However many are made, a request's events never change places."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [uuid7(moment) for _ in range(10_000)]
    assert ids == sorted(set(ids))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_an_id_holds_its_time(moment):
    """The first 48 bits are the milliseconds since 1970."""
    moment = moment.replace(tzinfo=UTC)
    assert uuid7(moment).int >> 80 == int(moment.timestamp() * 1000)
