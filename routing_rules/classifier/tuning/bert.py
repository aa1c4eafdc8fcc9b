"""The encoder as torch sees it: BERT without what a sentence vector does not need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_DROPOUT = 0.1
_EPSILON = 1e-12
_PARTS = {
    "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
    "mix": "attention.output.dense", "after_mix": "attention.output.LayerNorm",
    "up": "intermediate.dense", "down": "output.dense", "after_down": "output.LayerNorm",
}  # fmt: skip


class Layer(nn.Module):
    """One transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.after_mix, self.after_down = (nn.LayerNorm(width, eps=_EPSILON) for _ in range(2))

    def forward(self, states: Tensor, hidden: Tensor) -> Tensor:
        """`hidden`: added to the attention scores; very low where there is padding."""
        texts, length, width = states.shape
        shape = (texts, length, self.heads, width // self.heads)
        query, key, value = (
            part(states).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / (width // self.heads) ** 0.5 + hidden
        shares = functional.dropout(scores.softmax(-1), _DROPOUT, self.training)
        mixed = self.mix((shares @ value).transpose(1, 2).reshape(texts, length, width))
        states = self.after_mix(states + functional.dropout(mixed, _DROPOUT, self.training))
        made = self.down(functional.gelu(self.up(states)))
        return cast("Tensor", self.after_down(states + functional.dropout(made, _DROPOUT, self.training)))


class Encoder(nn.Module):
    """Pieces of a text → one vector of length one."""

    def __init__(self, weights: Mapping[str, Any], most_pieces: int, heads: int = 12) -> None:
        super().__init__()
        table = weights["embeddings.word_embeddings.weight"]
        width = table.shape[1]
        count = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        self.pieces = nn.Embedding(table.shape[0], width)
        self.places = nn.Embedding(most_pieces, width)
        self.first = nn.LayerNorm(width, eps=_EPSILON)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(count))
        self._copy(weights, most_pieces)

    def forward(self, pieces: Tensor, mask: Tensor) -> Tensor:
        """`pieces`: numbers, a row for each text; `mask`: 1 where there is a piece, 0 for padding."""
        places = self.places(torch.arange(pieces.shape[1], device=pieces.device))
        states = functional.dropout(self.first(self.pieces(pieces) + places), _DROPOUT, self.training)
        held = mask.to(states.dtype)
        hidden = (1.0 - held)[:, None, None, :] * -1e4
        for layer in self.layers:
            states = layer(states, hidden)
        mean = (states * held.unsqueeze(-1)).sum(1) / held.sum(1, keepdim=True)
        return functional.normalize(mean.float(), dim=-1)

    def _copy(self, weights: Mapping[str, Any], most_pieces: int) -> None:
        with torch.no_grad():
            kinds = weights["embeddings.token_type_embeddings.weight"][0]
            places = weights["embeddings.position_embeddings.weight"][:most_pieces] + kinds
            self.pieces.weight.copy_(torch.tensor(weights["embeddings.word_embeddings.weight"]))
            self.places.weight.copy_(torch.tensor(places))
            _fill(self.first, weights, "embeddings.LayerNorm")
            for number, layer in enumerate(self.layers):
                for part, name in _PARTS.items():
                    _fill(getattr(layer, part), weights, f"encoder.layer.{number}.{name}")


def _fill(part: nn.Module, weights: Mapping[str, Any], name: str) -> None:
    cast("Tensor", part.weight).copy_(torch.tensor(weights[f"{name}.weight"]))
    cast("Tensor", part.bias).copy_(torch.tensor(weights[f"{name}.bias"]))
