"""The survey at every end point, and asking to look again at what is not fixed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from gateway.chat.meters import ChatMeters
from gateway.chat.model import Conversation
from gateway.chat.tracking import Standing
from gateway.clock import Clock
from gateway.delivery.not_fixed import NotFixed
from gateway.identifiers import uuid7
from gateway.intake import Agreed, Answer, Incoming, Intake
from gateway.model import Event
from gateway.store import surveys as store
from gateway.store.outcomes import add_event
from gateway.store.pool import Pool, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.store.surveys import Answered

NOTHING: Final = (None, None)


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a citizen answered."""

    score: int
    """1 very dissatisfied … 5 very satisfied."""
    words: str | None = None
    fixed: bool | None = None


class Surveys:
    """Keeps answers, counts them, and carries "not fixed" back in."""

    def __init__(
        self, pool: Pool, intake: Intake, not_fixed: NotFixed, clock: Clock, meters: ChatMeters
    ) -> None:
        self._pool = pool
        self._not_fixed = not_fixed
        self._intake = intake
        self._clock = clock
        self._meters = meters

    async def of_conversation(self, conversation: Conversation, opinion: Opinion) -> None:
        """An answer at the end of a conversation, for everything it led to."""
        authority, references = conversation.authority_id, conversation.talk.references
        with unavailable_is_clear():
            async with scoped(self._pool, authority) as connection:
                about = await store.handed_over(connection, authority, references) if references else []
        await self._keep(authority, str(conversation.conversation_id), "chat", about or [NOTHING], opinion)

    async def of_request(self, authority: str, standing: Standing, opinion: Opinion) -> str | None:
        """An answer about a request that was looked up. What is not fixed is opened again.

        The reference of a new report, where one was made: the words speak of danger, or there was nothing to open.
        """
        about = list(dict.fromkeys((part.organisation, part.service) for part in standing.parts)) or [NOTHING]
        await self._keep(authority, standing.reference, standing.channel or "web", about, opinion)
        if opinion.fixed is not False or standing.request_id is None:
            return None
        heard = await self._not_fixed.say(authority, standing.request_id, opinion.words)
        if heard.in_hand:
            return heard.danger
        return await self._ask_again(authority, standing, standing.request_id, opinion)

    async def _keep(
        self,
        authority: str,
        about: str,
        channel: str,
        handed: Sequence[tuple[str | None, str | None]],
        opinion: Opinion,
    ) -> None:
        now = self._clock.now()
        with unavailable_is_clear():
            async with scoped(self._pool, authority) as connection:
                firsts = [
                    await store.keep(
                        connection,
                        authority,
                        Answered(
                            survey_id=uuid7(now), about=about, channel=channel, organisation=organisation,
                            service=service, score=opinion.score, words=opinion.words, fixed=opinion.fixed, at=now,
                        ),
                    )
                    for organisation, service in handed
                ]  # fmt: skip
        for (organisation, service), first in zip(handed, firsts, strict=True):
            if first:
                labels = authority, organisation or "none", service or "none", channel, str(opinion.score)
                self._meters.satisfaction.labels(*labels).inc()

    async def _ask_again(self, authority: str, standing: Standing, request_id: UUID, opinion: Opinion) -> str:
        """A person looks at it again: a report of its own, for people, that names the first. Asking twice makes one."""
        text = "\n".join(filter(None, [f"Not fixed: {standing.reference}.", opinion.words]))
        outcome = await self._intake.accept(
            authority,
            Incoming(text=text, channel="web", citizen={}, needs=(Agreed(text=text, service=None),)),
            actor="not-fixed",
            trace_id=os.urandom(16).hex(),
            key=f"{standing.reference}/{text}"[:255],
        )
        now = self._clock.now()
        event = Event(
            authority_id=authority, event_id=uuid7(now), request_id=request_id, referral_id=None, at=now,
            kind="reopen_asked", actor="citizen", detail={},
        )  # fmt: skip
        if not outcome.replayed:
            with unavailable_is_clear():
                async with scoped(self._pool, authority) as connection:
                    await add_event(connection, event)
        return msgspec.json.decode(outcome.answer, type=Answer).reference
