"""The command `front-door`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

import click
import uvloop
from msgspec.structs import replace

import gateway
from gateway import logs, postgres
from gateway.clock import SystemClock
from gateway.errors import GatewayError, NotFound
from gateway.rules import load_door
from gateway.settings import Settings, load
from gateway.store.keys import create_key, list_keys, revoke_key
from gateway.store.migrate import migrate
from gateway.store.pool import Pool, open_pool, unavailable_is_clear

T = TypeVar("T")

EXIT_UNUSABLE = 2


class _Group(click.Group):
    """Errors that an operator can mend are one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            click.echo(f"front-door: {error}", err=True)
            sys.exit(EXIT_UNUSABLE)


@click.group(cls=_Group)
@click.version_option(gateway.__version__, prog_name="front-door")
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    envvar="FRONT_DOOR_SETTINGS",
    help="A TOML file of settings.",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the embedded database lives.")
@click.option(
    "--rules-dir", type=click.Path(path_type=Path), help="A folder with services/ and authorities/."
)
@click.pass_context
def main(ctx: click.Context, file: Path | None, data_dir: Path | None, rules_dir: Path | None) -> None:
    """One door for every public service in a place."""
    environ = {name: value for name, value in os.environ.items() if name != "FRONT_DOOR_SETTINGS"}
    settings = load(environ, file, data_dir=data_dir, rules_dir=rules_dir)
    logs.set_up(settings.log_level)
    ctx.obj = settings


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--unready-for", default=0.0, help="Seconds to answer 'not ready' before closing, for load balancers."
)
@click.pass_obj
def serve(settings: Settings, host: str | None, port: int | None, unready_for: float) -> None:
    """Run the gateway."""
    from gateway.app import build  # noqa: PLC0415  the other commands start faster without it
    from gateway.serve import serve as run  # noqa: PLC0415

    settings = _with(settings, host=host, port=port)
    app = build(settings, load_door(settings), os.environ)
    uvloop.run(run(app, settings, unready_for=unready_for))


@main.command()
@click.option("--once", is_flag=True, help="End after the table; exit code 1 if anything was not delivered.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.")
@click.pass_obj
def demo(settings: Settings, once: bool, port: int | None) -> None:  # noqa: FBT001  click passes it so
    """Show the whole way on this machine, with stand-in back ends."""
    from gateway.demo.run import run  # noqa: PLC0415

    sys.exit(asyncio.run(run(_with(settings, port=port), once=once)))


@main.command("classify")
@click.argument("file", type=click.File("rb"), default="-")
@click.pass_obj
def classify_command(settings: Settings, file: BinaryIO) -> None:
    """Read JSON lines {"text": …, "authority": …, "postcode"?: …} and write what would be done with each."""
    from gateway.classify import classify  # noqa: PLC0415

    door = load_door(settings)
    out = sys.stdout.buffer
    for answer in classify(door, file, SystemClock().now()):
        out.write(answer + b"\n")
    out.flush()


@main.command("migrate")
@click.pass_obj
def migrate_command(settings: Settings) -> None:
    """Bring the database's schema up to date, before the gateway starts."""

    async def run(pool: Pool) -> list[str]:
        async with pool.acquire() as connection:
            return await migrate(connection)

    names = _with_database(settings, run, migrated=False)
    click.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


@main.group()
def keys() -> None:
    """API keys for an authority's software."""


@keys.command("create")
@click.option("--authority", required=True)
@click.option("--name", required=True, help="What uses it; shown in every event it causes.")
@click.pass_obj
def keys_create(settings: Settings, authority: str, name: str) -> None:
    """Make a key and print it. It is shown this once."""
    _known_authority(settings, authority)

    async def run(pool: Pool) -> str:
        async with pool.acquire() as connection:
            return await create_key(connection, authority, name, SystemClock().now())

    click.echo(_with_database(settings, run))


@keys.command("list")
@click.option("--authority", required=True)
@click.pass_obj
def keys_list(settings: Settings, authority: str) -> None:
    """List an authority's keys."""
    _known_authority(settings, authority)
    for key_id, name, made, revoked in _with_database(settings, lambda pool: list_keys(pool, authority)):
        click.echo(f"{key_id}  {made:%Y-%m-%d %H:%M}  {'revoked' if revoked else 'live   '}  {name}")


@keys.command("revoke")
@click.option("--authority", required=True)
@click.argument("key_id", type=click.UUID)
@click.pass_obj
def keys_revoke(settings: Settings, authority: str, key_id: UUID) -> None:
    """Make a key useless, at the latest after 30 seconds."""
    now = SystemClock().now()
    if not _with_database(settings, lambda pool: revoke_key(pool, authority, key_id, now)):
        raise NotFound(f"{authority} has no live key {key_id}")
    click.echo("revoked")


def _known_authority(settings: Settings, authority: str) -> None:
    door = load_door(settings, understand=False)
    if authority not in door.authorities:
        raise NotFound(
            f"there is no authority {authority!r}; there are: {', '.join(sorted(door.authorities))}"
        )


def _with_database(
    settings: Settings, work: Callable[[Pool], Coroutine[Any, Any, T]], *, migrated: bool = True
) -> T:
    """Run `work` with the database of these settings: the one given, or the embedded one, running already or not."""

    async def run() -> T:
        async with AsyncExitStack() as stack:
            url = settings.database_url
            if url is None:
                url = await stack.enter_async_context(
                    postgres.running(postgres.data_folder(settings.data_dir))
                )
            pool = await stack.enter_async_context(open_pool(url, size=2, timeout=settings.connect_timeout))
            if migrated:
                from gateway.app import prepare  # noqa: PLC0415

                await prepare(pool)
            with unavailable_is_clear():
                return await work(pool)

    return asyncio.run(run())


def _with(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, **{name: value for name, value in changes.items() if value is not None})
