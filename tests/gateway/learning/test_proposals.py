"""Corrections become proposed examples for a person to read, and nothing else."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.learning.proposals import LONGEST, as_toml, propose
from gateway.store.corrections import Lesson
from routing_rules.catalogue import Catalogue, Service

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def service(code, *examples):
    return Service(code=code, group="bins", name=code, description=code, ask=(), tell="", examples=examples)


CATALOGUE = Catalogue(
    {
        "missed-bin": service("missed-bin", "they never emptied my bin", "bin men drove past"),
        "new-bin": service("new-bin", "my bin has a hole in it"),
    },
    "x",
)


def lesson(text, after="missed-bin", before="new-bin", **citizen):
    return Lesson(
        reference="BAR-7K3M-9QXD", text=text, service_before=before, service_after=after, citizen=citizen
    )


def texts(*lessons):
    return [one.text for one in propose(lessons, CATALOGUE).new]


def test_what_is_new_is_proposed_without_the_person():
    """Their details are masked, by what is known and by what they look like."""
    said = lesson("Grace here, the crew skipped us, ring 020 7946 0101", name="Grace Okoro")
    assert texts(said) == ["[name] here, the crew skipped us, ring [number]"]


@pytest.mark.parametrize(
    "said", ["They never emptied my bin!", "they never  emptied my bin", "they never emptied my bins"]
)
def test_what_the_catalogue_has_is_not_proposed_again(said):
    """Nor what is nearly that."""
    found = propose([lesson(said)], CATALOGUE)
    assert (found.new, found.known) == ([], 1)


def test_what_was_said_twice_is_proposed_once():
    """The corrections themselves repeat."""
    assert len(texts(lesson("the crew skipped us"), lesson("The crew skipped us."))) == 1


def test_nearly_an_example_of_another_service_is_shown_as_a_question():
    """One of the two is wrong: the reviewer says which."""
    found = propose([lesson("my bin has a hole in it!")], CATALOGUE)
    assert found.new[0].clash == "new-bin"
    assert "nearly an example of new-bin" in as_toml(found, CATALOGUE, "barnet", NOW)


def test_what_is_too_long_or_of_a_service_that_is_gone_is_counted():
    """Nothing falls away in silence."""
    found = propose([lesson("x y " * LONGEST), lesson("a", after="dissolved")], CATALOGUE)
    assert (found.new, found.too_long, found.no_service) == ([], ["BAR-7K3M-9QXD"], 1)
    assert "BAR-7K3M-9QXD" in as_toml(found, CATALOGUE, "barnet", NOW)


def test_the_file_is_toml_to_paste_from():
    """A table a service, examples as the catalogue writes them, and where they came from."""
    found = propose(
        [
            lesson("the crew skipped us"),
            lesson("nobody came", before=None),
            lesson("mine was stolen", "new-bin", None),
        ],
        CATALOGUE,
    )
    text = as_toml(found, CATALOGUE, "barnet", NOW)
    tables = tomllib.loads(text)
    assert tables["missed-bin"]["examples"].split("\n") == ["the crew skipped us", "nobody came", ""]
    assert tables["new-bin"]["examples"] == "mine was stolen\n"
    assert "# services/bins.toml" in text
    assert "1 from new-bin, 1 undecided" in text


@given(st.lists(st.text(min_size=1, max_size=80), max_size=6))
def test_whatever_people_said_the_file_can_be_read(said):
    """Quotes, backslashes, control characters."""
    found = propose([lesson(text) for text in said], CATALOGUE)
    tables = tomllib.loads(as_toml(found, CATALOGUE, "barnet", NOW))
    written = tables.get("missed-bin", {"examples": ""})["examples"].splitlines()
    assert len(written) == len(found.new)
