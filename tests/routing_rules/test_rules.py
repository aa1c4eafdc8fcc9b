"""Conditions, one by one and together: what matches, what does not, which rule wins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_rules import router
from routing_rules.decision import Action
from routing_rules.door import Door
from routing_rules.postcodes import Places
from routing_rules.routed import Routed
from routing_rules.rules import plain_words
from tests.routing_rules.stand_ins import MakeFacts, MakeFolder, unhurried

RULES = "authorities/testshire/rules.toml"


def rule(when: str, then: str = 'priority = "urgent"', unless: str = "", name: str = "r") -> str:
    """One rule as it stands in the file."""
    without = f"unless = {{ {unless} }}\n" if unless else ""
    return f'[[rule]]\nid = "{name}"\nwhy = "It is so."\nwhen = {{ {when} }}\n{without}then = {{ {then} }}\n'


@pytest.fixture
def routed(make_folder: MakeFolder, facts: MakeFacts, places: Places) -> Callable[..., Routed]:
    """Route one service by the rules given."""

    def decide(rules: str, service: str = "missed-bin", words: str = "", **more: Any) -> Routed:
        door = Door.load(make_folder({RULES: rules}), find_danger=lambda _: None, places=places)
        known = facts(**more)
        authority = door.authority(known.authority)
        return router.route(door.service(service), known, authority, router.spot(known, places), words)

    return decide


@pytest.mark.parametrize(
    ("when", "matching", "other"),
    [
        ('service = "missed-bin"', {}, {"service": "new-bin"}),
        ('service = ["new-bin", "missed-bin"]', {}, {"service": "home-care"}),
        ('group = "bins"', {}, {"service": "home-care"}),
        ('organisation = "council"', {}, {"service": "income-tax"}),
        ('tier = "district"', {}, {"service": "home-care"}),
        ('authority = "barnet"', {"postcode": "NW9 5AB"}, {}),
        ('authority = "testshire"', {}, None),
        ('postcode = "NW9 5"', {"postcode": "nw95ab"}, {"postcode": "HA8 0AB"}),
        ('postcode = ["HA8", "NW9"]', {"postcode": "NW9 5AB"}, {}),
        ('channel = "chat"', {"channel": "chat"}, {}),
        ("age_from = 65", {"age": 65}, {"age": 64}),
        ("age_to = 17", {"age": 17}, {"age": 18}),
        ("age_from = 0", {"age": 0}, {}),
        ('language = "pl"', {"language": "pl-PL"}, {"language": "plx"}),
        ('hours = "open"', {}, {"now": datetime(2026, 3, 11, 19, 0, tzinfo=UTC)}),
        ('hours = "closed"', {"now": datetime(2026, 3, 15, 12, 0, tzinfo=UTC)}, {}),
        ('hours = "open", hours_of = "council"', {}, {"now": datetime(2026, 12, 25, 12, 0, tzinfo=UTC)}),
        ('day = "wednesday"', {}, {"now": datetime(2026, 3, 12, 12, 0, tzinfo=UTC)}),
        ('between = "22:00-06:00"', {"now": datetime(2026, 3, 11, 5, 59, tzinfo=UTC)}, {}),
        ('between = "12:00-13:00"', {}, {"now": datetime(2026, 3, 11, 13, 0, tzinfo=UTC)}),
        ("bank_holiday = true", {"now": datetime(2026, 4, 3, 12, 0, tzinfo=UTC)}, {}),
        ("bank_holiday = false", {}, {"now": datetime(2026, 4, 3, 12, 0, tzinfo=UTC)}),
        ('words = "live wires"', {"words": "There are LIVE  wires!"}, {"words": "alive wires"}),
        ('words = ["won\'t open", "stuck"]', {"words": "the lid wont open"}, {"words": "unstuck"}),
        ('provider = "carers"', {"provider": "carers"}, {}),
        ('known = "postcode"', {"postcode": "NW9 5AB"}, {"postcode": "rubbish"}),
        ('known = ["age", "language"]', {"age": 3, "language": "en"}, {"age": 3}),
    ],
)
def test_each_condition_matches_what_it_says_and_nothing_else(
    routed: Callable[..., Routed], when: str, matching: dict[str, Any], other: dict[str, Any] | None
) -> None:
    """Every kind of condition, once fulfilled and once not."""
    assert routed(rule(when), **matching).rule == "rule:r"
    if other is not None:
        assert routed(rule(when), **other).rule != "rule:r"


def test_summer_time_counts_for_rules_about_the_clock(routed: Callable[..., Routed]) -> None:
    """`between` is UK local time: 21:30 in UTC is 22:30 in London in July, and the day may differ too."""
    late = rule('between = "22:00-24:00"')
    assert routed(late, now=datetime(2026, 7, 1, 21, 30, tzinfo=UTC)).rule == "rule:r"
    assert routed(late, now=datetime(2026, 1, 7, 21, 30, tzinfo=UTC)).rule != "rule:r"
    thursday = rule('day = "thursday"')
    assert routed(thursday, now=datetime(2026, 7, 1, 23, 30, tzinfo=UTC)).rule == "rule:r"


def test_conditions_are_anded(routed: Callable[..., Routed]) -> None:
    """One that fails is enough for the rule not to fire."""
    both = rule('service = "missed-bin", channel = "chat"')
    assert routed(both, channel="chat").rule == "rule:r"
    assert routed(both, channel="phone").rule != "rule:r"
    assert routed(both, service="new-bin", channel="chat").rule != "rule:r"


def test_unless_negates_all_of_its_conditions_together(routed: Callable[..., Routed]) -> None:
    """The rule is held back only when everything in `unless` holds."""
    text = rule('group = "bins"', unless='channel = "chat", age_from = 65')
    assert routed(text).rule == "rule:r"
    assert routed(text, channel="chat").rule == "rule:r"
    assert routed(text, channel="chat", age=70).rule != "rule:r"


def test_the_first_rule_that_matches_wins(routed: Callable[..., Routed]) -> None:
    """Several rules make an OR; the order in the file decides."""
    text = (
        rule('channel = "chat"', 'organisation = "carers"', name="one")
        + rule('group = "bins"', 'organisation = "worklist"', name="two")
        + rule('service = "missed-bin"', 'organisation = "council"', name="three")
    )
    assert routed(text, channel="chat").organisation == "carers"
    assert routed(text).organisation == "worklist"


def test_a_rule_without_conditions_matches_everything(routed: Callable[..., Routed]) -> None:
    """An empty `when` is a rule for all."""
    assert routed(rule("")).priority == "urgent"


def test_a_rule_that_names_an_organisation_keeps_the_routes_own_as_the_next(
    routed: Callable[..., Routed],
) -> None:
    """Nothing is lost when the rule's organisation does not take it; the worklist is behind the last."""
    answer = routed(rule('service = "missed-bin"', 'organisation = "carers"'))
    assert answer.action is Action.ROUTE
    assert (answer.organisation, answer.chain) == ("carers", ["council", "worklist"])
    assert routed(rule("", 'organisation = "carers", chain = []')).chain == ["worklist"]


