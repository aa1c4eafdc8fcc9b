"""Runs the application: one listening socket, and an orderly way out.

On SIGTERM: not ready → (a moment for load balancers) → no new connections → answer what is in flight → stop claiming →
finish what is being delivered → commit → close. Anything that does not finish is safe: it is still in the store.
On SIGHUP: read the rules and the catalogue again, and use them if they check.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from gateway.app import DRAINING, RELOAD
from gateway.errors import StartError
from gateway.settings import Settings

log = structlog.get_logger()


async def serve(app: web.Application, settings: Settings, *, unready_for: float = 0.0) -> None:
    """Serve until SIGTERM or SIGINT. Raises `StartError` if it cannot start, the port being in use for one.

    `unready_for`: seconds between saying "not ready" and closing the socket; give a load balancer's check interval.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, app[RELOAD].ask)
    answering = _Answering()
    app.middlewares.insert(0, answering.count)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=settings.drain,
        logger=logging.getLogger("aiohttp"),
    )
    try:
        await runner.setup()
        site = await _listen(runner, settings)
        log.info("serving", url=f"http://{settings.host}:{settings.port}")
        await stop.wait()
        log.info("shutting down")
        app[DRAINING].set()
        await asyncio.sleep(unready_for)
        await site.stop()
        await answering.done(settings.drain)
    finally:
        await runner.cleanup()
    log.info("ended")


class _Answering:
    """Counts what is being answered. aiohttp reads no more of a request once it shuts down, so we wait for it before."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @web.middleware
    async def count(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Be the outermost middleware."""
        self._count += 1
        self._none.clear()
        try:
            return await handler(request)
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def done(self, most: float) -> None:
        """Return once nothing is being answered, at the latest after so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), most)


async def _listen(runner: web.AppRunner, settings: Settings) -> web.TCPSite:
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {settings.port} on {settings.host} is in use; choose another with --port or FRONT_DOOR_PORT"
            ) from None
        raise StartError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    return site
