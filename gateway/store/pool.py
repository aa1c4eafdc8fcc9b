"""Connections: one deadline for each host, the last good host first, and no reset round trip on release.

A database that freezes, or whose network swallows everything, says nothing: whoever waits for it would wait until the
command's own limit. So one connection feels its pulse, and when that stops all connections are dropped at once: what
was under way fails as "outcome unknown", and the next connection goes to the host that answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import msgspec
import structlog

from gateway.errors import StartError, StoreUnavailable
from gateway.meters import Spread

log = structlog.get_logger()

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

AWAY = (
    StoreUnavailable,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was lost in the middle of a statement
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)
"""What asyncpg and `Connector` raise when the database is away, full, or no longer the primary."""

# asyncpg logs each lost connection at ERROR with a traceback; the pool replaces it and we count it.
logging.getLogger("asyncpg").setLevel(logging.CRITICAL)


class Connector:
    """Opens connections to the first host that answers as a primary.

    asyncpg's own time limit covers the whole host list, so that a frozen first host would hide a healthy second
    one; here each host has `timeout` seconds of its own.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._urls = single_host_urls(url)
        self.timeout = timeout
        self._last_good = 0
        self._opened: list[weakref.WeakSet[Connection]] = [weakref.WeakSet() for _ in self._urls]

    async def __call__(self, *_: Any, **options: Any) -> Connection:
        """Open one connection. Raises `StoreUnavailable` when no host answers."""
        order = [self._last_good, *(n for n in range(len(self._urls)) if n != self._last_good)]
        failure: Exception | None = None
        for number in order:
            try:
                connection = await self._open(self._urls[number], options)
            except (*AWAY, asyncpg.PostgresError, asyncpg.TargetServerAttributeNotMatched) as error:
                failure = error
                continue
            if number != self._last_good:  # whoever still waits for an answer from elsewhere will not get one
                self._last_good = number
                self._drop_all_but(number)
            self._opened[number].add(connection)
            return connection
        raise StoreUnavailable("no database host answers") from failure

    @property
    def hosts(self) -> int:
        """How many hosts there are."""
        return len(self._urls)

    def drop_all(self) -> int:
        """End every connection without asking its server; how many there were."""
        return self._drop_all_but(None)

    def _drop_all_but(self, kept: int | None) -> int:
        dropped = 0
        for number, opened in enumerate(self._opened):
            if number == kept:
                continue
            for connection in [each for each in opened if not each.is_closed()]:
                # `terminate` would pull the protocol away under whoever is using it, who then meets an AttributeError.
                # Cut off here, they meet what they are prepared for: a connection that was lost.
                connection._transport.abort()  # noqa: SLF001
                dropped += 1
            opened.clear()
        return dropped

    async def _open(self, url: str, options: dict[str, Any]) -> Connection:
        options.pop("loop", None)
        role = options.pop("role", None)
        async with asyncio.timeout(self.timeout):
            connection = await asyncpg.connect(
                url,
                **options,
                timeout=self.timeout,
                target_session_attrs="read-write",
                server_settings={
                    "application_name": "front-door",
                    "timezone": "UTC",
                    "jit": "off",
                    **({} if role is None else {"role": role}),
                },
            )
            try:
                await connection.set_type_codec(
                    "jsonb",
                    schema="pg_catalog",
                    encoder=lambda value: msgspec.json.encode(value).decode(),
                    decoder=msgspec.json.decode,
                )
            except BaseException:
                connection.terminate()
                raise
        return connection


def single_host_urls(url: str) -> list[str]:
    """One URL for each host in a libpq-style list `postgresql://user@a:5432,b:5433/name`.

    Raises `StartError` for what is no PostgreSQL URL, without repeating it (it may hold a password).
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StartError("DATABASE_URL is not a URL") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise StartError("DATABASE_URL must begin with postgresql://")
    credentials, at, hosts = parts.netloc.rpartition("@")
    query = urlencode([(k, v) for k, v in parse_qsl(parts.query) if k != "target_session_attrs"])
    return [
        urlunsplit((parts.scheme, f"{credentials}{at}{host}", parts.path, query, ""))
        for host in hosts.split(",")
    ]


async def _keep(_: Any) -> None:
    """Release without `RESET ALL`: our sessions change no settings. Worth 19 to 42 % of throughput."""


@contextlib.asynccontextmanager
async def open_pool(
    url: str, *, size: int, timeout: float = 5.0, role: str | None = None
) -> AsyncIterator[Pool]:
    """A pool that opens lazily, so that the gateway starts and says what is wrong while the database is away.

    `role`: the database role that its connections take (`gateway.store.roles`); unless given, the user of the URL.
    """
    async with (
        connecting(url, timeout=timeout) as connector,
        pool_of(connector, size=size, role=role) as pool,
    ):
        yield pool


@contextlib.asynccontextmanager
async def connecting(url: str, *, timeout: float = 5.0) -> AsyncIterator[Connector]:
    """What opens connections for one or several pools, and drops them all when the server's pulse stops."""
    connector = Connector(url, timeout)
    pulse = asyncio.create_task(_feel_pulse(connector), name="database-pulse")
    try:
        yield connector
    finally:
        pulse.cancel()
        await asyncio.gather(pulse, return_exceptions=True)


class _WatchedPool(asyncpg.Pool):  # type: ignore[misc]  # asyncpg has no types
    """Notes how long whoever wants a connection waits for one."""

    def __init__(self, waits: Spread | None, **options: Any) -> None:
        super().__init__(**options)
        self._waits = waits

    async def _acquire(self, timeout: float | None) -> Any:
        if self._waits is None:
            return await super()._acquire(timeout)
        with self._waits.time():
            return await super()._acquire(timeout)


@contextlib.asynccontextmanager
async def pool_of(
    connector: Connector, *, size: int, role: str | None = None, waits: Spread | None = None
) -> AsyncIterator[Pool]:
    """A pool of connections in one database role. `waits`: where to note the seconds until each connection was had."""
    pool = _WatchedPool(
        waits,
        min_size=0,
        max_size=size,
        max_queries=50_000,
        connect=connector,
        setup=None,
        init=None,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        reset=_keep,
        command_timeout=60,
        max_inactive_connection_lifetime=300,
        role=role,
    )
    await pool
    try:
        yield pool
    finally:
        pool.terminate()


async def _feel_pulse(connector: Connector) -> None:
    """Drop all connections when the server no longer answers within its deadline, or no longer takes writes."""
    probe: Connection | None = None
    try:
        while True:
            await asyncio.sleep(connector.timeout / 2)
            try:
                async with asyncio.timeout(connector.timeout * connector.hosts):
                    if probe is None or probe.is_closed():
                        probe = await connector()
                async with asyncio.timeout(connector.timeout):
                    if await probe.fetchval("SHOW transaction_read_only") == "off":
                        continue
                silence = "it takes no writes"
            except (*AWAY, asyncpg.PostgresError):
                silence = "it does not answer"
            if dropped := connector.drop_all():
                log.warning("the database's connections are dropped", because=silence, connections=dropped)
    finally:
        if probe is not None:
            probe.terminate()


@contextlib.contextmanager
def unavailable_is_clear() -> Any:
    """Turn asyncpg's many ways of saying "away" into `StoreUnavailable`."""
    try:
        yield
    except StoreUnavailable:
        raise
    except AWAY as error:
        raise StoreUnavailable from error
