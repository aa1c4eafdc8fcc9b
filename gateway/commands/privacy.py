"""`front-door privacy`: a citizen's right to see what is kept of them, and to have it forgotten."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import click

from gateway.callers import Caller
from gateway.clock import SystemClock
from gateway.commands.database import the_authority, with_database
from gateway.errors import GatewayError
from gateway.privacy.erase import erase as forget
from gateway.privacy.export import Export, as_html, as_json
from gateway.privacy.export import export as gather
from gateway.privacy.retention import due, retire
from gateway.privacy.subject import Subject, requests_of
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.audit import Entry, record
from gateway.store.pool import Pool
from gateway.store.scope import scoped


@click.group()
def privacy() -> None:
    """What is kept of a citizen."""


def _caller(authority: str) -> Caller:
    user = getpass.getuser()
    return Caller(authority=authority, name=user, subject=f"command:{user}")


authority_option = click.option("--authority", required=True)
reference_option = click.option("--reference", help="A request's reference.")
email_option = click.option("--email")
phone_option = click.option("--phone")


@privacy.command()
@authority_option
@reference_option
@email_option
@phone_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for the two files.",
)
@click.pass_obj
def export(
    settings: Settings, authority: str, reference: str | None, email: str | None, phone: str | None, out: Path
) -> None:
    """Write all that is kept of a person: one file to read, and one JSON."""
    place, now = the_authority(settings, authority), SystemClock().now()
    catalogue = load_door(settings, understand=False).catalogue
    subject = Subject(reference=reference, email=email, phone=phone)

    async def run(pool: Pool) -> Export:
        async with scoped(pool, authority) as connection:
            requests = await requests_of(connection, authority, subject)
            found = await gather(connection, authority, requests, now)
            entries = [Entry.of(_caller(authority), "exported", now, request_id=each) for each in requests]
            await record(connection, entries)
            return found

    found = with_database(settings, run)
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in (
        ("your-data.html", as_html(found, place, catalogue).encode()),
        ("your-data.json", as_json(found)),
    ):
        _write_new(out / name, content)
        click.echo(out / name)


@privacy.command()
@authority_option
@reference_option
@email_option
@phone_option
@click.option("--reason", required=True, help="Why; kept in the audit. Name nobody in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(
    settings: Settings,
    authority: str,
    reference: str | None,
    email: str | None,
    phone: str | None,
    reason: str,
    yes: bool,  # noqa: FBT001  click passes it so
) -> None:
    """Forget a person's words and details, for good. References, times, services and states stay."""
    the_authority(settings, authority)
    subject, now = Subject(reference=reference, email=email, phone=phone), SystemClock().now()
    if not yes:
        click.confirm("This cannot be undone. Erase?", abort=True)

    async def run(pool: Pool) -> int:
        async with scoped(pool, authority) as connection:
            requests = await requests_of(connection, authority, subject)
            return await forget(connection, _caller(authority), requests, now, why="erased", reason=reason)

    click.echo(f"erased {with_database(settings, run)} requests")


@privacy.command()
@authority_option
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@click.pass_obj
def retain(settings: Settings, authority: str, dry_run: bool) -> None:  # noqa: FBT001
    """Forget what has been kept as long as the authority's file says. The gateway does so by itself, once a day."""
    place, now = the_authority(settings, authority), SystemClock().now()

    async def count(pool: Pool) -> int:
        async with scoped(pool, authority) as connection:
            return len(await due(connection, place, now, 1_000_000))

    if dry_run:
        click.echo(f"{with_database(settings, count)} requests are due")
        return
    click.echo(f"retired {with_database(settings, lambda pool: retire(pool, place, now))} requests")


def _write_new(file: Path, content: bytes) -> None:
    """A file that only its owner may read."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise GatewayError(f"{file} is there already; choose another folder") from None
    except OSError as error:
        raise GatewayError(f"{file}: cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
