"""A whole front door to break: gateways and stand-ins as processes, PostgreSQL, a load, and the checker at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import asyncpg

from adapters.base import Deduplication
from gateway.clock import SystemClock
from gateway.postgres import Server
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.store.pool import Connection
from routing_rules.door import Door
from tests.chaos.checker import Report, check, read_effects
from tests.chaos.gateways import PATIENCE, Gateway
from tests.chaos.load import Load, Needs, needs_by_place
from tests.chaos.rules import quick_rules
from tests.chaos.town import SWIFT, ChaosTown, Stages

_known: dict[str, Needs] = {}


def _needs(door: Door) -> Needs:
    """Worked out once: it takes seconds, and limits change nothing about who answers for what."""
    mark = door.catalogue.fingerprint
    if mark not in _known:
        _known[mark] = needs_by_place(door)
    return _known[mark]


class World:
    """Everything that one chaos test runs."""

    def __init__(
        self, folder: Path, rules: Path, door: Door, town: ChaosTown, database_url: str | None
    ) -> None:
        self.folder = folder
        self.town = town
        self.gateways: list[Gateway] = []
        self.loads: list[Load] = []
        self.keys: dict[str, str] = {}
        self.needs = _needs(door)
        self.database_url = database_url
        """As the checker reaches it; `None`: the gateway's own embedded one."""
        self._rules = rules
        self._authorities = [*door.authorities]

    @property
    def embedded(self) -> Path:
        """The data folder of the gateway's embedded database."""
        return self.folder / "data"

    async def connect(self) -> Connection:
        """A connection of the test's own, past every proxy."""
        url = self.database_url or Server(self.embedded).url
        return await asyncpg.connect(url)

    async def add_gateway(
        self, *, database_url: str | None = None, command: str = "tests.chaos.serving", **settings: object
    ) -> Gateway:
        """Start another gateway; the first one is where organisations report to."""
        url = database_url or self.database_url
        environ = {
            "FRONT_DOOR_RULES_DIR": str(self._rules),
            "FRONT_DOOR_CONNECTIONS_FILE": str(self.town.connections),
            "FRONT_DOOR_DATA_DIR": str(self.embedded),
            "FRONT_DOOR_COURIER_POLL": "0.05",
            "FRONT_DOOR_LEASE_MARGIN": "0.5",
            "FRONT_DOOR_CONNECT_TIMEOUT": "2",
            "FRONT_DOOR_DRAIN": "3",
            **({"DATABASE_URL": url} if url else {}),
            **({"FRONT_DOOR_PUBLIC_URL": self.gateways[0].url} if self.gateways else {}),
            **{f"FRONT_DOOR_{name.upper()}": str(value) for name, value in settings.items()},
        }
        log = self.folder / f"gateway-{len(self.gateways)}.log"
        gateway = Gateway(environ, log, command=(command,))
        self.gateways.append(gateway)
        await gateway.start()
        if not self.keys:
            await self._make_keys()
        return gateway

    async def _make_keys(self) -> None:
        connection = await self.connect()
        try:
            now = SystemClock().now()
            self.keys = {code: await create_key(connection, code, "chaos", now) for code in self._authorities}
        finally:
            await connection.close()

    def load(self, *, needs: Needs | None = None, patience: float = PATIENCE, timeout: float = 10.0) -> Load:
        """Callers of all gateways there are now, who wait `timeout` seconds for an answer before they try again.

        They ask for everything that this world knows, or for `needs`.
        """
        urls = [each.url for each in self.gateways]
        load = Load(
            urls, self.keys, self.needs if needs is None else needs, patience=patience, timeout=timeout
        )
        self.loads.append(load)
        return load

    async def settled(self, within: float = PATIENCE, *, ended: bool = True) -> None:
        """Return once nothing waits for the courier, and (`ended`) every organisation has ended what it took."""
        connection = await self.connect()
        worklists = [f"{authority}/{code}" for authority, code in self.town.worklists]
        try:
            async with asyncio.timeout(within):
                while await connection.fetchval(_UNSETTLED, worklists, ended):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            rows = await connection.fetch(_WHAT_WAITS)
            waits = "\n".join(str(dict(row)) for row in rows)
            raise AssertionError(f"not settled within {within:g} s:\n{waits}") from None
        finally:
            await connection.close()

    def effects(self) -> Counter[tuple[str, str, str]]:
        """How many cases each delivery opened at each organisation, by the stand-ins' own ledgers."""
        return read_effects(self.town.ledgers)

    async def check(self, *, settled: bool = True, ended: bool = True) -> Report:
        """Run the checker over everything so far."""
        connection = await self.connect()
        try:
            report = await check(
                connection,
                sent=[sent for load in self.loads for sent in load.sent],
                effects=await asyncio.to_thread(self.effects),
                without_ledger=self.town.worklists,
                settled=settled,
                ended=ended,
            )
            await self._count_uncertain(connection, report)
            return report
        finally:
            await connection.close()

    async def _count_uncertain(self, connection: Connection, report: Report) -> None:
        """What became of hand-overs of which nobody knew whether they had arrived."""
        how = self.town.deduplication()
        for row in await connection.fetch(_UNCERTAIN):
            kind = how.get((row["authority_id"], row["organisation"]), Deduplication.KEY)
            name = "uncertain, left to a person" if row["state"] == "uncertain" else _RESOLVED[kind]
            report.figures[name] = report.figures.get(name, 0) + row["count"]

    async def end(self, *, within: float = PATIENCE, ended: bool = True) -> Report:
        """How every chaos test ends: all callers answered, all settled, the checker clean. Prints its figures."""
        for load in self.loads:
            load.must_be_answered(self.what_failed())
        await self.settled(within, ended=ended)
        report = await self.check(ended=ended)
        print(report)
        report.must_be_clean()
        return report

    def what_failed(self) -> str:
        """The exceptions that the gateways logged."""
        lines = [line for each in self.gateways for line in each.log.read_text(errors="replace").splitlines()]
        return "\n".join([line for line in lines if '"exception"' in line][:3]).replace("\\n", "\n")


