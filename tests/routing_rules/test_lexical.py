"""Tests of the engine's parts that work by words: `lexical`, `linear`, `features`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from routing_rules.classifier.lexical import Lexical
from routing_rules.classifier.linear import Linear, Recipe
from tests.routing_rules.understanding import few_learnt, few_phrases

PLAIN = {
    "you didn't empty my bin this morning": "missed-bin",
    "lamp post outside ours has gone dark": "street-light",
    "huge hole in the tarmac burst my tyre": "pothole",
    "got a ticket for parking on a single yellow, I want to appeal": "parking-fine",
    "how do I renew my residents permit": "parking-permit",
    "my father passed away, when do I see the registrar": "register-death",
    "renew my mum's blue badge": "blue-badge",
    "rats in my kitchen": "pest-control",
    "can i get a libary card for my dauter": "library-membership",
}


@pytest.mark.parametrize("make", [lambda: Lexical(few_phrases()), few_learnt], ids=["index", "learnt"])
def test_plain_messages_reach_their_service(make) -> None:
    """Messages that are in nobody's examples are recognised, misspelt ones too."""
    engine = make()
    answers = {text: engine.services[int(engine.scores(text).argmax())] for text in PLAIN}
    assert answers == PLAIN


@pytest.mark.parametrize("make", [lambda: Lexical(few_phrases()), few_learnt], ids=["index", "learnt"])
def test_what_shares_nothing_with_the_catalogue_has_no_score(make) -> None:
    """Where nothing is known no service is favoured."""
    assert not make().scores("ᚠᚢᚦᚨᚱᚲ ☃").any()
    assert not make().scores("").any()


@pytest.mark.parametrize("make", [lambda: Lexical(few_phrases()), few_learnt], ids=["index", "learnt"])
def test_the_telling_word_weighs_most(make) -> None:
    """What spoke for a service is named: the lamp, not the greeting."""
    gains = make().gains("hello, the street light outside my house is out", "street-light")
    assert max(gains, key=gains.__getitem__) in {"street light", "light"}
    assert gains["hello"] < gains["light"]


def test_the_same_texts_give_the_same_model() -> None:
    """Learning twice gives the same weights to the last bit."""
    phrases = few_phrases()[:200]
    texts, services = [one.text for one in phrases], [one.service for one in phrases]
    first, second = (Linear.learn(texts, services, Recipe(epochs=2)) for _ in range(2))
    assert np.array_equal(first.scores("my bin"), second.scores("my bin"))


def test_a_kept_model_answers_as_before(tmp_path: Path) -> None:
    """A model is the same after being saved and loaded, and is refused under another fingerprint."""
    model = few_learnt()
    path = tmp_path / "model.npz"
    model.save(path)
    again = Linear.load(path, model.fingerprint)
    assert np.array_equal(model.scores("rats in the loft"), again.scores("rats in the loft"))
    with pytest.raises(ValueError, match="something else"):
        Linear.load(path, "another")


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    """What is not a model is an error, never a wrong model."""
    path = tmp_path / "model.npz"
    path.write_bytes(b"not a model")
    with pytest.raises((OSError, ValueError)):
        Linear.load(path)
