"""`front-door corrections`: what people put right, and the examples that may come of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gateway.clock import SystemClock
from gateway.commands.database import known_authority, with_database
from gateway.errors import GatewayError
from gateway.learning.proposals import as_toml, propose
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store import corrections as store
from gateway.store.corrections import Which

SINCE = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


def aware(day: datetime | None) -> datetime | None:
    """A day from the command line, which is in UTC."""
    return None if day is None else day.replace(tzinfo=UTC)


@click.group()
def corrections() -> None:
    """What people put right, and the examples that may come of it."""


@corrections.command("list")
@click.option("--authority", required=True)
@click.option("--since", type=SINCE, help="Only from this day on (UTC).")
@click.pass_obj
def listing(settings: Settings, authority: str, since: datetime | None) -> None:
    """Which service people put in the place of which, commonest first."""
    known_authority(settings, authority)
    which = Which(since=aware(since))
    pairs = with_database(settings, lambda pool: store.pairs(pool, authority, which))
    table = Table(title=f"Corrections at {authority}")
    for heading in ("the door said", "people said", "how often", "latest (UTC)"):
        table.add_column(heading, justify="right" if heading == "how often" else "left")
    for pair in pairs:
        table.add_row(
            pair.service_before or "(undecided)",
            pair.service_after,
            str(pair.count),
            f"{pair.latest:%Y-%m-%d %H:%M}",
        )
    console().print(table)
    click.echo(f"{sum(pair.count for pair in pairs)} corrections")


@corrections.command("propose")
@click.option("--authority", required=True)
@click.option("--since", type=SINCE, help="Only from this day on (UTC).")
@click.option(
    "--out",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A new file for a person to review.",
)
@click.pass_obj
def proposing(settings: Settings, authority: str, since: datetime | None, file: Path) -> None:
    """Write corrections down as proposed examples. Nothing is learnt until a person pastes them into the catalogue.

    What names a person is masked, and what the catalogue has already is left out.
    """
    known_authority(settings, authority)
    catalogue = load_door(settings, understand=False).catalogue
    begin = aware(since)
    lessons = with_database(settings, lambda pool: store.lessons(pool, authority, begin))
    proposals = propose(lessons, catalogue)
    left = f"{proposals.known} known already, {len(proposals.too_long)} too long"
    if proposals.no_service:
        left += f", {proposals.no_service} of services that are no more"
    if not proposals.new:
        click.echo(f"nothing to propose from {len(lessons)} corrections ({left})")
        return
    _write_new(file, as_toml(proposals, catalogue, authority, SystemClock().now()))
    click.echo(
        f"{len(proposals.new)} proposed examples in {file} ({left}). Review them: nothing has been learnt yet."
    )


def console() -> Console:
    """Where tables go; wide enough for a pipe."""
    return Console(width=None if os.isatty(1) else 160)


def _write_new(file: Path, text: str) -> None:
    """Write a file that only its owner may read and that was not there: somebody may be reviewing it."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise GatewayError(f"{file} is there already; choose another name") from None
    except OSError as error:
        raise GatewayError(f"{file}: cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
