"""Tests of `routing_rules.split`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing_rules import classifier
from routing_rules.classifier.base import Splitter as Contract
from routing_rules.classifier.engine import Engine
from routing_rules.classifier.evidence import Evidence
from routing_rules.evaluate import Subject, evaluate, read
from routing_rules.split import Splitter
from tests.routing_rules.understanding import catalogue, few_learnt, few_phrases, shared


def splitter() -> Splitter:
    """One over twelve services."""
    return Splitter(Engine(few_learnt(), [], Evidence(few_phrases()), ("linear",), "small"))


def test_it_is_a_splitter() -> None:
    """It keeps to the contract."""
    assert isinstance(splitter(), Contract)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "my bin wasnt emptied today and also the street light outside no 14 is out",
            ["my bin wasnt emptied today", "the street light outside no 14 is out"],
        ),
        (
            "I need to renew my blue badge. How do I join the library?",
            ["I need to renew my blue badge", "How do I join the library?"],
        ),
    ],
)
def test_two_needs_are_told_apart(text: str, parts: list[str]) -> None:
    """Each need is given in the citizen's own words, in the order they were said."""
    assert splitter().split(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "there are rats and mice in my kitchen and in the hall",
        "The bin men came and went and never emptied my bin",
        "My bin, which was out by six, was not emptied. It is full.",
        "hello",
        "",
    ],
)
def test_one_need_stays_whole(text: str) -> None:
    """Context, lists and second thoughts are not needs of their own."""
    assert splitter().split(text) == [text]


@settings(max_examples=50)
@given(st.text(max_size=300))
def test_something_always_comes_back(text: str) -> None:
    """No text is lost or makes splitting fail."""
    parts = splitter().split(text)
    assert parts
    assert all(part in text for part in parts)


def test_development_messages_keep_their_floor() -> None:
    """Of messages with two needs most are understood whole, and few with one are torn."""
    pytest.importorskip("onnxruntime")
    engine = classifier.load(catalogue())
    subject = Subject(engine.classify, Splitter(engine).split, lambda _: None)
    both = evaluate(read(shared("dev_multi.csv")), subject, lambda code: code)
    assert (both.both_found or 0) >= 0.75
    one = evaluate(read(shared("dev_messages.csv")), subject, lambda code: code)
    assert (one.split_wrongly or 0) <= 0.03
