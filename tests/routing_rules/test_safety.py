"""Tests of `routing_rules.safety`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_rules import safety
from routing_rules.classifier.words import words
from routing_rules.evaluate import read
from routing_rules.safety import examples
from routing_rules.safety.openings import openings
from routing_rules.safety.patterns import Patterns
from tests.routing_rules.understanding import catalogue, shared

UNSEEN = Path(__file__).parent / "data" / "safety_unseen.toml"

DANGER = {
    "he cant breathe and his lips are blue": "life-threatening-emergency",
    "I want to kill myself": "suicide-risk",
    "my husband hits me and I need to get away from him": "domestic-abuse",
    "there is a strong smell of gas in the hallway": "gas-leak",
    "the carbon monoxide alarm is going off": "gas-leak",
    "my uncle touches me and I'm 12": "child-protection",
    "the carer slaps my mum, she has dementia": "adult-safeguarding",
    "my son is hearing voices telling him to hurt people": "mental-health-crisis",
}

LOOK_ALIKES = [
    "the bills are killing me",
    "the park is a bomb site",
    "I could murder whoever parks across my drive",
    "dying to know when the library opens",
    "there's a dead fox on the pavement",
    "you stabbed me in the back with this parking fine",
    "gas bill help please",
    "does the council fit free smoke alarms",
]


@pytest.mark.parametrize("semantic", [True, False])
@pytest.mark.parametrize(("text", "service"), DANGER.items())
def test_danger_is_found_and_named(text: str, service: str, semantic: bool) -> None:
    """Plain danger is found with and without the encoder, with the words that said so."""
    found = safety.load(semantic=semantic).find(text)
    assert found is not None
    assert found.service == service
    assert found.evidence
    assert 0.5 <= found.confidence <= 1


@pytest.mark.parametrize("semantic", [True, False])
@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_look_alikes_do_not_trip_it(text: str, semantic: bool) -> None:
    """Hyperbole and words of danger in another sense raise no alarm."""
    assert safety.load(semantic=semantic).find(text) is None


def test_it_knows_the_catalogues_services_of_danger() -> None:
    """Every danger it can name is a service of the catalogue, marked as emergency or safeguarding; and none is missing."""
    marked = {code for code, service in catalogue().services.items() if service.dangerous}
    assert set(examples.dangers()) == marked == set(Patterns().services)


def test_every_pattern_that_comes_with_the_door_compiles() -> None:
    """They are compiled when first needed, so a mistake must be found here and not by a citizen."""
    Patterns().try_all()


def test_patterns_are_found_by_the_words_they_can_begin_with() -> None:
    """Looking only at patterns that a word of the message opens finds what trying each of them finds."""
    patterns = Patterns()
    heard = 0
    for example in examples.load()[::5]:
        said = words(example.text)
        opened = patterns.opened(said)
        for number, pattern in enumerate(patterns.all):
            if pattern.compiled.search(" ".join(said)) is not None:
                heard += 1
                assert number in opened, pattern.whole
    assert heard > 100


@pytest.mark.parametrize(
    ("pattern", "whole", "beginnings"),
    [
        ("(?:not|isn t) ?breath", {"not", "notbreath", "isn"}, ()),
        ("gas~smell|smell of gas", {"gas", "smell"}, ()),
        ("waters? broke", {"water", "waters"}, ()),
        ("(?:has |just )*gone", {"has", "just", "gone"}, ()),
        ("anaphyla\\w*", set(), ("anaphyla",)),
        ("[ns]o air", set(), ("",)),
        ("(?:fire)?", {"fire"}, ("",)),
    ],
)
def test_the_words_a_pattern_can_begin_with(
    pattern: str, whole: set[str], beginnings: tuple[str, ...]
) -> None:
    """Up to its first space, through groups, alternatives and repeats; where it cannot be told, any word will do."""
    found = openings(pattern)
    assert (found.words, found.beginnings) == (whole, beginnings)


def test_a_pattern_with_a_mistake_is_named(tmp_path: Path) -> None:
    """Whoever edits the patterns is told which one is wrong."""
    path = tmp_path / "patterns.toml"
    path.write_text(
        '[words]\n[harmless]\npatterns = []\n[gas-leak]\nsure = ["gas ({nobody}"]\n', encoding="utf-8"
    )
    with pytest.raises(ValueError, match="nobody"):
        Patterns(path)


@settings(max_examples=60)
@given(st.text(max_size=400))
def test_any_text_is_answered(text: str) -> None:
    """No text at all makes it fail."""
    found = safety.shipped().find(text)
    assert found is None or found.evidence is not None


def test_held_out_examples_keep_their_floor() -> None:
    """Of examples that nothing was trained on, many of them written to be obscure, most dangers are found."""
    held = [example for example in examples.load() if example.held_out]
    dangers = [example for example in held if example.service != examples.HARMLESS]
    harmless = [example for example in held if example.service == examples.HARMLESS]
    assert len(dangers) >= 60
    assert len(harmless) >= 60
    assert _share([one.text for one in dangers]) >= 0.74
    assert _share([one.text for one in harmless]) <= ALARM_CEILING


def test_messages_written_afterwards_keep_their_floor() -> None:
    """The same on messages written after the patterns and the examples."""
    unseen = tomllib.loads(UNSEEN.read_text(encoding="utf-8"))
    assert _share(unseen["danger"]) >= RECALL_FLOOR
    assert _share(unseen["harmless"]) <= ALARM_CEILING


def test_development_messages_keep_their_floor() -> None:
    """On the development messages too; and ordinary ones hardly ever raise an alarm."""
    messages = read(shared("dev_safety.csv"))
    assert _share([one.text for one in messages if one.emergency]) >= RECALL_FLOOR
    assert _share([one.text for one in messages if not one.emergency]) <= ALARM_CEILING
    ordinary = [
        one.text for one in read(shared("dev_messages.csv")) if one.codes[0] not in examples.dangers()
    ]
    assert _share(ordinary) <= 0.01


RECALL_FLOOR = 0.9
ALARM_CEILING = 0.07


def _share(texts: list[str]) -> float:
    return sum(safety.shipped().find(text) is not None for text in texts) / len(texts)
