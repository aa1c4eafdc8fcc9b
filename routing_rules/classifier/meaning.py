"""Services by what a message means: its vector against one vector for each service."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routing_rules.classifier.arrays import Floats, shares
from routing_rules.classifier.encoder import SHARPNESS, Encoder
from routing_rules.classifier.phrases import Phrase

_FEWEST_FOR_NEW = 60


class Meaning:
    """The encoder with a vector for each of the catalogue's services."""

    def __init__(self, encoder: Encoder, services: Sequence[str], phrases: Sequence[Phrase]) -> None:
        """`services`: the order of the scores. One the encoder was not tuned on gets the mean of its `phrases`."""
        self.encoder = encoder
        tuned = dict(zip(encoder.services, encoder.vectors, strict=True))
        self._vectors: Floats = np.stack(
            [tuned[service] if service in tuned else _mean(encoder, service, phrases) for service in services]
        )

    def shares(self, text: str) -> Floats:
        """Return how sure of each service the text's meaning alone is."""
        return shares(self._vectors @ self.encoder.vector(text) * SHARPNESS)


def _mean(encoder: Encoder, service: str, phrases: Sequence[Phrase]) -> Floats:
    texts = [phrase.text for phrase in phrases if phrase.service == service][:_FEWEST_FOR_NEW]
    total: Floats = np.sum([encoder.vector(text) for text in texts], axis=0)
    mean: Floats = total / np.sqrt(total @ total)
    return mean
