"""Tests of the whole engine, of how it is loaded, and of what it reaches on messages nobody trained on."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from routing_rules import classifier, evaluate
from routing_rules.catalogue import Catalogue
from routing_rules.classifier.encoder import DEEP, Encoder, EncoderMissing
from routing_rules.classifier.engine import Engine
from routing_rules.classifier.evidence import Evidence
from routing_rules.classifier.meaning import Meaning
from routing_rules.classifier.phrases import Phrase
from tests.routing_rules.understanding import FEW, catalogue, few_learnt, few_phrases, shared


@functools.cache
def small() -> Engine:
    """Twelve services, words only."""
    return Engine(few_learnt(), [], Evidence(few_phrases()), ("linear",), "small")


@functools.cache
def whole() -> Engine:
    """The engine that comes with the door."""
    return classifier.load(catalogue())


def test_it_is_a_classifier() -> None:
    """The engine keeps to the contract."""
    assert isinstance(small(), classifier.Classifier)


def test_answers_come_best_first_with_evidence() -> None:
    """The likeliest comes first, confidences fall, and words and an example of the catalogue say why."""
    answer = small().classify("the crew never emptied our bin on monday")
    assert answer[0].service == "missed-bin"
    assert [one.confidence for one in answer] == sorted((one.confidence for one in answer), reverse=True)
    assert any("bin" in words for words in answer[0].evidence)
    quoted = [words for words in answer[0].evidence if words.startswith("“")]
    said = {phrase.text for phrase in few_phrases() if phrase.service == "missed-bin"}
    assert [words.strip("“”") in said for words in quoted] == [True]


def test_nothing_known_is_no_answer() -> None:
    """A text without one known word has no answer, rather than a guess."""
    assert small().classify("ᚠᚢᚦ ᚨᚱᚲ") == []


def test_confidences_are_shares() -> None:
    """All services together have a confidence of one."""
    shares = small().shares("a pothole by the library")
    assert shares is not None
    assert shares.sum() == pytest.approx(1.0, abs=1e-4)
    assert len(shares) == len(FEW)


def test_built_once_then_taken_from_the_cache(tmp_path: Path) -> None:
    """A built model is used, is not built again for the same catalogue, and is left aside when a service is new."""
    few = Catalogue({code: catalogue().services[code] for code in FEW[:3]}, "few")
    path = classifier.build(few, tmp_path)
    stamp = path.stat().st_mtime_ns
    assert classifier.build(few, tmp_path).stat().st_mtime_ns == stamp
    assert classifier.load(few, tmp_path, semantic=False).parts == ("linear",)
    more = Catalogue({code: catalogue().services[code] for code in FEW[:4]}, "more")
    assert classifier.load(more, tmp_path, semantic=False).parts == ("lexical",)


def test_an_older_model_says_so(tmp_path: Path) -> None:
    """With an example changed the kept model is still used, and says that it is older; its mark stays its own."""
    few = Catalogue({code: catalogue().services[code] for code in FEW[:3]}, "few")
    classifier.build(few, tmp_path)
    one = few.services[FEW[0]]
    from msgspec.structs import replace  # noqa: PLC0415

    changed = Catalogue(
        {**few.services, one.code: replace(one, examples=(*one.examples, "bin again"))}, "changed"
    )
    engine = classifier.load(changed, tmp_path, semantic=False)
    assert engine.parts == ("linear from an older catalogue",)
    assert engine.fingerprint == classifier.load(few, tmp_path, semantic=False).fingerprint


def test_the_model_that_comes_with_the_door_is_of_its_catalogue() -> None:
    """Whoever changes the catalogue builds the model anew: `front-door train`."""
    assert classifier.load(catalogue(), semantic=False).parts == ("linear",)


def test_without_the_encoder_it_works_and_says_so(tmp_path: Path) -> None:
    """A folder without an encoder is a part that is missing, not a failure."""
    with pytest.raises(EncoderMissing):
        Encoder(tmp_path)
    assert "semantic" not in classifier.load(catalogue(), semantic=False).parts


def test_meaning_finds_what_shares_no_word() -> None:
    """The encoder knows what is meant where no word of the catalogue is used, for a service it was not tuned on too."""
    pytest.importorskip("onnxruntime")
    phrases = [
        *few_phrases(),
        *(Phrase(text, "new-service") for text in ("zebra feeding times", "stripy horse show")),
    ]
    meaning = Meaning(Encoder(DEEP), [*FEW, "new-service"], phrases)
    assert int(meaning.shares("when do the striped animals eat").argmax()) == len(FEW)
    assert float(meaning.shares("anything").sum()) == pytest.approx(1, abs=1e-3)


def test_the_parts_of_a_text_add_up() -> None:
    """What the texts up to each say together is the sum of what each says alone, also where one says nothing."""
    words = few_learnt()
    texts = ["the crew never emptied our bin", "", "and the street light is out", "zzzz"]
    totals, lengths = words.up_to(texts)
    for count in range(1, len(texts) + 1):
        alone = [words.up_to([text]) for text in texts[:count]]
        assert np.allclose(totals[count - 1], sum(total[0] for total, _ in alone), atol=1e-3)
        assert np.isclose(lengths[count - 1], sum(float(length[0]) for _, length in alone), rtol=1e-4)
    scores = totals[0] / np.sqrt(lengths[0])
    assert np.allclose(scores, words.scores(texts[0]), atol=1e-4)


def test_without_explaining_the_answers_are_the_same() -> None:
    """Where nobody reads why, nothing is looked up for it, and services and confidences stay what they were."""
    text = "the crew never emptied our bin on monday"
    bare = Engine(few_learnt(), [], None, ("linear",), "small").classify(text)
    told = small().classify(text)
    assert [(one.service, one.confidence) for one in bare] == [(one.service, one.confidence) for one in told]
    assert not any(one.evidence for one in bare)
    assert told[0].evidence


def test_unseen_messages_reach_their_service() -> None:
    """On the development messages the whole engine keeps what it has reached: a floor a little under it."""
    pytest.importorskip("onnxruntime")
    report = _report(whole(), "dev_messages.csv")
    assert report.service is not None
    assert report.service >= 0.92
    assert (report.top3 or 0) >= 0.975
    assert (report.calibration_error or 1) <= 0.06


def test_words_alone_keep_a_floor() -> None:
    """Without the encoder too."""
    report = _report(classifier.load(catalogue(), semantic=False), "dev_messages.csv")
    assert (report.service or 0) >= 0.88
    assert (report.top3 or 0) >= 0.96


def _report(engine: Engine, name: str) -> evaluate.Report:
    subject = evaluate.Subject(engine.classify, lambda text: [text], lambda _: None)
    return evaluate.evaluate(evaluate.read(shared(name)), subject, lambda code: code)
