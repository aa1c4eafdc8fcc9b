"""Conversations as they happen: every step thought out by `talk`, written in one transaction, told to who listens."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from gateway.chat import tracking, wishes
from gateway.chat.danger import is_mere_answer
from gateway.chat.errors import ConversationClosed, OutOfOrder, SaidBefore
from gateway.chat.hub import Hub
from gateway.chat.meters import ChatMeters
from gateway.chat.model import Author, Choice, Conversation, Holder, Message, Said, Sending, Stage, Talk
from gateway.chat.talk import Talking
from gateway.chat.texts import texts
from gateway.chat.tracking import Standing
from gateway.chat.turn import Around
from gateway.clock import Clock
from gateway.errors import KeyInFlight, KeyReused, NotFound, Overloaded
from gateway.identifiers import uuid7
from gateway.intake import Agreed, Answer, Incoming, Intake
from gateway.store import attachments
from gateway.store import conversation_tokens as tokens
from gateway.store import conversations as store
from gateway.store.conversations import StaleTurn
from gateway.store.pool import Connection, Pool, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.understanding import Understanding
from routing_rules.decision import Decision, Facts, Part

TRIES: Final = 10
"""How often a step is thought out again because somebody else took theirs meanwhile."""
MOST_MESSAGES: Final = 1000
"""Messages of one conversation; past it only danger is taken."""

Also = Callable[[Connection], Awaitable[None]]


class Chat:
    """The citizen's side. One a process; all state is in the store."""

    def __init__(
        self,
        pool: Pool,
        understanding: Understanding,
        intake: Intake,
        hub: Hub,
        clock: Clock,
        meters: ChatMeters,
    ) -> None:
        self.pool = pool
        self.hub = hub
        self.clock = clock
        self.meters = meters
        self._understanding = understanding
        self._intake = intake

    # Beginning and going on -------------------------------------------------------------------------------------

    async def start(self, authority: str, language: str) -> tuple[str, Conversation, list[Message]]:
        """Begin a conversation: its first token, how it stands, and the greeting."""
        now = self.clock.now()
        new = Conversation(
            authority_id=authority, conversation_id=uuid7(now), version=0, last_number=0, language=language,
            holder=Holder.DOOR, talk=Talk(), urgent=False, waiting_since=None, offered_at=None, agent=None, hold=0,
            lease_until=None, created_at=now, seen_at=now, closed_at=None, attached_bytes=0,
        )  # fmt: skip
        turn = Talking(new, texts(language), self._around(new, now, 0))
        turn.greet()
        token = tokens.new_token(new.conversation_id)
        with unavailable_is_clear():
            async with scoped(self.pool, authority) as connection:
                await store.create(connection, new)
                await tokens.add(connection, authority, token, now)
                await store.take_turn(connection, new, turn.after, turn.lines, now)
        self.meters.started.labels(authority).inc()
        return token, _moved_on(turn), messages_of(turn, now)

    async def enter(self, authority: str, token: str) -> tuple[Conversation, bytes] | None:
        """The conversation that a token opens, with the token's hash; `None` if it opens none here."""
        found = tokens.read_token(token)
        if found is None:
            return None
        with unavailable_is_clear():
            async with scoped(self.pool, authority) as connection:
                if not await tokens.is_good(connection, authority, found, self.clock.now()):
                    return None
                conversation = await store.read(connection, authority, found[0])
        return None if conversation is None else (conversation, found[1])

    async def resume(
        self, conversation: Conversation, token_hash: bytes
    ) -> tuple[str, Conversation, list[Message]]:
        """A fresh token in exchange, and everything that was said."""
        await self.settle(conversation)
        authority, conversation_id = conversation.authority_id, conversation.conversation_id
        token = tokens.new_token(conversation_id)
        with unavailable_is_clear():
            async with scoped(self.pool, authority) as connection:
                await tokens.add(connection, authority, token, self.clock.now(), token_hash)
                now = await store.read(connection, authority, conversation_id)
                said = await store.messages(connection, authority, conversation_id)
        assert now is not None
        return token, now, said

    async def history(self, authority: str, conversation_id: UUID, after: int = 0) -> list[Message]:
        """What was said behind a number."""
        with unavailable_is_clear():
            async with scoped(self.pool, authority) as connection:
                return await store.messages(connection, authority, conversation_id, after=after)

    # Saying something -------------------------------------------------------------------------------------------

    async def say(self, conversation: Conversation, client_id: str, text: str) -> tuple[list[Message], bool]:
        """A citizen's words: everything that came of them, and whether they had come before.

        Raises `KeyReused` for a client id that came with other words, `ConversationClosed`, `Overloaded`.
        """
        sent = _hash("text", text)
        earlier = await self._earlier(conversation, client_id, sent)
        if earlier is not None:
            return earlier, True

        async def think(turn: Talking) -> None:
            _check_open(turn.before)
            decision = await self._decide(turn.before, turn.subject(text))
            if decision.emergency is not None and await asyncio.to_thread(
                is_mere_answer, turn.before, text, self._understanding.door.find_danger
            ):
                decision = replace(decision, emergency=None)
            if turn.before.last_number >= MOST_MESSAGES and decision.emergency is None:
                raise Overloaded("this conversation is too long; please start a new one", retry_after=60)
            standing = await self._standing(turn.before, text)
            turn.write(Author.CITIZEN, "text", Said(text=text), client_id, sent)
            turn.hear(text, decision, standing)

        return await self._said(conversation, client_id, sent, think)

    async def pick(
        self, conversation: Conversation, client_id: str, choice_id: str, question: int
    ) -> tuple[list[Message], bool]:
        """One of the choices of message number `question`. Raises `OutOfOrder` where they do not stand any more."""
        sent = _hash("choice", f"{question} {choice_id}")
        earlier = await self._earlier(conversation, client_id, sent)
        if earlier is not None:
            return earlier, True

        async def think(turn: Talking) -> None:
            _check_open(turn.before)
            choice = next((each for each in turn.talk.offered if each.id == choice_id), None)
            if choice is None or question != turn.talk.question:
                raise OutOfOrder("this question has been answered, or is not the one that stands")
            turn.around.ahead = await self._ahead(turn.before)
            turn.write(Author.CITIZEN, "text", Said(text=choice.label, picked=choice.id), client_id, sent)
            turn.pick(choice)

        return await self._said(conversation, client_id, sent, think)

    async def ask_for_person(self, conversation: Conversation, client_id: str) -> tuple[list[Message], bool]:
        """The button that is always there."""
        label = texts(conversation.language).say("person")
        sent = _hash("person", "")
        earlier = await self._earlier(conversation, client_id, sent)
        if earlier is not None:
            return earlier, True

        async def think(turn: Talking) -> None:
            _check_open(turn.before)
            turn.around.ahead = await self._ahead(turn.before)
            turn.write(Author.CITIZEN, "text", Said(text=label, picked="person"), client_id, sent)
            turn.pick(Choice(id="person", label=label))

        return await self._said(conversation, client_id, sent, think)

    async def close(self, conversation: Conversation) -> list[Message]:
        """The citizen ends it. Ending it again changes nothing."""

        async def think(turn: Talking) -> None:
            if not turn.before.closed:
                turn.end()

        return await self.turn(conversation, think)

    async def speak(self, conversation: Conversation, language: str) -> None:
        """Go on in another language."""

        async def think(turn: Talking) -> None:
            turn.change(language=language)

        await self.turn(conversation, think)

    async def _said(
        self,
        conversation: Conversation,
        client_id: str,
        sent: bytes,
        think: Callable[[Talking], Awaitable[None]],
    ) -> tuple[list[Message], bool]:
        try:
            written = await self.turn(conversation, think)
        except SaidBefore:  # the same message on two ways at once: one of them won
            earlier = await self._earlier(conversation, client_id, sent)
            assert earlier is not None
            return earlier, True
        self.meters.messages.labels(conversation.authority_id, "citizen").inc()
        return written + await self._settle_again(conversation), False

    async def _earlier(self, conversation: Conversation, client_id: str, sent: bytes) -> list[Message] | None:
        """What came of a message that was sent before under this id; what was left undone is done now."""
        authority, conversation_id = conversation.authority_id, conversation.conversation_id
        with unavailable_is_clear():
            async with scoped(self.pool, authority) as connection:
                before = await store.came_before(connection, authority, conversation_id, "citizen", client_id)
        if before is None:
            return None
        if before.sent_hash != sent:
            raise KeyReused("this client id came before with something else")
        await self._settle_again(conversation)
        return await self.history(authority, conversation_id, before.number - 1)

    # Sending what was agreed ------------------------------------------------------------------------------------

    async def _settle_again(self, conversation: Conversation) -> list[Message]:
        with unavailable_is_clear():
            async with scoped(self.pool, conversation.authority_id) as connection:
                now = await store.read(connection, conversation.authority_id, conversation.conversation_id)
        return [] if now is None else await self.settle(now)

    async def settle(self, conversation: Conversation) -> list[Message]:
        """Bring what was agreed into intake, if anything is on its way. Whoever comes by does it; twice is harmless."""
        sending = conversation.talk.sending
        if sending is None:
            return []
        try:
            outcome = await self._intake.accept(
                conversation.authority_id,
                _incoming(conversation, sending),
                actor="chat",
                trace_id=os.urandom(16).hex(),
                key=sending.key,
            )
        except KeyInFlight:  # another tab or process is at it
            return []
        answer = msgspec.json.decode(outcome.answer, type=Answer)

        async def think(turn: Talking) -> None:
            if turn.talk.sending is not None and turn.talk.sending.key == sending.key:
                turn.tell_sent(sending, answer)

        async def attach(connection: Connection) -> None:
            await attachments.sent_with(
                connection, conversation.authority_id, conversation.conversation_id, answer.reference
            )

        return await self.turn(conversation, think, attach)

    # One step ---------------------------------------------------------------------------------------------------

    async def turn(
        self,
        conversation: Conversation,
        think: Callable[[Talking], Awaitable[None]],
        also: Also | None = None,
    ) -> list[Message]:
        """Think, write, tell; again from the start where somebody else was quicker. What was written.

        Raises `NotFound` where the conversation is gone, `StoreUnavailable`, and whatever `think` raises.
        """
        authority, conversation_id = conversation.authority_id, conversation.conversation_id
        for _ in range(TRIES):
            now = self.clock.now()
            before = conversation
            turn = Talking(before, texts(before.language), self._around(before, now, 0))
            await think(turn)
            if not turn.lines and turn.after == before:
                return []
            with unavailable_is_clear():
                try:
                    async with scoped(self.pool, authority) as connection:
                        await store.take_turn(connection, before, turn.after, turn.lines, now)
                        if also is not None:
                            await also(connection)
                except StaleTurn:
                    conversation = await self._read_again(before, turn)
                    continue
            written = messages_of(turn, now)
            self.hub.tell(authority, conversation_id, written)
            return written
        raise Overloaded("too much is happening in this conversation at once")

    async def _read_again(self, before: Conversation, turn: Talking) -> Conversation:
        """As it stands now. Raises `SaidBefore` if what was about to be written is there already."""
        name = before.authority_id, before.conversation_id
        async with scoped(self.pool, before.authority_id) as connection:
            again = await store.read(connection, *name)
            for line in turn.lines:
                if line.client_id is not None and await store.came_before(
                    connection, *name, line.author.value, line.client_id
                ):
                    raise SaidBefore("it has been said meanwhile")
        if again is None:
            raise NotFound("this conversation is over")
        return again

    def _around(self, conversation: Conversation, now: datetime, ahead: int) -> Around:
        door = self._understanding.door

        def route(words: str, service: str, postcode: str | None) -> Part:
            facts = self._facts(conversation, now, postcode)
            return door.for_service(words, replace(facts, service=service))

        return Around(door.authority(conversation.authority_id), door.catalogue, route, now, ahead)

    def _facts(self, conversation: Conversation, now: datetime, postcode: str | None) -> Facts:
        return Facts(authority=conversation.authority_id, now=now, channel="chat", postcode=postcode)

    async def _decide(self, conversation: Conversation, text: str) -> Decision:
        known = conversation.talk.facts.get("postcode") or None
        return await self._understanding.decide(text, self._facts(conversation, self.clock.now(), known))

    async def _ahead(self, conversation: Conversation) -> int:
        with unavailable_is_clear():
            async with scoped(self.pool, conversation.authority_id) as connection:
                return len(await store.places(connection, conversation.authority_id))

    async def _standing(self, conversation: Conversation, text: str) -> Standing | None:
        """The request that these words name, or prove to be theirs."""
        talk = conversation.talk
        prefix = self._understanding.door.authority(conversation.authority_id).settings.reference_prefix
        named = wishes.named_reference(text, prefix)
        reference = named or (talk.tracked if talk.stage is Stage.PROVING else None)
        if reference is None or conversation.holder is not Holder.DOOR:
            return None
        trusted = reference in talk.references
        proof = text.replace(named, " ") if named else text
        return await tracking.look(
            self.pool, conversation.authority_id, reference, proof=proof, trusted=trusted
        )


def _check_open(conversation: Conversation) -> None:
    if conversation.closed:
        raise ConversationClosed("this conversation has ended; please start a new one")


def _hash(kind: str, sent: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{sent}".encode()).digest()


def _incoming(conversation: Conversation, sending: Sending) -> Incoming:
    citizen = dict(sending.citizen)
    if conversation.language != "en":
        citizen["language"] = conversation.language
    return Incoming(
        text=sending.text,
        channel="chat",
        citizen=citizen,
        postcode=sending.postcode,
        needs=tuple(Agreed(text=need.text, service=need.service) for need in sending.needs),
    )


def _moved_on(turn: Talking) -> Conversation:
    return replace(
        turn.after, version=turn.before.version + 1, last_number=turn.before.last_number + len(turn.lines)
    )


def messages_of(turn: Talking, now: datetime) -> list[Message]:
    """A turn's lines as everyone sees them."""
    first = turn.before.last_number + 1
    return [
        Message(
            number=number,
            author=line.author,
            kind=line.kind,
            said=line.said,
            at=now,
            client_id=line.client_id,
        )
        for number, line in enumerate(turn.lines, start=first)
    ]
