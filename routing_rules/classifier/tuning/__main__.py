"""`python -m routing_rules.classifier.tuning`: tune the encoder on the catalogue, and keep it in `../model`."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import msgspec
import torch

from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue
from routing_rules.classifier.phrases import phrases_of
from routing_rules.classifier.tuning import export
from routing_rules.classifier.tuning.train import Recipe, Sample, tune
from routing_rules.safety import examples

_RULES = Path(__file__).parents[2]


def main() -> None:
    """Tune and write. About twenty minutes on two cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_RULES / "classifier" / "model")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = msgspec.structs.replace(Recipe(), epochs=given.epochs)
    samples = samples_of(Catalogue.load(_RULES))
    said = "\n".join(f"{one.service}\t{one.text}" for one in samples)
    learnt_from = hashlib.sha256(said.encode()).hexdigest()[:12]
    for tuned in tune(samples, examples.dangers(), recipe):
        export.write(tuned, recipe, learnt_from, given.out)


def samples_of(catalogue: Catalogue) -> list[Sample]:
    """What a citizen might say, by service; and what sounds like danger, and is or is not."""
    samples = [Sample(phrase.text, phrase.service) for phrase in phrases_of(catalogue)]
    for example in examples.load():
        if example.held_out:
            continue
        known = example.service in catalogue.services and example.service != OUT_OF_SCOPE
        samples.append(Sample(example.text, example.service if known else None, weighty=True))
    return samples


main()
