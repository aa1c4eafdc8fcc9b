"""Making the database ready for this version, with errors that an operator can act on."""

from __future__ import annotations

import asyncpg
import structlog

from gateway.errors import StartError, StoreUnavailable
from gateway.store.migrate import migrate
from gateway.store.pool import AWAY, Pool
from gateway.store.roles import check_walls

log = structlog.get_logger()


async def prepare(pool: Pool) -> None:
    """Bring the schema up to date, and see that authorities are walled off. Raises `StartError`."""
    try:
        async with pool.acquire() as connection:
            for name in await migrate(connection):
                log.info("migration applied", name=name)
        await check_walls(pool)
    except (*AWAY, StoreUnavailable) as error:
        raise StartError(f"the database cannot be reached: {error.__cause__ or error}") from None
    except asyncpg.PostgresError as error:
        raise StartError(f"the database cannot be used: {error}") from None
