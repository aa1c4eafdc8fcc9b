"""The demo: stand-ins, gateway, a dozen requests, a table until all are delivered, and then it goes on serving."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from gateway import postgres, postgres_cluster
from gateway.clock import SystemClock
from gateway.demo.client import Caller, Front
from gateway.demo.ledgers import Effects, read_effects
from gateway.demo.people import SampleProvider
from gateway.demo.story import STORY
from gateway.demo.table import draw, keep_picture
from gateway.demo.town import Town
from gateway.errors import StartError
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.store.pool import open_pool

PATIENCE: Final = 90.0
"""Seconds until a request that is not delivered counts as failed."""


async def run(settings: Settings, *, once: bool, picture: Path | None = None) -> int:
    """Run the demo; the exit code is 1 if anything was not delivered."""
    console = Console(width=None if sys.stdout.isatty() else 176)
    data = postgres_cluster.data_folder(settings.data_dir)
    settings = msgspec.structs.replace(settings, data_dir=data)
    door = load_door(settings, understand=False)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        town = Town(data / "demo", door)
        console.print(f"Starting stand-in back ends, PostgreSQL and the gateway (data in {data}) …")
        await town.start()
        stack.callback(town.stop)
        people = await stack.enter_async_context(SampleProvider(next(iter(door.authorities))).running())
        gateway = Gateway(settings, town.connections, people, data / "demo" / "gateway.log")
        await stack.enter_async_context(gateway.running(console))
        caller = Caller(gateway.url, {})
        stack.push_async_callback(caller.close)
        if not await caller.ready(60):
            raise StartError(f"the gateway did not become ready; see {gateway.log}")
        keys = await _keys(settings, [*door.authorities])
        caller.use(keys)
        failed, table = await _tell_story(caller, console, stop, [*door.authorities])
        if picture is not None:
            keep_picture(table, picture)
        effects = await asyncio.to_thread(read_effects, data / "demo" / "ledgers")
        _report(console, effects)
        if once or stop.is_set():
            return 1 if failed or effects.twice else 0
        _say_where(console, gateway, keys, data)
        await stop.wait()
    return 0


class Gateway:
    """`front-door serve` as a child, started again if it is killed."""

    def __init__(self, settings: Settings, connections: Path, people: SampleProvider, log: Path) -> None:
        self.log = log
        self.url = f"http://{settings.host}:{settings.port}"
        self._environ = {
            **os.environ,
            "FRONT_DOOR_CONNECTIONS_FILE": str(connections),
            "FRONT_DOOR_DATA_DIR": str(settings.data_dir),
            "FRONT_DOOR_HOST": settings.host,
            "FRONT_DOOR_PORT": str(settings.port),
            "FRONT_DOOR_SIGN_IN": msgspec.json.encode([people.provider]).decode(),
        }

    @contextlib.asynccontextmanager
    async def running(self, console: Console) -> AsyncIterator[None]:
        """Keep it running; on the way out let it finish in order."""
        process = self._spawn()
        keeper = asyncio.create_task(self._keep(console, process))
        try:
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            current = self._process
            if current.poll() is None:
                current.terminate()
                await asyncio.to_thread(current.wait, 60)

    async def _keep(self, console: Console, process: subprocess.Popen[bytes]) -> None:
        quick = 0
        while True:
            began = time.monotonic()
            while process.poll() is None:  # noqa: ASYNC110  a child has no event to wait for
                await asyncio.sleep(0.1)
            quick = quick + 1 if time.monotonic() - began < 5 else 0
            if quick >= 3 or process.returncode == 2:
                console.print(f"[red]The gateway does not start:[/] {_last_line(self.log)}")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            console.print(f"[yellow]The gateway ended (exit {process.returncode}); starting it again[/]")
            process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=postgres_cluster.die_with_parent,  # noqa: PLW1509
            )
        return self._process


async def _keys(settings: Settings, authorities: list[str]) -> dict[str, str]:
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = await stack.enter_async_context(
                postgres.running(postgres_cluster.data_folder(settings.data_dir))
            )
        pool = await stack.enter_async_context(open_pool(url, size=1))
        async with pool.acquire() as connection:
            now = SystemClock().now()
            return {
                code: await create_key(connection, code, f"demo {now:%H:%M:%S}", now) for code in authorities
            }


async def _tell_story(
    caller: Caller, console: Console, stop: asyncio.Event, authorities: list[str]
) -> tuple[int, Table]:
    """Send the requests and show them until all are delivered; how many were not, and the last table."""
    organisations = {code: await caller.organisations(code) for code in authorities}
    began = time.monotonic()
    name = secrets.token_hex(8)
    fronts: list[Front] = []
    with Live(draw(fronts, organisations), console=console, refresh_per_second=4) as live:
        for number, (authority, body) in enumerate(STORY):
            fronts.append(await caller.send(authority, body, f"demo-{name}-{number}"))
            live.update(draw(fronts, organisations))
        while not stop.is_set():
            for front in fronts:
                if not front.delivered:
                    await caller.refresh(front)
            live.update(draw(fronts, organisations))
            if all(front.delivered for front in fronts) or time.monotonic() - began > PATIENCE:
                break
            await asyncio.sleep(0.4)
    failed = [front.reference for front in fronts if not front.delivered]
    if failed:
        console.print(f"[red]Not delivered: {', '.join(failed)}[/]")
    else:
        console.print(f"All {len(fronts)} delivered, with status back, in {time.monotonic() - began:.1f} s.")
    return len(failed), draw(fronts, organisations)


def _report(console: Console, effects: Effects) -> None:
    colour = "red" if effects.twice else "green"
    console.print(
        f"[{colour}]The stand-ins' own ledgers: {effects.cases} cases in all, {effects.twice} of them twice.[/]"
    )


def _say_where(console: Console, gateway: Gateway, keys: dict[str, str], data: Path) -> None:
    authority = next(iter(keys))
    console.print(
        f"\nStill serving. Ctrl-C ends it; everything is kept in [bold]{data}[/].\n"
        f"  Pages      {gateway.url}/\n"
        f"  Console    {gateway.url}/console  (sign in as one of the sample people, this demo only)\n"
        f"  API docs   {gateway.url}/api/docs\n"
        f"  Metrics    {gateway.url}/metrics\n"
        f"  Try it     {line_to_try(gateway.url, keys[authority])}\n",
        soft_wrap=True,
        highlight=False,
    )


def line_to_try(url: str, key: str) -> str:
    """A command that sends a request, to be typed as it is."""
    return (
        f"curl -s {url}/api/v1/requests \\\n               -H 'Authorization: Bearer {key}' \\\n"
        "               -H 'Content-Type: application/json' \\\n"
        """               -d '{"text": "the lamp post outside my house flickers all night"}'"""
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "no word in its log"
