"""How every partner is served: uvloop and aiohttp like the front door itself, so that only what is compared differs."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket

from aiohttp import web


def arguments(description: str) -> argparse.ArgumentParser:
    """The options every partner takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    return parser


async def serve(app: web.Application, port: int) -> None:
    """Print the address once it listens; serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    try:
        await web.SockSite(runner, listener).start()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201  the parent reads it
        await stop.wait()
    finally:
        await runner.cleanup()
