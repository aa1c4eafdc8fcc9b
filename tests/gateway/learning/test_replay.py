"""What would go elsewhere by other rules: compared need by need, counted, and nothing changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.learning.replay import UNKNOWN, Moved, Outcome, Tally, compare, decide_again
from gateway.store.decisions import Past
from routing_rules.decision import Action, Decision, Given, Part


def part(service, organisation="council", action=Action.ROUTE):
    return Part(text=f"about {service}", action=action, service=service, organisation=organisation)


def decision(*parts, **more):
    return Decision(parts=list(parts), **more)


BIN, LIGHT = part("missed-bin"), part("street-light", "re")


def test_the_same_is_nothing_to_show():
    """Though the needs stand in another order, or the confidence is another."""
    assert compare(decision(BIN, LIGHT), decision(LIGHT, BIN)) == []


def test_one_need_that_goes_elsewhere_is_shown_and_the_other_is_not():
    """Service, organisation or action: any of the three."""
    moved = compare(decision(BIN, LIGHT), decision(part("missed-bin", "csg"), LIGHT))
    assert moved == [Moved(Outcome("missed-bin", "council", "route"), Outcome("missed-bin", "csg", "route"))]
    triage = Part(text="?", action=Action.TRIAGE)
    assert compare(decision(BIN), decision(triage)) == [
        Moved(Outcome("missed-bin", "council", "route"), Outcome("", "", "triage"))
    ]


def test_a_need_more_or_less_is_shown_as_such():
    """A message that is split otherwise."""
    (moved,) = compare(decision(BIN), decision(BIN, LIGHT))
    assert moved == Moved(Outcome(), Outcome("street-light", "re", "route"))
    assert str(moved.before) == "(nothing)"
    (moved,) = compare(decision(BIN, LIGHT), decision(BIN))
    assert moved == Moved(Outcome("street-light", "re", "route"), Outcome())


def test_the_same_need_twice_counts_twice():
    """A multiset, not a set."""
    assert len(compare(decision(BIN, BIN), decision(BIN))) == 1


def test_the_table_counts_and_names_a_few(door):
    """Commonest first; it grows with the kinds of change, not with the past."""
    tally = Tally(references=2)
    moved = compare(decision(BIN), decision(LIGHT))
    for number in range(5):
        tally.add(past(reference=f"BAR-{number}"), moved)
    tally.add(past(), [])
    (line,) = tally.lines()
    assert (line.count, line.references) == (5, ("BAR-0", "BAR-1"))
    assert (tally.requests, tally.moved) == (6, 5)


def past(text="a pothole", *, reference="BAR-1", at=datetime(2026, 3, 2, 10, tzinfo=UTC), **given):
    return Past(
        authority_id="barnet",
        reference=reference,
        text=text,
        channel="phone",
        postcode="N12 0AB",
        created_at=at,
        decision=decision(BIN, given=Given(**given)),
    )


def test_it_is_decided_again_by_its_own_facts_at_its_own_time(door):
    """The service that was given is still given; the hour is the hour it came."""
    seen = []

    class Watching:
        def decide(self, text, facts):
            seen.append((text, facts))
            return door.decide(text, facts)

    again = decide_again(past(service="missed-bin", age=81, provider="x", language="cy"), Watching())
    ((text, facts),) = seen
    assert (text, facts.now, facts.postcode) == ("a pothole", past().created_at, "N12 0AB")
    assert (facts.service, facts.age, facts.provider, facts.language) == ("missed-bin", 81, "x", "cy")
    assert again.parts[0].service == "missed-bin"


@pytest.mark.parametrize("given", [{"service": "dissolved"}])
def test_a_service_that_is_gone_is_named_so(door, given):
    """The new rules do not know it."""
    one = past(**given)
    (moved,) = compare(one.decision, decide_again(one, door))
    assert moved.after.action == UNKNOWN
