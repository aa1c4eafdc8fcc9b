"""A post office to try: a courier over a real database, with organisations that answer as they are told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import ClassVar

from msgspec.structs import replace

from adapters.base import Deduplication, Poll, Receipt
from gateway.delivery.courier import Courier
from gateway.delivery.health import Health
from gateway.delivery.line import Line
from gateway.delivery.overdue import Overdue
from gateway.delivery.replay import Replay
from gateway.delivery.status import StatusSync
from gateway.metrics import Metrics
from gateway.store.writer import Writer
from gateway.understanding import Understanding


async def until(true):
    """Wait until `await true()`; the test's own time limit ends it otherwise."""
    while not await true():
        await asyncio.sleep(0.01)


async def lapse(pool, clock, seconds):
    """Let time pass for leases too, which run by the database's clock."""
    clock.pass_(seconds)
    await pool.execute(
        "UPDATE deliveries SET lease_until = lease_until - make_interval(secs => $1) WHERE lease_until IS NOT NULL",
        float(seconds),
    )


class Scripted:
    """An adapter that answers from a script: an error to raise, a receipt, or something to await first."""

    protocol: ClassVar[str] = "scripted"

    def __init__(self, *script, deduplication=Deduplication.KEY, polls=False):
        self.script = list(script)
        self.found = []
        """What look-ups answer, in order."""
        self.polled = []
        """What polls answer, in order."""
        self.deduplication = deduplication
        self.polls = polls
        self.handed = []
        self.asked = []

    async def deliver(self, handover):
        self.handed.append(handover)
        return await self._play(self.script, Receipt(external_reference=f"X-{len(self.handed)}"))

    async def lookup(self, delivery_id):
        self.asked.append(delivery_id)
        return await self._play(self.found, None)

    async def poll(self, cursor, open_references):
        self.asked.append((cursor, open_references))
        return await self._play(self.polled, Poll(updates=[], cursor=cursor))

    def read_callback(self, headers, body, now):
        raise AssertionError("nobody calls back here")

    async def close(self):
        """Nothing is held."""

    async def _play(self, script, otherwise):
        step = script.pop(0) if script else otherwise
        if isinstance(step, BaseException):
            raise step
        return await step() if callable(step) else step


class Hang:
    """A step of a script that never ends by itself."""

    def __init__(self, then=None):
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.then = then

    async def __call__(self):
        self.reached.set()
        await self.go.wait()
        if isinstance(self.then, BaseException):
            raise self.then
        return self.then or Receipt(external_reference="after a while")


class Post:
    """One process's couriers and clerks, driven by hand."""

    def __init__(self, pool, rules, clock, adapters, worker="w", **changes):
        self.pool, self.clock, self.adapters = pool, clock, adapters
        self.metrics = Metrics()
        self.rules = rules
        understanding = Understanding(rules, self.metrics)
        self.lines = {}
        for name, adapter in adapters.items():
            authority, _, code = name.rpartition("/")
            authority = authority or "barnet"
            organisation = rules.authorities[authority].organisations[code]
            delivery = replace(organisation.delivery, **changes)
            self.lines[authority, code] = Line(
                authority,
                replace(organisation, delivery=delivery),
                adapter,
                clock,
                self.metrics,
                lease_margin=10,
            )
        self.courier = Courier(
            pool,
            self.lines,
            understanding,
            clock,
            self.metrics,
            worker=worker,
            poll=0.01,
            callback_base="http://door",
        )
        self.woken = 0
        self.health = Health(self.lines)
        self.sync = StatusSync(
            pool, self.lines, understanding, clock, self.metrics, on_handed_on=self.courier.wake
        )
        self.overdue = Overdue(pool, self.lines, understanding, clock, wake=self.courier.wake)
        self.replay = Replay(pool, clock, wake=self.courier.wake)

    @asynccontextmanager
    async def by_hand(self):
        """Writes endings; claims only when told to."""
        async with self.courier._endings.running(1):
            yield self
            await self.courier.settled()

    async def store(self, *accepted):
        """Put requests into the queue."""
        writer = Writer(self.pool, self.metrics, batch=128, most_waiting=1000)
        async with writer.group.running(1):
            for each in accepted:
                await writer.submit(each)

    async def round(self):
        """Claim once and let every attempt finish; whether there was anything."""
        took = await self.courier.take_round()
        await self.courier.settled()
        return took

    async def rounds(self, count=10):
        """Rounds until nothing is due."""
        for _ in range(count):
            if not await self.round():
                return
        raise AssertionError("there is always something due")

    def __getitem__(self, code):
        return self.adapters[code]

    async def states(self, role="lead"):
        """Each delivery's state by organisation, oldest first."""
        found = defaultdict(list)
        rows = await self.pool.fetch(
            "SELECT organisation, state FROM deliveries WHERE role = $1 ORDER BY delivery_id", role
        )
        for row in rows:
            found[row["organisation"]].append(row["state"])
        return {name: states[0] if len(states) == 1 else states for name, states in found.items()}

    async def referral(self):
        """State and organisation of the only referral."""
        return tuple(await self.pool.fetchrow("SELECT state, organisation FROM referrals"))

    async def referral_of(self, organisation):
        """State of the first referral that an organisation has."""
        return await self.pool.fetchval(
            "SELECT state FROM referrals WHERE organisation = $1 ORDER BY referral_id LIMIT 1", organisation
        )

    async def delivery(self, organisation="re"):
        """The only delivery of an organisation."""
        (row,) = await self.pool.fetch("SELECT * FROM deliveries WHERE organisation = $1", organisation)
        return row

    async def attempts(self):
        """Outcome and detail of every attempt."""
        rows = await self.pool.fetch("SELECT outcome, detail FROM attempts ORDER BY delivery_id, fence")
        return [tuple(row) for row in rows]

    async def events(self, *kinds):
        """Details of the events of these kinds, or all kinds in order."""
        rows = await self.pool.fetch("SELECT kind, detail FROM events ORDER BY event_id")
        return (
            [row["detail"] for row in rows if row["kind"] in kinds]
            if kinds
            else [row["kind"] for row in rows]
        )
