"""The agent's side: who waits, taking a conversation under a lease, writing in it, giving it back."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from gateway.chat.errors import NotYours, SaidBefore
from gateway.chat.model import Author, Conversation, Holder, Message, Said, Stage
from gateway.chat.service import Chat
from gateway.chat.talk import Talking
from gateway.errors import Conflict, KeyReused, NotFound
from gateway.store import conversations as store
from gateway.store.pool import unavailable_is_clear
from gateway.store.scope import scoped

LEASE: Final = timedelta(minutes=2)
"""How long a conversation stays with an agent of whom nothing is heard. Every call of theirs renews it."""


class Desk:
    """What agents do with conversations."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def listing(self, authority: str, holders: list[str], limit: int) -> list[tuple[Conversation, str]]:
        """Open conversations, urgent ones first, then who has waited longest; with their first words."""
        with unavailable_is_clear():
            async with scoped(self._chat.pool, authority) as connection:
                return await store.listing(connection, authority, holders=holders, limit=limit)

    async def read(self, authority: str, conversation_id: UUID) -> tuple[Conversation, list[Message]]:
        """A whole conversation. Raises `NotFound`."""
        with unavailable_is_clear():
            async with scoped(self._chat.pool, authority, snapshot=True) as connection:
                found = await store.read(connection, authority, conversation_id)
                if found is None:
                    raise NotFound(f"there is no conversation {conversation_id}")
                return found, await store.messages(connection, authority, conversation_id)

    async def take(self, authority: str, conversation_id: UUID, name: str) -> Conversation:
        """Have it from now on. Raises `NotYours` if somebody else has it already, `Conflict` if it has ended."""

        async def think(turn: Talking) -> None:
            now, before = turn.around.now, turn.before
            if before.closed:
                raise Conflict("this conversation has ended")
            if before.holder is Holder.AGENT and before.lease_until is not None and before.lease_until > now:
                raise NotYours(f"{before.agent} has it")
            turn.change(holder=Holder.AGENT, agent=name, hold=before.hold + 1, lease_until=now + LEASE)
            turn.change(waiting_since=before.waiting_since or now)
            if turn.talk.stage is not Stage.SENDING:
                turn.remember(stage=Stage.OPEN, ask=[], unclear=[], tries=0)
            turn.say("agent", turn.texts.say("agent-here", name=name), name=name)

        return await self._do(authority, conversation_id, think)

    async def renew(self, authority: str, conversation_id: UUID, hold: int) -> Conversation:
        """Say that one is still there."""

        async def think(turn: Talking) -> None:
            _renew(turn, hold)

        return await self._do(authority, conversation_id, think)

    async def write(
        self, authority: str, conversation_id: UUID, hold: int, client_id: str, text: str
    ) -> list[Message]:
        """Say something to the citizen; the same client id again changes nothing."""
        sent = hashlib.sha256(text.encode()).digest()
        conversation = await self._conversation(authority, conversation_id)

        async def think(turn: Talking) -> None:
            _renew(turn, hold)
            said = Said(text=text, name=turn.before.agent)
            turn.write(Author.AGENT, "text", said, client_id, sent)

        earlier = await self._earlier(authority, conversation_id, client_id, sent)
        if earlier is not None:
            return earlier
        try:
            written = await self._chat.turn(conversation, think)
        except SaidBefore:
            return await self._earlier(authority, conversation_id, client_id, sent) or []
        self._chat.meters.messages.labels(authority, "agent").inc()
        return written

    async def give_back(self, authority: str, conversation_id: UUID, hold: int, to: str) -> Conversation:
        """Back to the helper (`door`), or to the front of the queue for a colleague (`queue`)."""

        async def think(turn: Talking) -> None:
            _renew(turn, hold)
            name = turn.before.agent or ""
            turn.change(agent=None, lease_until=None, hold=turn.before.hold + 1)
            if to == "queue":
                turn.change(holder=Holder.QUEUE, offered_at=None)
                turn.say(
                    "queue",
                    turn.texts.say("agent-back-in-queue", name=name),
                    [turn.choice("stop", "stop-waiting")],
                )
            else:
                turn.change(holder=Holder.DOOR, waiting_since=None, urgent=False)
                if turn.talk.stage is not Stage.SENDING:
                    turn.remember(stage=Stage.OPEN, words="", needs=[])
                choices = [turn.choice("person", "person"), turn.choice("finish", "finish")]
                turn.say("door", turn.texts.say("agent-gone", name=name), choices)

        return await self._do(authority, conversation_id, think)

    async def close(self, authority: str, conversation_id: UUID, hold: int) -> Conversation:
        """The matter is dealt with: end it, and ask the citizen how it was."""

        async def think(turn: Talking) -> None:
            if not turn.before.closed:
                _renew(turn, hold)
                turn.end()

        return await self._do(authority, conversation_id, think)

    async def _conversation(self, authority: str, conversation_id: UUID) -> Conversation:
        with unavailable_is_clear():
            async with scoped(self._chat.pool, authority) as connection:
                found = await store.read(connection, authority, conversation_id)
        if found is None:
            raise NotFound(f"there is no conversation {conversation_id}")
        return found

    async def _do(
        self, authority: str, conversation_id: UUID, think: Callable[[Talking], Awaitable[None]]
    ) -> Conversation:
        await self._chat.turn(await self._conversation(authority, conversation_id), think)
        return await self._conversation(authority, conversation_id)

    async def _earlier(
        self, authority: str, conversation_id: UUID, client_id: str, sent: bytes
    ) -> list[Message] | None:
        with unavailable_is_clear():
            async with scoped(self._chat.pool, authority) as connection:
                before = await store.came_before(connection, authority, conversation_id, "agent", client_id)
                if before is None:
                    return None
                if before.sent_hash != sent:
                    raise KeyReused("this client id came before with something else")
                return await store.messages(
                    connection, authority, conversation_id, after=before.number - 1, most=1
                )


def _renew(turn: Talking, hold: int) -> None:
    before = turn.before
    if before.holder is not Holder.AGENT or before.hold != hold:
        raise NotYours("this conversation is not yours any more; take it again")
    turn.change(lease_until=turn.around.now + LEASE)
