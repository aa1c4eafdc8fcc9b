"""Text → services with confidence and evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from routing_rules.catalogue import Catalogue
from routing_rules.classifier import encoder
from routing_rules.classifier.base import Classifier, Scored, Splitter
from routing_rules.classifier.encoder import MODEL
from routing_rules.classifier.engine import Engine
from routing_rules.classifier.evidence import Evidence
from routing_rules.classifier.lexical import Lexical
from routing_rules.classifier.linear import Linear
from routing_rules.classifier.meaning import Meaning
from routing_rules.classifier.phrases import Phrase, fingerprint_of, phrases_of

__all__ = ["Classifier", "Engine", "Scored", "Splitter", "build", "fingerprint", "load"]

_METHOD: Final = "linear-2"
"""Changes with anything that makes a model learnt from the same catalogue another one."""
_NAME: Final = "linear.npz"


def load(
    catalogue: Catalogue, cache_dir: Path | None = None, *, semantic: bool = True, explained: bool = True
) -> Engine:
    """Return the engine for a catalogue, in a second or two; nothing is learnt here.

    The linear model is the one that `build` kept in `cache_dir`, or that came with the door, if it was learnt from
    this very catalogue; else an older one that knows all its services; else words are weighed by a plain index.
    `semantic`: whether to use the encoders, where it is installed. `Engine.parts` says what decides. `explained`:
    whether answers name the words and examples that spoke for them.
    """
    phrases = phrases_of(catalogue)
    words, part = _words(phrases, cache_dir)
    encoders = encoder.all_shipped() if semantic else []
    meaning = [Meaning(one, words.services, phrases) for one in encoders]
    parts = (part, *("semantic", "deep")[: len(meaning)])
    marks = [words.fingerprint, *(one.encoder.fingerprint for one in meaning)]
    return Engine(words, meaning, Evidence(phrases) if explained else None, parts, "-".join(marks))


def build(catalogue: Catalogue, cache_dir: Path) -> Path:
    """Learn the linear model of a catalogue and keep it in `cache_dir`, unless it is there. Return its file.

    About a minute on two cores; the same catalogue gives the same model.
    """
    phrases = phrases_of(catalogue)
    path = cache_dir / _NAME
    mark = fingerprint_of(phrases, _METHOD)
    if _kept(path, mark) is None:
        cache_dir.mkdir(parents=True, exist_ok=True)
        texts, services = [phrase.text for phrase in phrases], [phrase.service for phrase in phrases]
        Linear.learn(texts, services, fingerprint=mark).save(path)
    return path


def fingerprint(catalogue: Catalogue) -> str:
    """Return the mark that a linear model learnt from this catalogue carries."""
    return fingerprint_of(phrases_of(catalogue), _METHOD)


def _words(phrases: list[Phrase], cache_dir: Path | None) -> tuple[Linear | Lexical, str]:
    mark = fingerprint_of(phrases, _METHOD)
    places = [folder / _NAME for folder in (cache_dir, MODEL) if folder is not None]
    for path in places:
        model = _kept(path, mark)
        if model is not None:
            return model, "linear"
    services = {phrase.service for phrase in phrases}
    for path in places:
        older = _kept(path, None)
        if older is not None and set(older.services) == services:
            return older, "linear from an older catalogue"
    return Lexical(phrases, mark), "lexical"


def _kept(path: Path, mark: str | None) -> Linear | None:
    """Return the model in a file if it carries the mark; with no mark, whatever it carries."""
    try:
        return Linear.load(path, mark)
    except (OSError, ValueError, KeyError):
        return None
