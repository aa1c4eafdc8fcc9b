"""The door in use: decides off the event loop, is swapped whole when rules change, and never loses a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from gateway.metrics import Metrics
from routing_rules.decision import Action, Decision, Facts, Given, Part
from routing_rules.door import Door
from routing_rules.errors import NotKnown

log = structlog.get_logger()


class Understanding:
    """Holds the loaded rules and catalogue; a reload replaces `door` in one step."""

    def __init__(self, door: Door, metrics: Metrics) -> None:
        self.door = door
        self._metrics = metrics

    async def decide(self, text: str, facts: Facts, door: Door | None = None) -> Decision:
        """What the front door makes of these words, by `door` or the one in use. Raises `NotKnown` for a wrong name.

        A fault of ours sends the request to people, urgently, since nothing is known of it: it is never lost.
        """
        door = door or self.door
        return await self._safely(door.decide, text, facts, door)

    async def decide_agreed(
        self, text: str, needs: Sequence[tuple[str, str | None]], facts: Facts, door: Door | None = None
    ) -> Decision:
        """Who answers for needs that were cleared up with the citizen, (words, service) each. As `decide` otherwise."""
        door = door or self.door
        return await self._safely(
            lambda text, facts: door.decide_agreed(text, needs, facts), text, facts, door
        )

    async def _safely(
        self, decide: Callable[[str, Facts], Decision], text: str, facts: Facts, door: Door
    ) -> Decision:
        with self._metrics.decide.time():
            try:
                return await asyncio.to_thread(decide, text, facts)
            except NotKnown:
                raise
            except Exception:
                log.exception("understanding failed; the request goes to triage")
                self._metrics.faults.inc()
                return _leave_to_people(text, facts, door)


def _leave_to_people(text: str, facts: Facts, door: Door) -> Decision:
    part = Part(
        text=text,
        action=Action.TRIAGE,
        priority="urgent",
        chain=[door.authority(facts.authority).settings.worklist],
        reasons=["Understanding failed, so a person reads it."],
    )
    given = Given(age=facts.age, language=facts.language, service=facts.service, provider=facts.provider)
    return Decision(parts=[part], engine=door.engine, given=given)
