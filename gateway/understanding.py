"""The door in use: decides off the event loop where it takes long, and is swapped whole when rules change."""

from __future__ import annotations

import asyncio

from gateway.metrics import Metrics
from routing_rules.decision import Decision, Facts
from routing_rules.door import Door


class Understanding:
    """Holds the loaded rules and catalogue; a reload replaces `door` in one step."""

    def __init__(self, door: Door, metrics: Metrics) -> None:
        self.door = door
        self._metrics = metrics

    async def decide(self, text: str, facts: Facts) -> Decision:
        """What the front door makes of these words."""
        with self._metrics.decide.time():
            return await asyncio.to_thread(self.door.decide, text, facts)
