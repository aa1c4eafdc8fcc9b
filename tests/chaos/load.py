"""A bounded load: callers that keep their Idempotency-Key and try again until they are answered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import aiohttp

from routing_rules.decision import Action, Facts
from routing_rules.door import Door
from tests.chaos.checker import Sent
from tests.chaos.gateways import PATIENCE

EXPECTED: Final = frozenset({201, 409, 503})
"""Taken; the first try is still being worked on; try again. Nothing else may ever be answered to a good request."""


class Need(NamedTuple):
    """Something that citizens ask for, in words that lead to the service itself."""

    service: str
    words: str


Needs = dict[tuple[str, str], list[Need]]
"""By authority and organisation."""


def needs_by_place(door: Door) -> Needs:
    """For each authority and organisation what goes there."""
    found: Needs = defaultdict(list)
    now = datetime.now(UTC)
    for authority in door.authorities:
        for service in door.catalogue.services.values():
            facts = Facts(authority=authority, now=now, channel="phone", service=service.code)
            for words in service.examples:
                part = door.decide(words, facts).parts[0]
                if (
                    part.action in {Action.ROUTE, Action.EMERGENCY}
                    and part.service == service.code
                    and part.organisation is not None
                ):
                    found[authority, part.organisation].append(Need(service.code, words))
                    break
    return dict(found)


class Load:
    """Sends requests to every organisation of every authority in turn, and remembers what it was told."""

    def __init__(
        self,
        urls: Sequence[str],
        keys: dict[str, str],
        needs: Needs,
        *,
        patience: float = PATIENCE,
        timeout: float = 10.0,
    ) -> None:
        self.sent: list[Sent] = []
        self.answers: Counter[int] = Counter()
        self.acknowledged = 0
        """How many requests were answered with a reference."""
        self.no_answer = 0
        """Tries that ended without any answer: connection refused, reset, or timed out."""
        self._urls = itertools.cycle(urls)
        self._keys = keys
        self._patience = patience
        self._timeout = timeout
        self._run = secrets.token_hex(4)
        self._turns = _in_turn(needs)
        self._numbers = itertools.count(1)
        self._stop = asyncio.Event()
        self.may_send = asyncio.Event()
        """Cleared, callers begin nothing new: for who does not want a backlog that outlives the run."""
        self.may_send.set()

    async def send(self, count: int, *, workers: int = 8) -> None:
        """Send so many requests and return once each is answered, or patience ran out."""
        numbers = iter(range(count))
        async with self._session(workers) as session:
            await asyncio.gather(*(self._work(session, numbers) for _ in range(workers)))

    @contextlib.asynccontextmanager
    async def running(self, *, rate: float, workers: int = 16) -> AsyncIterator[Load]:
        """Send `rate` requests a second meanwhile, catching up after an outage; on the way out finish those begun."""
        self._stop.clear()
        began, begun = time.monotonic(), itertools.count()
        async with self._session(workers) as session:
            tasks = [asyncio.create_task(self._pace(session, rate, began, begun)) for _ in range(workers)]
            try:
                yield self
            finally:
                self._stop.set()
                await asyncio.gather(*tasks)

    async def more(self, count: int, *, within: float = PATIENCE) -> None:
        """Return once so many more requests were answered, however long this machine takes for them."""
        wanted = self.acknowledged + count
        async with asyncio.timeout(within):
            while self.acknowledged < wanted:
                await asyncio.sleep(0.02)

    def must_be_answered(self, why: str = "") -> None:
        """Raise `AssertionError` if a caller was left without an answer or got one that no good request deserves."""
        assert set(self.answers) <= EXPECTED, f"{dict(self.answers)}\n{why}"
        assert all(each.reference is not None for each in self.sent), "callers ran out of patience"

    def _session(self, workers: int) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout), connector=aiohttp.TCPConnector(limit=workers)
        )

    async def _work(self, session: aiohttp.ClientSession, numbers: Iterator[int]) -> None:
        for _ in numbers:
            await self._send_one(session)

    async def _pace(
        self, session: aiohttp.ClientSession, rate: float, began: float, begun: Iterator[int]
    ) -> None:
        while not self._stop.is_set():
            if not self.may_send.is_set():
                await asyncio.sleep(0.1)
                continue
            meant = began + next(begun) / rate
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), max(meant - time.monotonic(), 0.0001))
                return
            await self._send_one(session)

    async def _send_one(self, session: aiohttp.ClientSession) -> None:
        number = next(self._numbers)
        authority, need = next(self._turns)
        sent = Sent(
            authority=authority,
            key=f"{self._run}-{number}",
            text=f"{need.words} ({self._run}-{number})",
        )
        self.sent.append(sent)
        body = {
            "text": sent.text,
            "service": need.service,
            "channel": "phone",
            "citizen": {"name": "Ann Smith"},
        }
        give_up = time.monotonic() + self._patience
        while sent.reference is None and time.monotonic() < give_up:
            sent.tries += 1
            if not await self._try(session, sent, body):
                await asyncio.sleep(0.25)

    async def _try(self, session: aiohttp.ClientSession, sent: Sent, body: dict[str, Any]) -> bool:
        headers = {"Authorization": f"Bearer {self._keys[sent.authority]}", "Idempotency-Key": sent.key}
        try:
            async with session.post(
                f"{next(self._urls)}/api/v1/requests", json=body, headers=headers
            ) as answer:
                told = await answer.json(content_type=None)
                self.answers[answer.status] += 1
                if answer.status == 201:
                    sent.reference = told["reference"]
                    self.acknowledged += 1
                return answer.status == 201
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError):
            self.no_answer += 1
            return False


def _in_turn(needs: Needs) -> Iterator[tuple[str, Need]]:
    turns = {place: itertools.cycle(each) for place, each in needs.items()}
    while True:
        for (authority, _), each in turns.items():
            yield authority, next(each)
