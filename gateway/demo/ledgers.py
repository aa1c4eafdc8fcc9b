"""What the stand-ins say they were given, read from their own files: the demo's proof that nothing was done twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec


class Effects(msgspec.Struct, frozen=True):
    """Every case any stand-in ever opened here."""

    cases: int
    twice: int
    """Deliveries that opened more than one case."""


def read_effects(folder: Path) -> Effects:
    """Count cases by delivery, over all back ends."""
    counts: Counter[str] = Counter()
    for file in folder.glob("*.jsonl"):
        for line in file.read_bytes().splitlines():
            entry: dict[str, Any] = msgspec.json.decode(line)
            if entry.get("kind") == "case":
                counts[f"{file.stem}:{entry['case']['delivery_id']}"] += 1
    return Effects(cases=sum(counts.values()), twice=sum(count > 1 for count in counts.values()))
