"""Group commit's writers outlive whatever happens to a commit, and nobody who waits is forgotten."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gateway.errors import StoreUnavailable
from gateway.store.group import GroupCommit


class Scripted:
    """Writes numbers; the first time, after whatever it was told to do first."""

    def __init__(self, first):
        self.first = first
        self.written = []

    async def __call__(self, connection, batch):
        first, self.first = self.first, None
        if first is not None:
            await first(connection)
        self.written += batch
        return [True] * len(batch)


async def cancelled(_):
    """As a command ends whose connection is torn down under it."""
    raise asyncio.CancelledError


async def torn_down(connection):
    """As when the pool drops all connections of a server that fell silent."""
    connection.terminate()
    await connection.fetch("SELECT 1")


async def lost(_):
    """As when the server is killed."""
    raise asyncpg.ConnectionDoesNotExistError("gone")


@pytest.mark.parametrize("first", [cancelled, torn_down, lost])
async def test_a_commit_whose_outcome_is_unknown_leaves_its_writer_alive(pool, first):
    """Who waited is told to try again, and the next one is written."""
    write = Scripted(first)
    commits = GroupCommit(pool, write, batch=8, most_waiting=8)
    async with commits.running(1):
        with pytest.raises(StoreUnavailable):
            await commits.submit(1)
        async with asyncio.timeout(10):
            assert await commits.submit(2)
    assert write.written == [2]
