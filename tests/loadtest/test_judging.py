"""Verdicts say what was expected and what was found, and silence is not success."""

from __future__ import annotations

from loadtest.arrivals import Step
from loadtest.judging import calm_from, judge
from loadtest.scenario import Expect, Ingredient, Scenario
from loadtest.tally import Tally

STORM = Scenario(
    about="A test.",
    steps=[Step(rate=1, seconds=10), Step(rate=20, seconds=30), Step(rate=1, seconds=60)],
    mix=[Ingredient(kind="usual")],
    expect=Expect(lost=None, calm_p99=0.1, calm_within=20),
)


def tally(slow: range) -> Tally:
    counted = Tally()
    for second in range(100):
        counted.offered += 1
        counted.timeline.offered(second)
        body = b'{"reference":"BAR-1"}'
        latency = 3.0 if second in slow else 0.01
        counted.answered(0, second, latency, 201, sheds=False, body=body)
    return counted


def calm(counted: Tally) -> bool:
    return next(v.ok for v in judge(STORM, counted, lost=0, drained=1, checked=True) if "from 60" in v.name)


def test_calm_is_looked_for_after_the_busiest_step_and_its_time():
    """10 s, then 30 s of storm, then 20 s to come to rest."""
    assert calm_from(STORM, STORM.expect) == 60
    assert calm(tally(range(10, 60)))
    assert not calm(tally(range(10, 70)))


def test_one_bad_second_of_somebody_elses_is_not_ours():
    """One in ten at most."""
    assert calm(tally(range(75, 76)))


def test_nothing_measured_meets_no_expectation_of_speed():
    """A server that accepts nothing is not quick."""
    scenario = Scenario(about="", steps=STORM.steps, mix=STORM.mix, expect=Expect(p99=10, calm_p99=1))
    verdicts = {v.name: v for v in judge(scenario, Tally(), lost=None, drained=None, checked=True)}
    assert not verdicts["p99"].ok
    assert verdicts["p99"].found == "nothing measured"
    assert not verdicts["lost"].ok  # not known is not none
    assert not next(v for name, v in verdicts.items() if name.startswith("p99 from")).ok


def test_an_acknowledgement_without_a_reference_counts_as_lost():
    """Nobody can ask after it."""
    counted = Tally()
    counted.offered = 1
    counted.answered(0, 0.0, 0.01, 201, sheds=False, body=b"{}")
    verdicts = {v.name: v for v in judge(STORM, counted, lost=0, drained=1, checked=True)}
    assert "lost" not in verdicts  # not expected here
    strict = Scenario(about="", steps=STORM.steps, mix=STORM.mix)
    assert not next(v.ok for v in judge(strict, counted, lost=0, drained=1, checked=True) if v.name == "lost")
