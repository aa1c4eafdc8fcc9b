"""Whatever staff, citizens or organisations read or change goes through here: one transaction that sees one authority."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from gateway.store.pool import Connection, Pool
from gateway.store.roles import SEARCH, STAFF


@contextlib.asynccontextmanager
async def scoped(
    pool: Pool, authority: str, *, organisation: str | None = None, snapshot: bool = False
) -> AsyncIterator[Connection]:
    """A transaction that sees and writes one authority's rows, whatever its statements ask for.

    With `organisation`, only what is that organisation's own (`Caller.organisation`). With `snapshot` it only reads, and
    all its statements see the same moment.
    """
    async with _named(pool, authority, STAFF, organisation, snapshot=snapshot) as connection:
        yield connection


@contextlib.asynccontextmanager
async def searching(pool: Pool, authority: str) -> AsyncIterator[Connection]:
    """A reading transaction over the columns that migrations made `searchable`, which indexes for likeness need.

    Here no policy filters: the statement must itself say `authority_id = current_setting('front_door.authority')`, select
    ids alone, and what it found is read through `scoped`.
    """
    async with _named(pool, authority, SEARCH, None, snapshot=False) as connection:
        yield connection


@contextlib.asynccontextmanager
async def as_searcher(connection: Connection) -> AsyncIterator[None]:
    """For a few statements of a `scoped` transaction, what `searching` may: they see what it has written so far."""
    await connection.execute("SELECT set_config('role', $1, true)", SEARCH)
    yield  # after a failure the transaction is over, and the role with it
    await connection.execute("SELECT set_config('role', $1, true)", STAFF)


@contextlib.asynccontextmanager
async def _named(
    pool: Pool, authority: str, role: str, organisation: str | None, *, snapshot: bool
) -> AsyncIterator[Connection]:
    isolation = "repeatable_read" if snapshot else "read_committed"
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation=isolation, readonly=snapshot),
    ):
        await connection.execute(
            "SELECT set_config('role', $1, true), set_config('front_door.authority', $2, true),"
            " set_config('front_door.organisation', $3, true)",
            *(role, authority, organisation or ""),
        )
        yield connection


async def name_authority(connection: Connection, authority: str) -> None:
    """Have the transaction under way see this authority, in whichever role it is: for an owner's own commands."""
    await connection.execute("SELECT set_config('front_door.authority', $1, true)", authority)
