"""Looks after conversations that nobody else moves: an agent who vanished, a long wait, a sending that stood still."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import structlog

from gateway.background import Words, repeating
from gateway.chat.model import Conversation, Holder
from gateway.chat.service import Chat
from gateway.chat.talk import Talking
from gateway.errors import GatewayError
from gateway.store import conversations as store
from gateway.store.scope import scoped
from gateway.understanding import Understanding

log = structlog.get_logger()

LOOK: Final = 5.0
LONG_WAIT: Final = timedelta(minutes=3)
"""After so long a call-back is offered."""
IDLE: Final = timedelta(hours=24)


class Keeper:
    """One a process; several at once do no harm, for a step is taken once."""

    def __init__(self, chat: Chat, understanding: Understanding) -> None:
        self._chat = chat
        self._understanding = understanding

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Keeper]:
        """Look every few seconds."""
        async with repeating(
            self._look_everywhere,
            LOOK,
            name="chat-keeper",
            words=Words(
                "looking after conversations waits for the database", "looking after conversations failed"
            ),
            at_once=False,
        ):
            yield self

    async def _look_everywhere(self) -> None:
        for authority in list(self._understanding.door.authorities):
            await self.look(authority)

    async def look(self, authority: str) -> int:
        """Look once; how many needed a hand."""
        now = self._chat.clock.now()
        async with scoped(self._chat.pool, authority) as connection:
            found = await store.to_keep_up(
                connection, authority, waited_since=now - LONG_WAIT, idle_since=now - IDLE, now=now
            )
            waiting = await store.waiting(connection, authority)
            each = [await store.read(connection, authority, one) for one in found]
        self._chat.meters.waiting.labels(authority).set(waiting.count)
        self._chat.meters.oldest_waiting.labels(authority).set(
            waiting.since.timestamp() if waiting.since else 0
        )
        for conversation in each:
            if conversation is not None:
                try:
                    await self._chat.settle(conversation)
                    await self._chat.turn(conversation, _keep_up)
                except GatewayError as error:
                    log.info(
                        "a conversation waits",
                        conversation=str(conversation.conversation_id),
                        because=str(error),
                    )
        return len(found)


async def _keep_up(turn: Talking) -> None:
    before: Conversation = turn.before
    now = turn.around.now
    if before.closed:
        return
    if before.holder is Holder.AGENT and before.lease_until is not None and before.lease_until < now:
        turn.change(holder=Holder.QUEUE, agent=None, lease_until=None, hold=before.hold + 1, offered_at=None)
        turn.say("queue", turn.texts.say("queue-again"), [turn.choice("stop", "stop-waiting")])
    elif (
        before.holder is Holder.QUEUE
        and not before.urgent
        and before.offered_at is None
        and (before.waiting_since is not None and before.waiting_since < now - LONG_WAIT)
    ):
        turn.change(offered_at=now)
        choices = [turn.choice("wait", "keep-waiting"), turn.choice("call-back", "leave-message")]
        turn.say("queue", turn.texts.say("long-wait"), choices)
    elif before.holder is Holder.DOOR and before.seen_at < now - IDLE:
        turn.end("closed")
