"""Meaning: the tuned sentence encoders, where onnxruntime is installed.

Two come with the door. The quick one has two layers and reads whatever the words alone leave open; the deep one has
six, and is asked about the few messages that even the quick one leaves unclear.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from routing_rules.classifier.arrays import Floats, shares
from routing_rules.classifier.wordpiece import WordPiece

MODEL: Final = Path(__file__).parent / "model"
"""What comes with the door."""
QUICK: Final = MODEL / "quick"
DEEP: Final = MODEL / "deep"

_MOST_REMEMBERED: Final = 64

SHARPNESS: Final = 16.0
"""Turns the cosine between a text and a service into log-odds."""


class Encoder:
    """A text as a vector of length one, near to what means the same.

    On one core the quick one takes about 1 ms, the deep one about 4.
    """

    def __init__(self, folder: Path) -> None:
        """Load it. Raises `EncoderMissing` when onnxruntime or the model is not there, or the model is broken."""
        self._session = _session(folder / "encoder.onnx")
        self._remembered: dict[bytes, Floats] = {}
        try:
            self._cut = WordPiece((folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1])
            about = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
            self._most = int(about["recipe"]["most_pieces"])
            self.fingerprint = str(about["learnt_from"])
            with np.load(folder / "heads.npz", allow_pickle=False) as heads:
                self.services = heads["services"].tobytes().decode().split("\n")
                self.vectors: Floats = heads["vectors"].astype(np.float32)
        except (OSError, KeyError, ValueError) as error:
            raise EncoderMissing(f"the encoder in {folder.name} cannot be read: {error}") from error

    def vector(self, text: str) -> Floats:
        """Return the text's vector. The last few are remembered, by digest: safety, splitting and classifying ask."""
        digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
        known = self._remembered.get(digest)
        if known is not None:
            return known
        pieces = np.array([self._cut.numbers(text, self._most)], dtype=np.int64)
        made: Floats = self._session.run(None, {"pieces": pieces, "mask": np.ones_like(pieces)})[0][0]
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = made
        return made

    def likeness(self, vector: Floats) -> dict[str, float]:
        """Return how a text's vector divides among the services it was tuned on, as shares of one."""
        found = shares(self.vectors @ vector * SHARPNESS)
        return dict(zip(self.services, found.tolist(), strict=True))


@functools.cache
def shipped(folder: Path = QUICK) -> Encoder:
    """Return an encoder that comes with the door, loaded once for all who ask. Raises `EncoderMissing`."""
    return Encoder(folder)


def all_shipped() -> list[Encoder]:
    """Return the encoders that are there, the quick one first; none where the optional part is missing."""
    found = []
    for folder in (QUICK, DEEP):
        try:
            found.append(shipped(folder))
        except EncoderMissing:
            break
    return found


class EncoderMissing(Exception):
    """The encoder is an optional part, and it is not there."""


def _session(graph: Path) -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise EncoderMissing("onnxruntime is not installed")
    import onnxruntime  # noqa: PLC0415  an optional part: only where it is installed

    options = onnxruntime.SessionOptions()
    # One thread: a message is small, and the other cores have messages of their own.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EncoderMissing(f"the encoder cannot be loaded: {error}") from error
