"""The tuning itself: texts of one service drawn together and away from the others, danger away from its look-alikes.

What is shipped has few layers, to be quick. It learns from the texts, and from a teacher with all the layers, tuned the
same way: where the teacher puts a text, there it should put it too, with slips of the thumb in it or without.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from routing_rules.classifier.noise import noisy
from routing_rules.classifier.tuning import base
from routing_rules.classifier.tuning.bert import Encoder
from routing_rules.classifier.wordpiece import WordPiece

_UNKNOWN = -100
_DANGER_SCALE = 4.0
_CHUNK = 32
_LEAST = 1e-4
_JOINTS = (". ", ". ", ", ", " and ", " and ", " also ", ". Also ", " - ", "\n", " but ", ", by the way ")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How to tune. Published with the model."""

    layers: tuple[int, ...] = (0, 2)
    """Which layers of the packaged encoder to begin with."""
    epochs: int = 3
    batch: int = 48
    rate: float = 2e-4
    """Highest step size of AdamW, in one cycle."""
    head_rate: float = 10.0
    """How many times faster the services' vectors move."""
    noise: float = 0.4
    """Share of the texts read with slips in them, anew in each epoch."""
    softness: float = 0.05
    sharpness: float = 20.0
    """Multiplies the cosine between a text and a service."""
    danger: float = 0.5
    """Weight of telling danger from its look-alikes."""
    danger_lift: float = 3.0
    """How much more a text of danger, or a look-alike, counts there than an ordinary one."""
    likeness: float = 4.0
    """Weight of being near to the teacher, where there is one."""
    mixed: float = 0.3
    """Share of the texts of danger read with an ordinary one before or after them, anew in each epoch."""
    pieces: int = 10_000
    most_pieces: int = 80
    seed: int = 7


TEACHER = Recipe(layers=(0, 1, 2, 3, 4, 5), epochs=3, rate=1e-4, head_rate=20.0)
"""How to tune the one that teaches."""


class Sample(msgspec.Struct, frozen=True):
    """One text to learn from."""

    text: str
    service: str | None
    """`None` for a look-alike of danger, which belongs to no service in particular."""
    weighty: bool = False
    """Whether it was written to tell danger from its look-alikes."""


class Tuned(msgspec.Struct, frozen=True):
    """What tuning made."""

    encoder: Encoder
    vocabulary: list[str]
    services: list[str]
    vectors: Tensor
    """A row of length one for each service."""