_RESOLVED = {
    Deduplication.KEY: "uncertain, resolved by sending again under the same key",
    Deduplication.LOOKUP: "uncertain, resolved by look-up",
    Deduplication.NONE: "uncertain, resolved by what the organisation said",
}
_UNCERTAIN = """
SELECT authority_id, organisation, state, count(*) FROM deliveries AS d
WHERE state IN ('delivered', 'uncertain') AND role <> 'notice' AND EXISTS (
    SELECT FROM attempts AS a WHERE a.authority_id = d.authority_id AND a.delivery_id = d.delivery_id
    AND a.outcome IN ('uncertain', 'expired'))
GROUP BY authority_id, organisation, state
"""
_UNSETTLED = """
SELECT EXISTS (SELECT FROM deliveries WHERE state IN ('waiting', 'claimed')) OR $2 AND EXISTS (
    SELECT FROM referrals WHERE state IN ('routed', 'delivered', 'in_progress') AND priority <> 'safeguarding'
    AND authority_id || '/' || organisation <> ALL ($1::text[]))
"""
_WHAT_WAITS = """
SELECT d.authority_id, d.organisation, r.state AS referral, d.state, d.last_outcome, d.external_status, count(*),
       max(d.attempt) AS attempt, min(d.due_at - now()) AS due_in
FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)
WHERE r.state NOT IN ('resolved', 'signposted', 'triage') AND r.priority <> 'safeguarding'
   OR d.state IN ('waiting', 'claimed')
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2
"""


@contextlib.asynccontextmanager
async def world(
    folder: Path,
    database_url: str | None = None,
    *,
    proxies: bool = False,
    tls: Collection[str] = (),
    quick_ladder: bool = False,
    stages: Stages = SWIFT,
    poll_interval: float = 0.3,
    **limits: float,
) -> AsyncIterator[World]:
    """Stand-ins and a database; gateways are added by the test.

    `proxies` stand before every stand-in, and speak TLS for the authorities in `tls`.
    `limits`: of every organisation, see `quick_rules`.
    """
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o755)
    (folder / "town").mkdir()
    rules = quick_rules(folder / "rules", quick_ladder=quick_ladder, **limits)
    door = load_door(Settings(rules_dir=rules), understand=False)
    town = ChaosTown(folder / "town", door, stages=stages, poll_interval=poll_interval)
    await town.start()
    here = World(folder, rules, door, town, database_url)
    try:
        if proxies:
            await town.put_proxies_between(tls=tls)
        yield here
    finally:
        for gateway in reversed(here.gateways):
            await gateway.kill()
        await town.close()
