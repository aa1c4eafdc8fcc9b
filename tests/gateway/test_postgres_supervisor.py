"""The supervisor of the embedded PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import asyncpg
import pytest

from gateway.postgres import Server


@pytest.fixture
async def server(open_folder):
    """A running server, kept running."""
    folder = open_folder / "supervised"
    folder.mkdir()
    server = Server(folder)
    await server.start()
    keeping = asyncio.create_task(server.keep_running())
    yield server
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    await server.stop()


async def test_a_server_that_cannot_start_for_a_while_is_tried_until_it_can(server):
    """As on a full disk: it fails again and again, and is there when there is room again."""
    broken = server.cluster.data / "postgresql.auto.conf"
    broken.write_text("no_such_setting = 1\n")
    os.kill(server.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        while b"no_such_setting" not in server._last_words():
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)  # the supervisor's pause: it has met its own failure by then
    broken.write_text("")
    async with asyncio.timeout(30):
        while True:
            try:
                connection = await asyncpg.connect(server.url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
            else:
                break
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
