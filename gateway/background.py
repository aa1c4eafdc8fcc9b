"""What a gateway does again and again beside answering: it outlives a database that is away, and its own faults."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import structlog

from gateway.store.pool import AWAY

log = structlog.get_logger()


class Words(msgspec.Struct, frozen=True):
    """What the log says of it."""

    waits: str
    """While the database is away."""
    fails: str
    """Of any other fault, with the traceback."""
    urgent: bool = False
    """Whether waiting is a warning."""


@contextlib.asynccontextmanager
async def repeating(
    what: Callable[[], Awaitable[object]], seconds: float, *, name: str, words: Words, at_once: bool = True
) -> AsyncIterator[None]:
    """Do it, and again `seconds` after each end, until the context is left; the first time `at_once` or after them too."""
    task = asyncio.create_task(_for_ever(what, seconds, words, at_once=at_once), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _for_ever(
    what: Callable[[], Awaitable[object]], seconds: float, words: Words, *, at_once: bool
) -> None:
    if not at_once:
        await asyncio.sleep(seconds)
    while True:
        try:
            await what()
        except AWAY:
            log.log(logging.WARNING if words.urgent else logging.INFO, words.waits)
        except Exception:
            log.exception(words.fails)
        await asyncio.sleep(seconds)
