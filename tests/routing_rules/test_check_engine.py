"""The slow part of `check`: examples that the engine puts elsewhere, and near-duplicates across services."""

from __future__ import annotations

from routing_rules import reading
from routing_rules.check_engine import SURE, elsewhere, nearly_the_same
from tests.routing_rules.stand_ins import FixedEngine, MakeFolder

BINS = "services/bins.toml"


def test_an_example_that_the_engine_surely_puts_elsewhere_is_shown_with_its_line(
    make_folder: MakeFolder,
) -> None:
    """With where it would go and how sure it is."""
    folder = make_folder()
    engine = FixedEngine({"drove": [("council-tax", SURE)], "hole": [("council-tax", SURE - 0.01)]})
    (problem,) = elsewhere(reading.read(folder), engine)
    assert problem.level == "warning"
    assert "'bin men drove past'" in problem.message
    assert "'council-tax' (0.80)" in problem.message
    lines = (folder / BINS).read_text().splitlines()
    assert problem.line is not None
    assert lines[problem.line - 1] == "bin men drove past"


def test_an_example_in_its_own_service_or_unrecognised_says_nothing(make_folder: MakeFolder) -> None:
    """Sure of the right one, or sure of none."""
    engine = FixedEngine({"drove": [("missed-bin", 0.99)]})
    assert list(elsewhere(reading.read(make_folder()), engine)) == []


def test_nearly_the_same_example_of_two_services_is_shown_once(make_folder: MakeFolder) -> None:
    """A letter's difference teaches the engine two things at once."""
    folder = make_folder(
        replace={"services/money.toml": ("my tax code is wrong", "they never emptied my bins")}
    )
    (problem,) = nearly_the_same(reading.read(folder))
    assert problem.level == "warning"
    assert "'they never emptied my bin'" in problem.message
    assert "'they never emptied my bins'" in problem.message
    assert problem.line is not None


def test_what_is_alike_within_a_service_or_exactly_the_same_is_not_its_business(
    make_folder: MakeFolder,
) -> None:
    """The first is harmless, the second an error that `check` itself reports."""
    folder = make_folder(
        replace={
            BINS: ("bin men drove past", "they never emptied my bins"),
            "services/money.toml": ("my tax code is wrong", "They never emptied my bin!"),
        }
    )
    found = list(nearly_the_same(reading.read(folder)))
    assert all("They never" not in one.message or "bins'" in one.message for one in found)
    assert len(found) == 1


def test_every_pair_is_looked_at_whatever_its_place(make_folder: MakeFolder) -> None:
    """Hundreds of examples of many lengths: each planted pair is found, and nothing else."""
    words = ["wet", "lamp", "gate", "queue", "ferry", "oak", "piano", "brick", "cloud", "zebra"]
    many = [
        f"{words[n % 10]} {words[n // 10 % 10]} {words[n // 100 % 10]} {'very ' * (n % 13)}{n * 7919} {n * 104729}"
        for n in range(600)
    ]
    planted = [f"{many[n]} indeed it was so and so said all" for n in (0, 299, 599)]
    first = "\n".join([*many, *planted])
    second = "\n".join(f"{text}s" for text in planted)
    folder = make_folder(
        replace={
            BINS: ("they never emptied my bin", first),
            "services/money.toml": ("my tax code is wrong", second),
        }
    )
    found = list(nearly_the_same(reading.read(folder)))
    assert len(found) == len(planted)
