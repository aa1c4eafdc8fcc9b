"""Danger to people, found before anything else and apart from the classifier."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from routing_rules.classifier import encoder
from routing_rules.classifier.linear import Linear
from routing_rules.safety.detector import Detector
from routing_rules.safety.finding import Finding
from routing_rules.safety.patterns import Patterns

__all__ = ["Detector", "Finding", "load", "shipped"]

_MODEL: Final = Path(__file__).with_name("danger.npz")


@functools.cache
def shipped() -> Detector:
    """Return what finds danger with all there is, loaded once for all who ask."""
    return load()


def load(*, semantic: bool = True) -> Detector:
    """Return what finds danger. `semantic`: whether to use the encoders, where they are installed."""
    return Detector(Patterns(), Linear.load(_MODEL), encoder.all_shipped() if semantic else [])
