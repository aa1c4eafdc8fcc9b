"""The door in use: decides off the event loop, is swapped whole when rules change, and never loses a request."""

from __future__ import annotations

import asyncio

import structlog

from gateway.metrics import Metrics
from routing_rules.decision import Action, Decision, Facts, Part
from routing_rules.door import Door
from routing_rules.errors import NotKnown

log = structlog.get_logger()


class Understanding:
    """Holds the loaded rules and catalogue; a reload replaces `door` in one step."""

    def __init__(self, door: Door, metrics: Metrics) -> None:
        self.door = door
        self._metrics = metrics

    async def decide(self, text: str, facts: Facts) -> Decision:
        """What the front door makes of these words. Raises `NotKnown` for a name that is not there.

        A fault of ours sends the request to people, urgently, since nothing is known of it: it is never lost.
        """
        with self._metrics.decide.time():
            try:
                return await asyncio.to_thread(self.door.decide, text, facts)
            except NotKnown:
                raise
            except Exception:
                log.exception("understanding failed; the request goes to triage")
                self._metrics.faults.inc()
                return self._leave_to_people(text, facts)

    def _leave_to_people(self, text: str, facts: Facts) -> Decision:
        part = Part(
            text=text,
            action=Action.TRIAGE,
            priority="urgent",
            chain=[self.door.authority(facts.authority).settings.worklist],
            reasons=["Understanding failed, so a person reads it."],
        )
        return Decision(parts=[part], engine=self.door.engine)
