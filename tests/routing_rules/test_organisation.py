"""Organisations' files: connections filled from the environment, and their own status words."""

from __future__ import annotations

import pytest

from routing_rules import reading
from routing_rules.errors import BadVariable, MissingVariables
from routing_rules.organisation import fill, variables
from tests.routing_rules.stand_ins import MakeFolder

SECRET = "s3cret-value"


def test_a_connection_is_filled_in_from_the_environment_at_any_depth() -> None:
    """Whole values, parts of values, lists and tables; the rest stays as it is."""
    connection = {"url": "https://${HOST}/api", "secrets": ["${ONE}"], "names": {"a": "${ONE}"}, "port": 25}
    filled = fill(connection, {"HOST": "example.org", "ONE": SECRET})
    assert filled == {
        "url": "https://example.org/api",
        "secrets": [SECRET],
        "names": {"a": SECRET},
        "port": 25,
    }
    assert connection["secrets"] == ["${ONE}"]


def test_numbers_and_switches_come_from_the_environment_too() -> None:
    """`:int`, `:float` and `:bool` make a whole value one; a default stands for what is not set."""
    connection = {
        "port": "${PORT:int=587}",
        "wait": "${WAIT:float}",
        "tls": "${TLS:bool=true}",
        "mode": "${MODE=starttls}",
    }
    assert fill(connection, {"WAIT": "2.5"}) == {"port": 587, "wait": 2.5, "tls": True, "mode": "starttls"}
    assert fill(connection, {"WAIT": "1", "PORT": "25", "TLS": "False", "MODE": "none"}) == {
        "port": 25,
        "wait": 1.0,
        "tls": False,
        "mode": "none",
    }


def test_everything_that_is_not_set_is_named_at_once() -> None:
    """All names in one error, none with a default, no value."""
    connection = {"a": "${ONE}", "b": ["${TWO}", "${ONE}"], "c": "${THREE=3}", "d": {"e": "${FOUR}"}}
    with pytest.raises(MissingVariables) as caught:
        fill(connection, {"FOUR": SECRET})
    assert caught.value.names == ("ONE", "TWO")
    assert SECRET not in str(caught.value)
    assert variables(connection) == ["ONE", "TWO", "THREE", "FOUR"]


def test_a_value_of_the_wrong_kind_is_named_without_being_shown() -> None:
    """It may be a secret in the wrong place."""
    with pytest.raises(BadVariable, match="PORT in the environment is not of type int") as caught:
        fill({"port": "${PORT:int}"}, {"PORT": SECRET})
    assert SECRET not in str(caught.value)


def test_a_value_from_the_environment_is_not_filled_in_again() -> None:
    """A secret that happens to hold `${…}` stays what it is."""
    assert fill({"a": "${ONE}"}, {"ONE": "${TWO}", "TWO": "no"}) == {"a": "${TWO}"}


@pytest.mark.parametrize(
    ("word", "state"),
    [("open", "delivered"), ("CLOSED", "resolved"), (" Closed ", "resolved"), ("lost", None), ("", None)],
)
def test_a_status_word_is_read_as_the_organisations_file_says(
    make_folder: MakeFolder, word: str, state: str | None
) -> None:
    """Case, spaces and hyphens are alike; an unknown word has no state."""
    authority = reading.read(make_folder()).authorities["testshire"][0]
    assert authority.organisations["council"].state_of(word) == state


def test_words_that_differ_in_spaces_and_hyphens_only_are_one(make_folder: MakeFolder) -> None:
    """Back ends write `In Progress`, `in-progress` and `IN_PROGRESS`."""
    path = "authorities/testshire/organisations/council.toml"
    folder = make_folder(append={path: 'in-progress = "in_progress"\n'})
    council = reading.read(folder).authorities["testshire"][0].organisations["council"]
    assert {council.state_of(word) for word in ("In Progress", "IN_PROGRESS", "in-progress")} == {
        "in_progress"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('[connection]\nhost = "${TESTSHIRE_CARERS_HOST}"', ""), "needs a [connection]"),
        (('name = "Testshire Carers"', 'name = "Testshire Carers"\ncode = "x"'), "leave 'code' out"),
        (('kind = "charity"', 'kind = "charity"\nmembers = ["counsel"]'), "unknown organisation 'counsel'"),
        (('kind = "charity"', 'kind = "charity"\nmembers = ["carers"]'), "its own member"),
        (('kind = "charity"', 'kind = "charity"\ndelivery.rate = 0'), "rate must be more than 0"),
        (('kind = "charity"', 'kind = "charity"\nacknowledge = {}'), "give one of 'minutes'"),
        (
            ('kind = "charity"', 'kind = "charity"\nservice_codes.mised-bin = "X"'),
            "unknown service 'mised-bin'",
        ),
    ],
)
def test_what_cannot_be_in_an_organisations_file_is_an_error(
    make_folder: MakeFolder, change: tuple[str, str], message: str
) -> None:
    """Found at start, one error each."""
    path = "authorities/testshire/organisations/carers.toml"
    (error,) = reading.read(make_folder(replace={path: change})).errors
    assert message in error.message
