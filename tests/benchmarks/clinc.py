"""How the engine's method does on a public benchmark, trained on its data alone: clinc150, with 150 intents.

    python -m tests.benchmarks.clinc ../shared/data/clinc150.json [--semantic]

Published on the same data (in scope right / out-of-scope recall, %): Rasa 90.9 / 31.2, DialogFlow 90.8 / 26.7,
BERT 96.2 / 52.3. A query counts as out of scope when that is the engine's answer, or when its confidence is below a
threshold that was chosen on the validation part. With `--semantic` the encoder is tuned as well, which needs torch.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from routing_rules.classifier.encoder import Encoder
from routing_rules.classifier.engine import Engine
from routing_rules.classifier.evidence import Evidence
from routing_rules.classifier.linear import Linear, Recipe
from routing_rules.classifier.meaning import Meaning
from routing_rules.classifier.phrases import Phrase

OUTSIDE = "oos"
LOST_IN_SCOPE = 0.015
"""Share of the in-scope validation queries that the threshold may cost."""

Queries = list[tuple[str, str]]


def main() -> None:
    """Train, choose the threshold, and print what comes out on the test part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--semantic", action="store_true")
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    data = {name: [tuple(row) for row in rows] for name, rows in json.loads(given.file.read_text()).items()}
    learnt: Queries = data["train"] + data["oos_train"]
    began = time.monotonic()
    words = Linear.learn([text for text, _ in learnt], [intent for _, intent in learnt], Recipe(epochs=8))
    print(f"linear: {time.monotonic() - began:.0f} s")
    phrases = [Phrase(text, intent) for text, intent in learnt]
    engines = {"words": Engine(words, [], Evidence(phrases), ("linear",), "clinc")}
    if given.semantic:
        with tempfile.TemporaryDirectory() as scratch:
            encoder = _tuned(learnt, given.epochs, Path(scratch))
            meaning = Meaning(encoder, words.services, phrases)
            engines["words and meaning"] = Engine(
                words, [meaning], Evidence(phrases), ("linear", "semantic"), "clinc"
            )
    for name, engine in engines.items():
        threshold = _threshold(engine, data["val"])
        inside, outside = (_answers(engine, data[part], threshold) for part in ("test", "oos_test"))
        right = np.mean([answer == intent for answer, (_, intent) in zip(inside, data["test"], strict=True)])
        caught = np.mean([answer == OUTSIDE for answer in outside])
        print(
            f"{name}: in scope {100 * right:.1f} %, out-of-scope recall {100 * caught:.1f} %, from {threshold:.2f}"
        )


def _answer(engine: Engine, text: str) -> tuple[str, float]:
    shares = engine.shares(text)
    if shares is None:
        return OUTSIDE, 1.0
    return engine.services[int(shares.argmax())], float(shares.max())


def _answers(engine: Engine, queries: Queries, threshold: float) -> list[str]:
    found = (_answer(engine, text) for text, _ in queries)
    return [answer if sure >= threshold else OUTSIDE for answer, sure in found]


def _threshold(engine: Engine, inside: Queries) -> float:
    """The highest that costs few of the in-scope queries that were right; what is outside need not be known."""
    sure = [
        share
        for (answer, share), (_, intent) in zip(
            (_answer(engine, text) for text, _ in inside), inside, strict=True
        )
        if answer == intent
    ]
    return float(np.quantile(sure, LOST_IN_SCOPE))


def _tuned(learnt: Queries, epochs: int, folder: Path) -> Encoder:
    from routing_rules.classifier.tuning import export  # noqa: PLC0415  needs torch
    from routing_rules.classifier.tuning.train import TEACHER, Sample, tune  # noqa: PLC0415

    recipe = msgspec.structs.replace(TEACHER, epochs=epochs, danger=0.0)
    samples = [Sample(text, intent) for text, intent in learnt]
    for tuned in tune(samples, (OUTSIDE,), recipe):
        export.write(tuned, recipe, "clinc150", folder)
    return Encoder(folder)


if __name__ == "__main__":
    main()
