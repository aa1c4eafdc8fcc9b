"""`front-door replay`: what changed rules would have done with what came before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec
from msgspec.structs import replace as with_changes
from rich.table import Table

from gateway.commands.corrections import SINCE, aware, console
from gateway.commands.database import with_database
from gateway.errors import GatewayError, NotFound
from gateway.learning.replay import Moved, Tally, compare, decide_again
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store import decisions
from gateway.store.decisions import Past
from gateway.store.pool import Connection, Pool
from gateway.store.roles import COURIER
from routing_rules.door import Door


@click.command()
@click.option("--since", required=True, type=SINCE, help="From this day on (UTC).")
@click.option("--authority", help="Only this one.")
@click.option(
    "--rules-dir", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The changed rules."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each need that would go elsewhere.")
@click.option(
    "--show-text", is_flag=True, help="Show the citizens' words. Mind who looks over your shoulder."
)
@click.pass_obj
def replay(  # click passes them so
    settings: Settings,
    since: datetime,
    authority: str | None,
    rules_dir: Path | None,
    as_json: bool,  # noqa: FBT001
    show_text: bool,  # noqa: FBT001
) -> None:
    """Run stored requests through changed rules and show what would go elsewhere. Changes nothing."""
    if rules_dir is not None:
        settings = with_changes(settings, rules_dir=rules_dir)
    door = load_door(settings)
    if authority is not None and authority not in door.authorities:
        raise NotFound(f"there is no authority {authority!r} in these rules")
    begin = aware(since)
    assert begin is not None
    show = _as_json(show_text=show_text) if as_json else _words if show_text else _nothing

    async def run(pool: Pool) -> Tally:
        return await _through(pool, door, authority, begin, show)

    tally = with_database(settings, run, migrated=False)
    if not as_json:
        console().print(_table(tally))
    share = 100 * tally.moved / tally.requests if tally.requests else 0.0
    summary = f"{tally.requests} requests since {begin:%Y-%m-%d %H:%M} UTC; by {door.engine}"
    summary += f" {tally.moved} would go elsewhere ({share:.1f} %)"
    click.echo(summary, err=as_json)


Show = Callable[[Past, list[Moved]], None]


async def _through(pool: Pool, door: Door, authority: str | None, begin: datetime, show: Show) -> Tally:
    tally = Tally()
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await _as_courier(connection)
        async for past in _all(connection, authority, begin):
            moved = compare(past.decision, decide_again(past, door))
            tally.add(past, moved)
            if moved:
                show(past, moved)
    return tally


async def _as_courier(connection: Connection) -> None:
    """Take the role that reads every authority's requests."""
    try:
        await connection.execute("SELECT set_config('role', $1, true)", COURIER)
    except asyncpg.PostgresError:
        raise _no_requests() from None


def _no_requests() -> GatewayError:
    return GatewayError("this database has no requests: front-door migrate was never run on it")


async def _all(connection: Connection, authority: str | None, begin: datetime) -> AsyncIterator[Past]:
    try:
        for code in [authority] if authority else await decisions.authorities(connection):
            async for past in decisions.since(connection, code, begin):
                yield past
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        raise _no_requests() from None


def _table(tally: Tally) -> Table:
    table = Table(title="What would go elsewhere")
    for heading in ("before", "after", "needs", "for example"):
        table.add_column(heading, justify="right" if heading == "needs" else "left")
    for line in tally.lines():
        table.add_row(
            str(line.moved.before), str(line.moved.after), str(line.count), ", ".join(line.references)
        )
    return table


def _as_json(*, show_text: bool) -> Show:
    def show(past: Past, moved: list[Moved]) -> None:
        for one in moved:
            line: dict[str, Any] = {
                "reference": past.reference,
                "authority": past.authority_id,
                "at": past.created_at,
                "before": one.before,
                "after": one.after,
            }
            if show_text:
                line["text"] = past.text
            click.echo(msgspec.json.encode(line))

    return show


def _words(past: Past, _: list[Moved]) -> None:
    click.echo(f"{past.reference}  {' '.join(past.text.split())}")


def _nothing(_past: Past, _moved: list[Moved]) -> None:
    return
