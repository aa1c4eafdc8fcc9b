"""Scenario files: those that come along work, and a wrong one is refused with what is wrong where."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from loadtest.errors import ScenarioError
from loadtest.messages import load_bank
from loadtest.scenario import Scenario, load_scenario, read_toml
from loadtest.suite import SCENARIOS

GOOD = """
about = "A test."
[[steps]]
rate = 5
seconds = 10
[[mix]]
kind = "usual"
"""

NAMES = sorted(
    each.name.removesuffix(".toml")
    for each in (resources.files("loadtest") / "scenarios").iterdir()
    if each.name.endswith(".toml")
)


@pytest.mark.parametrize("name", NAMES)
def test_each_scenario_that_comes_along_can_be_used(name: str):
    """It decodes, its kinds of messages exist, its faults fall into its time, and it allows no loss."""
    scenario = load_scenario(name)
    bank = load_bank()
    assert scenario.name == name
    assert {each.kind for each in scenario.mix} <= set(bank)
    assert all(fault.at + fault.seconds <= scenario.seconds for fault in scenario.faults)
    assert scenario.expect.lost == 0


def test_the_standard_set_names_scenarios_that_exist():
    """All of them."""
    assert set(SCENARIOS) == set(NAMES)


def test_the_storm_is_twenty_times_the_usual_for_five_minutes():
    """As the word says."""
    steps = {step.name: step for step in load_scenario("storm").steps}
    assert steps["storm"].rate == 20 * steps["usual"].rate
    assert steps["storm"].seconds == 300


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (GOOD.replace("rate = 5", "rte = 5"), "steps[0]: there is no key 'rte'; did you mean 'rate'?"),
        (GOOD + "wieght = 2", "mix[0]: there is no key 'wieght'; did you mean 'weight'?"),
        ("conections = 3" + GOOD, "there is no key 'conections'; did you mean 'connections'?"),
        (GOOD + "[expect]\nlots = 0", "expect: there is no key 'lots'; did you mean 'lost'?"),
        (GOOD.replace("rate = 5", "rate = -5"), "steps[0].rate: Expected `float` >= 0.0"),
        (GOOD.replace("rate = 5\n", ""), "steps[0]: Object missing required field `rate`"),
        (GOOD.replace("[[mix]]", "[[mixx]]"), "there is no key 'mixx'; did you mean 'mix'?"),
        (GOOD.split("[[mix]]", maxsplit=1)[0], "Object missing required field `mix`"),
        (GOOD.replace('"A test."', '"A test.'), "bad.toml: "),
        ('arrivals = "sometimes"' + GOOD, "arrivals: Invalid enum value 'sometimes'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(changed: str, said: str):
    """File, place, and the nearest right word."""
    with pytest.raises(ScenarioError) as raised:
        read_toml("bad.toml", changed, Scenario)
    assert str(raised.value).startswith("bad.toml: ")
    assert said in str(raised.value)


def test_an_unknown_name_gets_the_nearest_one():
    """And all there are."""
    with pytest.raises(ScenarioError, match=r"did you mean 'storm'\?; there are: .*mixed-day"):
        load_scenario("strom")


def test_a_file_of_ones_own_is_used_by_its_path(tmp_path: Path):
    """Its name is the file's."""
    (tmp_path / "mine.toml").write_text(GOOD, encoding="utf-8")
    assert load_scenario(str(tmp_path / "mine.toml")).name == "mine"
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(str(tmp_path / "other.toml"))


def test_scaling_keeps_the_story():
    """A quarter of the time: faults move along, rates stay; twice the rate: ramps grow too."""
    whole = load_scenario("one-provider-down")
    short = whole.scaled(time=0.25)
    assert short.seconds == whole.seconds / 4
    assert [fault.at for fault in short.faults] == [fault.at / 4 for fault in whole.faults]
    assert [step.rate for step in short.steps] == [step.rate for step in whole.steps]
    storm = load_scenario("storm")
    assert storm.scaled(time=0.1).expect.calm_within == pytest.approx(storm.expect.calm_within / 10)
    double = load_scenario("storm").scaled(rate=2)
    assert [(step.rate, step.to) for step in double.steps][1] == (30, 600)
