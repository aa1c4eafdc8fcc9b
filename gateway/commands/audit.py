"""`front-door audit`: whether what happened is still as it was written down."""

from __future__ import annotations

import re
import sys

import click

from gateway.audit.key import audit_key
from gateway.audit.verify import verify as check
from gateway.clock import SystemClock
from gateway.commands.database import known_authority, with_database
from gateway.settings import Settings


@click.group()
def audit() -> None:
    """Who did and saw what."""


def _head(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"\d+:[0-9a-f]{64}", value):
        raise click.BadParameter("a head is <number>:<64 hexadecimal digits>, as this command prints it")
    return value


@audit.command()
@click.option("--authority", required=True)
@click.option("--expect", callback=_head, help="A head that you noted earlier: the chain must still hold it.")
@click.pass_obj
def verify(settings: Settings, authority: str, expect: str | None) -> None:
    """Go through the chain; name each row that was changed, removed, added or reordered. Exit code 1 if any was."""
    known_authority(settings, authority)
    key, now = audit_key(settings), SystemClock().now()
    report = with_database(settings, lambda pool: check(pool, authority, now, key=key, expect=expect))
    for fault in report.faults:
        click.echo(f"{authority}: {fault}")
    state = "signed" if report.signed else "NOT signed"
    if key is None:
        state = "not signed: set FRONT_DOOR_AUDIT_KEY"
    head = f"head {report.head} ({state})" if report.head else "no head yet"
    click.echo(
        f"{authority}: {report.entries} rows in {report.batches} batches, {report.waiting} too young to be chained, "
        f"{len(report.faults)} faults; {head}"
    )
    if report.faults:
        sys.exit(1)
