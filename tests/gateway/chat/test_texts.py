"""Every language says everything, with the same things filled in."""

from __future__ import annotations

import gzip
import re

import pytest

from gateway.api.chat_pages import SCRIPT
from gateway.chat.texts import languages, texts
from gateway.chat.tracking import SHOWN
from gateway.model import State
from routing_rules.catalogue import ask_words


@pytest.mark.parametrize("table", ["door", "page"])
def test_languages_are_at_par(table):
    """The same keys and the same braces in every file, and nothing empty."""
    english = getattr(texts("en"), table)
    assert set(languages()) >= {"en", "cy"}
    for tag, other in languages().items():
        found = getattr(other, table)
        assert set(found) == set(english), tag
        for key, text in found.items():
            assert text.strip(), (tag, key)
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), (tag, key)


def test_every_state_and_event_has_words():
    """Whatever a referral may be in, a citizen can be told."""
    assert {f"state-{state}" for state in State} <= set(texts("en").door)
    assert {f"event-{kind}" for kind in SHOWN} <= set(texts("en").page)


def test_every_fact_has_its_question():
    """What a service may ask, the chat can ask."""
    assert {f"ask-{word}" for word in ask_words()} <= set(texts("en").door)


def test_braces_in_what_people_write_stay_as_they_are():
    """A name with braces is a name."""
    assert "{0.__class__}" in texts("en").say("agent-here", name="{0.__class__}")


def test_the_script_is_small():
    """Under 30 kB as it is sent."""
    assert len(gzip.compress(SCRIPT.encode())) < 30_000
