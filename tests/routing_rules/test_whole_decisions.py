"""Whatever an engine answers, what comes out of the door can be acted on."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing_rules.classifier.base import Scored
from routing_rules.decision import Action
from routing_rules.door import Door
from routing_rules.postcodes import Places
from tests.routing_rules.stand_ins import (
    MakeFacts,
    MakeFolder,
    gas_words,
)

CODES = [
    "missed-bin",
    "new-bin",
    "home-care",
    "child-protection",
    "gas-leak",
    "income-tax",
    "out-of-scope",
    "gone",
]
RANKINGS = st.lists(
    st.tuples(st.sampled_from(CODES), st.floats(0, 1)), max_size=6, unique_by=lambda pair: pair[0]
).map(lambda pairs: sorted(pairs, key=lambda pair: -pair[1]))


class AnyEngine:
    """Whatever ranking the test says."""

    fingerprint = "any"

    def __init__(self) -> None:
        self.ranking: list[Scored] = []

    def classify(self, _text: str) -> list[Scored]:
        """Answer the ranking."""
        return self.ranking


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    RANKINGS,
    st.text(max_size=60),
    st.sampled_from([None, "NW9 5AB", "M1 1AE", "CB1 2AB", "x"]),
    st.sampled_from(["phone", "chat", "anything"]),
    st.booleans(),
)
def test_whatever_the_engine_says_a_decision_is_whole(
    any_door: Door,
    facts: MakeFacts,
    ranking: list[tuple[str, float]],
    text: str,
    postcode: str | None,
    channel: str,
    danger: bool,
) -> None:
    """Every part can be acted on: somebody has it, or is named, or is asked, and danger always raises an alarm."""
    assert isinstance(any_door.classifier, AnyEngine)
    any_door.classifier.ranking = [Scored(code, confidence, []) for code, confidence in ranking]
    words = f"{text} gas" if danger else text.replace("gas", "")
    decision = any_door.decide(words, facts(postcode=postcode, channel=channel))
    assert decision.parts
    assert (decision.emergency is not None) is any(part.action is Action.EMERGENCY for part in decision.parts)
    if danger:
        assert decision.parts[0].action is Action.EMERGENCY
    organisations = any_door.authorities["testshire"].organisations
    for part in decision.parts:
        assert part.reasons
        if part.action in (Action.ROUTE, Action.EMERGENCY):
            assert part.organisation in organisations
            assert [*part.chain, part.organisation].count("worklist") == 1
            assert part.organisation not in part.chain
            assert set(part.chain) | set(part.notify) <= organisations.keys()
        elif part.action is Action.SIGNPOST:
            assert part.signpost is not None
            assert part.signpost.phone or part.signpost.url
        elif part.action is Action.CLARIFY:
            assert 2 <= len(part.alternatives) <= 4
            assert part.question
        elif part.action is Action.TRIAGE:
            assert part.chain == ["worklist"]


@pytest.fixture
def any_door(make_folder: MakeFolder, places: Places) -> Door:
    """A door whose engine says what the test says."""
    return Door.load(make_folder(), AnyEngine(), find_danger=gas_words, places=places)