def test_a_rule_may_only_add_someone_to_notify(routed: Callable[..., Routed]) -> None:
    """The organisation stays the routes' own, and leads."""
    answer = routed(rule("", 'notify = ["carers", "council"]'))
    assert (answer.organisation, answer.notify) == ("council", ["carers"])


def test_a_rule_may_send_to_triage(routed: Callable[..., Routed]) -> None:
    """A person decides; no organisation is named."""
    answer = routed(rule('language = "pl"', 'action = "triage"'), language="pl")
    assert (answer.action, answer.organisation) == (Action.TRIAGE, None)
    assert any("It is so." in reason for reason in answer.reasons)


def test_a_rule_may_signpost(routed: Callable[..., Routed]) -> None:
    """To a body of the file, or to the service's own, or at the very least to the authority's own number."""
    named = routed(rule("", 'action = "signpost", signpost = "hmrc"'))
    assert named.action is Action.SIGNPOST
    assert named.signpost is not None
    assert (named.signpost.name, named.signpost.say) == ("HMRC", "HMRC answers for Missed bin collection.")
    unnamed = routed(rule("", 'action = "signpost"'))
    assert unnamed.signpost is not None
    assert unnamed.signpost.phone == "020 7946 0000"


def test_a_rule_cannot_lower_the_priority_of_someone_in_danger(routed: Callable[..., Routed]) -> None:
    """Priorities only rise."""
    assert routed(rule("", 'priority = "normal"'), service="child-protection").priority == "safeguarding"


def test_an_area_stands_for_its_postcodes(routed: Callable[..., Routed]) -> None:
    """Wards and the like are named once and used by name."""
    text = '[areas]\nburnt-oak = ["HA8 0", "NW9 5"]\n' + rule('area = "burnt-oak"')
    assert routed(text, postcode="HA8 0AB").rule == "rule:r"
    assert routed(text, postcode="HA8 7AB").rule != "rule:r"
    assert routed(text).rule != "rule:r"


@unhurried
@given(st.text(max_size=200))
def test_any_text_can_be_searched_for_words(text: str) -> None:
    """Plain words are single-spaced, whatever came in, and reading them again changes nothing."""
    plain = plain_words(text)
    assert plain.startswith(" ")
    assert "  " not in plain.strip()
    assert plain_words(plain) == plain


@unhurried
@given(st.lists(st.text("abcäß1", min_size=1, max_size=5), min_size=1, max_size=6), st.integers(0, 5))
def test_a_phrase_is_found_only_as_whole_words(words: list[str], start: int) -> None:
    """Whatever words there are, each run of them is found, and half a word is not."""
    text = plain_words("; ".join(words).upper().lower())
    phrase = plain_words(" ".join(words[start : start + 2]))
    if phrase.strip():
        assert phrase in text
    assert plain_words(words[0] + "zzz") not in text
