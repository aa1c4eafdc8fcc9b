"""Who listens to which conversation in this process, and how they hear of what is new.

A turn taken in this process reaches its listeners at once. A turn taken in another is found by asking the store, many
conversations in one question, a few times a second while anybody listens. Asking by time may overlook a commit that took
long, so now and then every conversation that is listened to is compared by its number: nothing stays unheard.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway.chat.model import Message
from gateway.store import conversations as store
from gateway.store.pool import AWAY, Pool
from gateway.store.scope import scoped

log = structlog.get_logger()

LOOK: Final = 0.05
"""Seconds between looks for what other processes wrote."""
COMPARE: Final = 200
"""Looks between comparisons of everything that is listened to."""
PLACES: Final = 40
"""Looks between looks at the queue."""
_OVERLAP: Final = timedelta(seconds=1)

Name = tuple[str, UUID]


class Listener:
    """One open stream: what it has been given, and what waits for it."""

    __slots__ = ("_pending", "_wake", "behind", "ended", "name", "place", "place_told", "told")

    def __init__(self, name: Name, told: int) -> None:
        self.name = name
        self.told = told
        """The number of the last message it was given."""
        self.behind = False
        """Whether the store has more than what waits here."""
        self.place: int | None = None
        self.place_told: int | None = None
        self.ended = False
        self._pending: list[Message] = []
        self._wake = asyncio.Event()

    def offer(self, messages: Sequence[Message]) -> None:
        """Messages that have just been written."""
        self._pending += messages
        self._wake.set()

    def nudge(self) -> None:
        """Something has changed."""
        self._wake.set()

    async def wait(self, seconds: float) -> bool:
        """Until there is something, or so long; whether there is."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def take(self) -> list[Message]:
        """What waits and follows without a gap; where there is a gap, the store must be read."""
        taken = []
        for message in self._pending:
            if message.number == self.told + 1:
                taken.append(message)
                self.told += 1
            elif message.number > self.told:
                self.behind = True
        self._pending = []
        return taken


class Hub:
    """One a process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._listeners: dict[Name, set[Listener]] = {}
        self._since: dict[str, datetime] = {}
        self._some = asyncio.Event()
        self.closing = False

    @property
    def listening(self) -> int:
        """How many streams are open."""
        return sum(len(each) for each in self._listeners.values())

    @contextlib.contextmanager
    def listen(self, authority: str, conversation_id: UUID, told: int) -> Iterator[Listener]:
        """Hear everything of a conversation from now on."""
        listener = Listener((authority, conversation_id), told)
        self._listeners.setdefault(listener.name, set()).add(listener)
        self._some.set()
        try:
            yield listener
        finally:
            left = self._listeners[listener.name]
            left.discard(listener)
            if not left:
                del self._listeners[listener.name]

    def streams_of(self, authority: str, conversation_id: UUID) -> int:
        """How many streams of one conversation are open here."""
        return len(self._listeners.get((authority, conversation_id), ()))

    def tell(self, authority: str, conversation_id: UUID, messages: Sequence[Message]) -> None:
        """Messages have been written here."""
        for listener in self._listeners.get((authority, conversation_id), ()):
            listener.offer(messages)

    def close(self) -> None:
        """Let every stream end: its reader comes back, to another process if there is one."""
        self.closing = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.ended = True
                listener.nudge()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        """Look for what other processes wrote."""
        task = asyncio.create_task(self._run(), name="chat-hub")
        try:
            yield self
        finally:
            self.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        looks = 0
        while True:
            if not self._listeners:
                self._some.clear()
                self._since.clear()
                await self._some.wait()
            looks += 1
            try:
                for authority in {name[0] for name in self._listeners}:
                    await self.look(authority, compare=looks % COMPARE == 0, places=looks % PLACES == 1)
            except AWAY:
                await asyncio.sleep(1)
            except Exception:
                log.exception("looking for new messages failed")
                await asyncio.sleep(1)
            await asyncio.sleep(LOOK)

    async def look(self, authority: str, *, compare: bool = False, places: bool = False) -> None:
        """Look once."""
        async with scoped(self._pool, authority, snapshot=True) as connection:
            now, changed = await store.changed_since(connection, authority, self._since.get(authority))
            if compare:
                mine = [name[1] for name in self._listeners if name[0] == authority]
                changed += await store.numbers_of(connection, authority, mine)
            queue = await store.places(connection, authority) if places else None
        self._since[authority] = now - _OVERLAP
        for conversation_id, last, _ in changed:
            for listener in self._listeners.get((authority, conversation_id), ()):
                if last > listener.told:
                    listener.behind = True
                    listener.nudge()
        if queue is not None:
            self._tell_places(authority, queue)

    def _tell_places(self, authority: str, queue: Sequence[UUID]) -> None:
        places = {conversation_id: place for place, conversation_id in enumerate(queue, start=1)}
        for name, listeners in self._listeners.items():
            if name[0] == authority:
                for listener in listeners:
                    listener.place = places.get(name[1])
                    if listener.place != listener.place_told:
                        listener.nudge()
