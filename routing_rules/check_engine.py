"""What only the engine and a look at every pair can say of the catalogue: the slow part of `front-door check`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from rapidfuzz import fuzz, process

from routing_rules.check import Problem
from routing_rules.classifier.base import Classifier
from routing_rules.reading import Reading

SURE: Final = 0.8
"""With this confidence in another service, an example is worth a look: it may stand in the wrong place."""
ALIKE: Final = 96
"""From this likeness on (0 to 100) two examples of different services contradict each other."""
_NOT_WORD: Final = re.compile(r"\W+")
_ROWS: Final = 256
"""Compared with all the rest at a time: memory stays small, whatever the catalogue holds."""


def elsewhere(found: Reading, classifier: Classifier) -> Iterator[Problem]:
    """The examples that the engine puts in another service, and is sure of. It has learnt them, so there are few."""
    sources = {source.path.stem: source for source in found.groups}
    for service in found.catalogue.services.values():
        source = sources[service.group]
        for example in service.examples:
            ranking = classifier.classify(example)
            if not ranking or ranking[0].service == service.code or ranking[0].confidence < SURE:
                continue
            first = ranking[0]
            yield Problem(
                level="warning",
                file=str(source.path),
                line=source.lines.text_line((service.code, "examples"), example),
                message=f"the engine puts this example of {service.code!r} in {first.service!r}"
                f" ({first.confidence:.2f}): {example!r}",
            )


def nearly_the_same(found: Reading) -> Iterator[Problem]:
    """The pairs of examples that say almost the same under two services. Exactly the same is an error of `check`."""
    sources = {source.path.stem: source for source in found.groups}
    examples = sorted(
        (
            (_NOT_WORD.sub(" ", example.lower()).strip(), service.code, example)
            for service in found.catalogue.services.values()
            for example in service.examples
        ),
        key=lambda one: len(one[0]),
    )
    plain = [one[0] for one in examples]
    lengths = np.array([len(text) for text in plain])
    for start in range(0, len(plain), _ROWS):
        rows = plain[start : start + _ROWS]
        # Sorted by length: what is longer than this by more than the cutoff allows cannot be alike.
        longest = len(rows[-1]) * (200 - ALIKE) / ALIKE if rows else 0
        end = int(np.searchsorted(lengths, longest, side="right"))
        scores = process.cdist(rows, plain[start:end], scorer=fuzz.ratio, score_cutoff=ALIKE, dtype=np.uint8)
        for row, column in np.argwhere(scores):
            one, other = examples[start + int(row)], examples[start + int(column)]
            if column <= row or one[1] == other[1] or one[0] == other[0]:
                continue
            service = found.catalogue.services[other[1]]
            source = sources[service.group]
            yield Problem(
                level="warning",
                file=str(source.path),
                line=source.lines.text_line((other[1], "examples"), other[2]),
                message=f"the example {other[2]!r} of {other[1]!r} is nearly one of {one[1]!r}: {one[2]!r}",
            )
