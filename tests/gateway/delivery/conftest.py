"""Rules without the engine, and a post office made to measure."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from gateway.rules import load_door
from gateway.settings import Settings
from tests.gateway.delivery.post import Post, Scripted
from tests.gateway.store.conftest import make

__all__ = ["make"]


@pytest.fixture(scope="session")
def rules():
    """The product's own authorities and organisations; nothing here understands words."""
    return load_door(Settings(), understand=False)


@pytest.fixture
async def open_post(pool, rules, clock):
    """Open a post office with these organisations' adapters; the worklist takes everything."""
    async with AsyncExitStack() as stack:

        async def open_(adapters=None, **changes):
            adapters = {"re": Scripted(), "worklist": Scripted(), **(adapters or {})}
            return await stack.enter_async_context(Post(pool, rules, clock, adapters, **changes).by_hand())

        yield open_


@pytest.fixture
def away(server_url, database_url):
    """Inside its block this test's database ends every connection and takes none."""
    name = urlsplit(database_url).path.removeprefix("/")

    @asynccontextmanager
    async def away():
        admin = await asyncpg.connect(server_url)
        try:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            yield
        finally:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await admin.close()

    return away
