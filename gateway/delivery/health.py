"""Whether anybody answers at all: when nobody does, the fault is likelier ours, and nothing is shifted."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.delivery.line import Line


class Health:
    """What the lines of this process say together."""

    def __init__(self, lines: Mapping[tuple[str, str], Line]) -> None:
        self._lines = lines

    def everybody_is_down(self, authority: str) -> bool:
        """Whether every organisation of an authority that was tried is failing, and there are at least two."""
        tried = [
            line
            for (code, _), line in self._lines.items()
            if code == authority and line.connected and line.adapter.protocol != "worklist" and line.tried
        ]
        return len(tried) > 1 and all(line.breaker.failing for line in tried)
