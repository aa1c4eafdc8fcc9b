"""Meaning: the tuned sentence encoder, where onnxruntime is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from routing_rules.classifier.arrays import Floats, shares
from routing_rules.classifier.wordpiece import WordPiece

MODEL: Final = Path(__file__).parent / "model"
"""The encoder that comes with the door."""


class Encoder:
    """A text as a vector of length one, near to what means the same. 2 to 12 ms a text on one core."""

    def __init__(self, folder: Path = MODEL) -> None:
        """Load it. Raises `EncoderMissing` when onnxruntime or the model is not there, or the model is broken."""
        self._session = _session(folder / "encoder.onnx")
        try:
            self._cut = WordPiece((folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1])
            about = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
            self._most = int(about["recipe"]["most_pieces"])
            self.fingerprint = str(about["learnt_from"])
            with np.load(folder / "heads.npz", allow_pickle=False) as heads:
                self.services = heads["services"].tobytes().decode().split("\n")
                self.vectors: Floats = heads["vectors"].astype(np.float32)
                self.dangers = heads["dangers"].tobytes().decode().split("\n")
                self._danger_vectors: Floats = heads["danger_vectors"]
                self._danger_offsets: Floats = heads["danger_offsets"]
        except (OSError, KeyError, ValueError) as error:
            raise EncoderMissing(f"the encoder in {folder.name} cannot be read: {error}") from error

    def vector(self, text: str) -> Floats:
        """Return the text's vector."""
        pieces = np.array([self._cut.numbers(text, self._most)], dtype=np.int64)
        made: Floats = self._session.run(None, {"pieces": pieces, "mask": np.ones_like(pieces)})[0][0]
        return made

    def danger(self, vector: Floats) -> Floats:
        """Return the chance of each of `dangers`, and of none in the last place."""
        return shares(self._danger_vectors @ vector + self._danger_offsets)


class EncoderMissing(Exception):  # noqa: N818  a part that is not there is no error of the door
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
