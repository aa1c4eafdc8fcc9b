"""The command `front-door`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

import gateway
from gateway.commands.later import Later
from gateway.errors import GatewayError
from gateway.rules import load_door
from gateway.settings import Settings, load

if TYPE_CHECKING:
    from gateway.store.pool import Pool

EXIT_UNUSABLE = 2

_WHERE = {
    "alarms": "gateway.commands.care:alarms",
    "audit": "gateway.commands.audit:audit",
    "check": "gateway.commands.rules:check",
    "classify": "gateway.commands.rules:classify",
    "corrections": "gateway.commands.corrections:corrections",
    "deliveries": "gateway.commands.care:deliveries",
    "evaluate": "gateway.commands.understanding:evaluate",
    "keys": "gateway.commands.keys:keys",
    "privacy": "gateway.commands.privacy:privacy",
    "replay": "gateway.commands.replay:replay",
    "train": "gateway.commands.understanding:train",
}
_SILENT = frozenset({"check", "classify", "evaluate", "train"})
"""Commands in which nothing logs: they start faster without what writes logs."""


class _Group(Later):
    """Errors that an operator can mend are one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            click.echo(f"front-door: {error}", err=True)
            sys.exit(EXIT_UNUSABLE)


@click.group(cls=_Group, where=_WHERE)
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
    if ctx.invoked_subcommand not in _SILENT:
        from gateway import logs  # noqa: PLC0415  not for those that are silent

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
    import uvloop  # noqa: PLC0415  the other commands start faster without it

    from gateway.app import build  # noqa: PLC0415
    from gateway.serve import serve as run  # noqa: PLC0415

    settings = _with(settings, host=host, port=port)
    app = build(settings, load_door(settings), os.environ)
    uvloop.run(run(app, settings, unready_for=unready_for))


@main.command()
@click.option("--once", is_flag=True, help="End after the table; exit code 1 if anything was not delivered.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--picture", type=click.Path(path_type=Path), help="Keep the table as an SVG picture.")
@click.pass_obj
def demo(settings: Settings, once: bool, port: int | None, picture: Path | None) -> None:  # noqa: FBT001  click passes it so
    """Show the whole way on this machine, with stand-in back ends."""
    import asyncio  # noqa: PLC0415

    from gateway.demo.run import run  # noqa: PLC0415

    sys.exit(asyncio.run(run(_with(settings, port=port), once=once, picture=picture)))


@main.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date, before the gateway starts."""
    from gateway.commands.database import with_database  # noqa: PLC0415
    from gateway.store.migrate import migrate as run_migrations  # noqa: PLC0415

    async def run(pool: Pool) -> list[str]:
        async with pool.acquire() as connection:
            return await run_migrations(connection)

    names = with_database(settings, run, migrated=False)
    click.echo("\n".join(f"applied {name}" for name in names) or "nothing to do")


def _with(settings: Settings, **changes: Any) -> Settings:
    return replace(settings, **{name: value for name, value in changes.items() if value is not None})