def tune(
    samples: Sequence[Sample],
    dangers: Sequence[str],
    recipe: Recipe,
    teacher: Tensor | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Tuned]:
    """Tune the packaged encoder, giving what there is after each epoch; the last is the one to keep.

    `teacher`: where another encoder puts each sample's text. Deterministic for a seed on one kind of machine.
    """
    torch.manual_seed(recipe.seed)
    chance = random.Random(recipe.seed)  # noqa: S311  slips of the thumb, not secrets
    texts = [sample.text for sample in samples]
    start = base.load(texts, recipe.pieces, recipe.layers)
    cut = WordPiece(start.vocabulary)
    encoder = Encoder(start.weights, recipe.most_pieces)
    services = sorted({sample.service for sample in samples if sample.service is not None})
    place = {service: at for at, service in enumerate(services)}
    risk = {service: at for at, service in enumerate(dangers)}
    dangerous = torch.tensor([place[service] for service in dangers if service in place])
    own = torch.tensor([_UNKNOWN if one.service is None else place[one.service] for one in samples])
    danger = torch.tensor([risk.get(one.service or "", len(dangers)) for one in samples])
    weight = torch.tensor(
        [recipe.danger_lift if one.weighty or (one.service in risk) else 1.0 for one in samples]
    )
    say(f"{len(samples)} texts, {len(services)} services, {len(start.vocabulary)} pieces")
    known = encode(encoder, cut, texts, recipe) if teacher is None else teacher
    mixing = _Mixing(texts, danger < len(dangers), recipe.mixed, chance)
    vectors = nn.Parameter(_means(known[own >= 0], own[own >= 0], len(services)))
    danger_vectors = nn.Parameter(_means(known, danger, len(dangers) + 1) * _DANGER_SCALE)
    offsets = nn.Parameter(torch.zeros(len(dangers) + 1))
    steps = recipe.epochs * math.ceil(len(samples) / recipe.batch)
    body = list(encoder.parameters())
    heads = [vectors, danger_vectors, offsets]
    optimiser = torch.optim.AdamW(
        [
            {"params": body, "lr": recipe.rate, "weight_decay": 0.01},
            {"params": heads, "lr": recipe.rate * recipe.head_rate, "weight_decay": 0.0},
        ]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=[recipe.rate, recipe.rate * recipe.head_rate],
        total_steps=steps + _CHUNK,
        pct_start=0.1,
        cycle_momentum=False,
    )
    began = time.monotonic()
    for epoch in range(recipe.epochs):
        lost = 0.0
        batches = _batches(texts, recipe.batch, chance)
        for chosen in batches:
            encoder.train()
            mixed = mixing.of(chosen)
            said = [
                noisy(text, chance) if chance.random() < recipe.noise else text
                for text in (mixed.get(at, texts[at]) for at in chosen)
            ]
            whole = torch.tensor([at not in mixed for at in chosen])
            with torch.autocast("cpu", torch.bfloat16):
                made = encoder(*pieces_of(cut, said, recipe.most_pieces))
            scores = recipe.sharpness * made.float() @ functional.normalize(vectors, dim=-1).T
            right = functional.cross_entropy(
                scores,
                own[chosen],
                label_smoothing=recipe.softness,
                ignore_index=_UNKNOWN,
            )
            alarm = functional.cross_entropy(
                _DANGER_SCALE * made @ danger_vectors.T + offsets, danger[chosen], reduction="none"
            )
            # The detector reads how much of a text is danger off the services themselves: so that is taught too.
            alarm = alarm + functional.binary_cross_entropy(
                scores.softmax(-1)[:, dangerous].sum(-1).clamp(_LEAST, 1 - _LEAST),
                (danger[chosen] < len(dangers)).float(),
                reduction="none",
            )
            loss = right + recipe.danger * (alarm * weight[chosen]).mean()
            if teacher is not None:
                loss = loss + recipe.likeness * ((1 - (made * teacher[chosen]).sum(-1)) * whole).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(body, 1.0)
            optimiser.step()
            schedule.step()
            lost += float(loss.detach())
        say(f"epoch {epoch + 1}: loss {lost / len(batches):.3f}, {time.monotonic() - began:.0f} s")
        yield Tuned(
            encoder.eval(),
            start.vocabulary,
            services,
            functional.normalize(vectors.detach(), dim=-1),
        )


class _Mixing:
    """Texts of danger beside an ordinary request, as people write them."""

    def __init__(self, texts: Sequence[str], danger: Tensor, share: float, chance: random.Random) -> None:
        self._texts = texts
        self._danger = danger.tolist()
        self._ordinary = [at for at, dangerous in enumerate(self._danger) if not dangerous]
        self._share = share
        self._chance = chance

    def of(self, chosen: Sequence[int]) -> dict[int, str]:
        """Some of the chosen texts of danger, each with another joined to it."""
        chance = self._chance
        mixed = {}
        for at in chosen:
            if self._danger[at] and chance.random() < self._share:
                both = [self._texts[at], self._texts[chance.choice(self._ordinary)]]
                chance.shuffle(both)
                mixed[at] = both[0].rstrip(".!? ") + chance.choice(_JOINTS) + both[1]
        return mixed


def pieces_of(cut: WordPiece, texts: Sequence[str], most: int) -> tuple[Tensor, Tensor]:
    """Pieces and mask of a few texts, padded to the longest."""
    numbers = [cut.numbers(text, most) for text in texts]
    longest = max(map(len, numbers))
    pieces = torch.tensor([row + [cut.padding] * (longest - len(row)) for row in numbers])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in numbers])
    return pieces, mask


def encode(encoder: Encoder, cut: WordPiece, texts: Sequence[str], recipe: Recipe) -> Tensor:
    """The vectors of all texts, in their order."""
    encoder.eval()
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    made: dict[int, Tensor] = {}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            vectors = encoder(*pieces_of(cut, [texts[at] for at in chosen], recipe.most_pieces))
            made.update(zip(chosen, vectors, strict=True))
    return torch.stack([made[at] for at in range(len(texts))])


def _batches(texts: Sequence[str], size: int, chance: random.Random) -> list[list[int]]:
    """Shuffled, yet texts of like length together, so that little is padded."""
    order = list(range(len(texts)))
    chance.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), size * _CHUNK):
        chunk = sorted(order[start : start + size * _CHUNK], key=lambda at: len(texts[at]))
        batches.extend(chunk[first : first + size] for first in range(0, len(chunk), size))
    chance.shuffle(batches)
    return batches


def _means(vectors: Tensor, groups: Tensor, count: int) -> Tensor:
    total = torch.zeros(count, vectors.shape[1]).index_add_(0, groups, vectors)
    return functional.normalize(total, dim=-1)
