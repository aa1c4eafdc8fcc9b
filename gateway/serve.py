"""Runs the application: one listening socket, and an orderly way out.

On SIGTERM: not ready → (a moment for load balancers) → no new connections → answer what is in flight → stop claiming →
finish what is being delivered → commit → close. Anything that does not finish is safe: it is still in the store.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal

import structlog
from aiohttp import web

from gateway.app import DRAINING
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
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=settings.drain,
        logger=logging.getLogger("aiohttp"),
    )
    try:
        await runner.setup()
        await _listen(runner, settings)
        log.info("serving", url=f"http://{settings.host}:{settings.port}")
        await stop.wait()
        log.info("shutting down")
        app[DRAINING].set()
        await asyncio.sleep(unready_for)
    finally:
        await runner.cleanup()
    log.info("ended")


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {settings.port} on {settings.host} is in use; choose another with --port or FRONT_DOOR_PORT"
            ) from None
        raise StartError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
