"""`python -m routing_rules.classifier.tuning`: tune the encoder on the catalogue, and keep it in `../model/quick`."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue
from routing_rules.classifier.encoder import QUICK, Encoder
from routing_rules.classifier.phrases import phrases_of
from routing_rules.classifier.tuning import export
from routing_rules.classifier.tuning.train import TEACHER, Recipe, Sample, encode, tune
from routing_rules.classifier.wordpiece import WordPiece
from routing_rules.safety import examples

_RULES = Path(__file__).parents[2]


def main() -> None:
    """Tune and write. About forty minutes on two cores; a teacher that is there already saves half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=QUICK)
    parser.add_argument("--teacher", type=Path, help="a folder with an encoder of all layers, tuned before")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    samples = samples_of(Catalogue.load(_RULES))
    texts = [sample.text for sample in samples]
    said = "\n".join(f"{one.service}\t{one.text}" for one in samples)
    learnt_from = hashlib.sha256(said.encode()).hexdigest()[:12]
    if given.teacher is None:
        *_, whole = tune(samples, examples.dangers(), TEACHER)
        teacher = encode(whole.encoder, WordPiece(whole.vocabulary), texts, TEACHER)
    else:
        known = Encoder(given.teacher)
        teacher = torch.tensor(np.stack([known.vector(text) for text in texts]))
    recipe = Recipe()
    for tuned in tune(samples, examples.dangers(), recipe, teacher):
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
