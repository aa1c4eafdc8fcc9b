"""Fixtures for every test: a clock that is set by hand, and a real PostgreSQL with a fresh database for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from gateway import logs, postgres
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.migrate import migrate
from gateway.store.pool import Pool, open_pool
from routing_rules.door import Door

settings.register_profile("steady", deadline=None)  # a shared machine is no reason to fail
settings.load_profile("steady")

logs.set_up()  # what is logged in tests is what is logged in the field

TEMPLATE = f"front_door_template_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
"""A name of its own for each worker: those given one server by TEST_DATABASE_URL share it."""


class HandClock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
        self.ticks = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += timedelta(seconds=seconds)
        self.ticks += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of material that is not part of the project; tests that want it skip without it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared folder is not there")
    return folder


@pytest.fixture(scope="session")
def open_folder() -> AsyncIterator[Path]:
    """A folder that the database's own user may enter (pytest's tmp_path is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="front-door-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def server_url(open_folder: Path) -> AsyncIterator[str]:
    """A PostgreSQL server: the one in TEST_DATABASE_URL, or an embedded one of our own.

    Holds a migrated database that each test's own is copied from.
    """
    async with AsyncExitStack() as stack:
        url = os.environ.get("TEST_DATABASE_URL")
        if not url:
            folder = open_folder / "server"
            folder.mkdir()
            url = await stack.enter_async_context(postgres.running(folder))
            await _in_a_hurry(url)
        admin = await asyncpg.connect(url)
        await admin.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        await admin.execute(f"CREATE DATABASE {TEMPLATE}")
        template = await asyncpg.connect(with_database(url, TEMPLATE))
        await migrate(template)
        await template.close()
        await admin.close()
        yield url


async def _in_a_hurry(url: str) -> None:
    """Have the server not wait for the disk: no test pulls the plug, and databases come and go much faster."""
    admin = await asyncpg.connect(url)
    for setting in ("fsync", "full_page_writes"):
        await admin.execute(f"ALTER SYSTEM SET {setting} = off")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.close()


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, parts.fragment))


@pytest.fixture
async def empty_database_url(server_url: str) -> AsyncIterator[str]:
    """A database with nothing in it, for this test alone."""
    async with _database(server_url, "template1") as url:
        yield url


@pytest.fixture
async def database_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database for this test alone."""
    async with _database(server_url, TEMPLATE) as url:
        yield url


def migrated(server_url: str) -> AbstractAsyncContextManager[str]:
    """A migrated database, for a fixture that several tests share."""
    return _database(server_url, TEMPLATE)


class _database:  # noqa: N801
    def __init__(self, server_url: str, template: str) -> None:
        self.server_url, self.template = server_url, template
        self.name = f"test_{uuid.uuid4().hex}"

    async def __aenter__(self) -> str:
        admin = await asyncpg.connect(self.server_url)
        await admin.execute(f"CREATE DATABASE {self.name} TEMPLATE {self.template} STRATEGY file_copy")
        await admin.close()
        return with_database(self.server_url, self.name)

    async def __aexit__(self, *_: object) -> None:
        admin = await asyncpg.connect(self.server_url)
        await admin.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        await admin.close()


@pytest.fixture(scope="session")
def door() -> Door:
    """The product's own rules and catalogue, with the engine."""
    return load_door(Settings())


@contextmanager
def no_blocking() -> Iterator[None]:
    """Within it, whoever of ours holds the event loop fails: files, sleeps, locks. The demo and the stand-ins may."""
    ours = ["gateway", "routing_rules", "adapters"]
    with blockbuster_ctx(ours, excluded_modules=["gateway.demo", "adapters.sandbox"]) as guard:
        for reading in ("os.stat", "io.TextIOWrapper.read", "io.BufferedReader.read"):
            if reading in guard.functions:  # a traceback in the log shows lines of source
                guard.functions[reading].can_block_in("linecache.py", {"checkcache", "updatecache"})
        for (
            function
        ) in guard.functions.values():  # looking for libpq's password and key files, once a connection
            function.can_block_in("asyncpg/connect_utils.py", {"_parse_connect_dsn_and_args"})
        yield


@pytest.fixture(name="no_blocking")
def no_blocking_fixture() -> Callable[[], AbstractContextManager[object]]:
    """`with no_blocking(): …` once everything has started."""
    return no_blocking


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=8) as pool:
        yield pool
