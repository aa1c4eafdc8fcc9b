"""Whatever staff, citizens or organisations read or change goes through here: one transaction that sees one authority."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from gateway.store.pool import Connection, Pool


@contextlib.asynccontextmanager
async def scoped(pool: Pool, authority: str, *, snapshot: bool = False) -> AsyncIterator[Connection]:
    """A transaction in which `front_door.authority` names the authority.

    With `snapshot` it only reads, and all its statements see the same moment.
    """
    isolation = "repeatable_read" if snapshot else "read_committed"
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation=isolation, readonly=snapshot),
    ):
        await connection.execute("SELECT set_config('front_door.authority', $1, true)", authority)
        yield connection
