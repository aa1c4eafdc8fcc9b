"""Running something against the database of the settings: the one given, or the embedded one, running already or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from rapidfuzz import process

from gateway import postgres, postgres_cluster
from gateway.errors import NotFound
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.pool import Pool, connecting, pool_of, unavailable_is_clear
from gateway.store.prepare import prepare
from gateway.store.roles import STAFF
from routing_rules.authority import Authority

T = TypeVar("T")


def with_database(
    settings: Settings, work: Callable[[Pool], Coroutine[Any, Any, T]], *, migrated: bool = True
) -> T:
    """Run `work` with a pool that reads and writes through `scoped`; first bring the schema up to date.

    With `migrated` false the schema stays as it is, and the pool is the database's owner's.
    """

    async def run() -> T:
        async with AsyncExitStack() as stack:
            url = settings.database_url
            if url is None:
                folder = postgres_cluster.data_folder(settings.data_dir)
                url = await stack.enter_async_context(postgres.running(folder))
            connector = await stack.enter_async_context(connecting(url, timeout=settings.connect_timeout))
            if migrated:
                async with pool_of(connector, size=1) as owner:
                    await prepare(owner)
            role = STAFF if migrated else None
            pool = await stack.enter_async_context(pool_of(connector, size=2, role=role))
            with unavailable_is_clear():
                return await work(pool)

    return asyncio.run(run())


def known_authority(settings: Settings, authority: str) -> None:
    """Raise `NotFound`, naming those there are, unless the rules know this authority."""
    the_authority(settings, authority)


def the_authority(settings: Settings, code: str) -> Authority:
    """An authority of the rules. Raises `NotFound` with the nearest right name."""
    authorities = load_door(settings, understand=False).authorities
    if code not in authorities:
        raise NotFound(f"there is no authority {code!r}{_nearest(code, authorities)}")
    return authorities[code]


def known_organisation(authority: Authority, code: str) -> None:
    """Raise `NotFound`, with the nearest right name, unless the authority has it (or it is a subscription's)."""
    if code not in authority.organisations and not code.startswith("subscription:"):
        known = _nearest(code, authority.organisations)
        raise NotFound(f"{authority.code} has no organisation {code!r}{known}")


def _nearest(code: str, names: Iterable[str]) -> str:
    names = sorted(names)
    nearest = process.extractOne(code, names, score_cutoff=60)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; there are: {', '.join(names)}"
