"""`front-door keys`: API keys for an authority's software."""

from __future__ import annotations

from uuid import UUID

import click

from gateway.callers import Role
from gateway.clock import SystemClock
from gateway.commands.database import known_authority, known_organisation, the_authority, with_database
from gateway.errors import NotFound
from gateway.settings import Settings
from gateway.store.keys import create_key, list_keys, revoke_key
from gateway.store.pool import Pool
from gateway.store.scope import scoped


@click.group()
def keys() -> None:
    """API keys for an authority's software."""


@keys.command()
@click.option("--authority", required=True)
@click.option("--name", required=True, help="What uses it; shown in every event it causes.")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default="machine", show_default=True
)
@click.option("--organisation", help="For an organisation's own software: it sees what is its own.")
@click.option("--per-minute", type=click.IntRange(min=1), help="Most calls a minute.")
@click.pass_obj
def create(
    settings: Settings,
    authority: str,
    name: str,
    role: str,
    organisation: str | None,
    per_minute: int | None,
) -> None:
    """Make a key and print it. It is shown this once."""
    place = the_authority(settings, authority)
    if organisation is not None:
        known_organisation(place, organisation)

    async def run(pool: Pool) -> str:
        async with scoped(pool, authority) as connection:
            return await create_key(
                connection,
                authority,
                name,
                SystemClock().now(),
                role=Role(role),
                organisation=organisation,
                per_minute=per_minute,
            )

    click.echo(with_database(settings, run))


@keys.command("list")
@click.option("--authority", required=True)
@click.pass_obj
def listing(settings: Settings, authority: str) -> None:
    """List an authority's keys."""
    known_authority(settings, authority)
    for key in with_database(settings, lambda pool: list_keys(pool, authority)):
        state = "revoked" if key.revoked_at else "live   "
        whose = f"{key.role}, {key.organisation}" if key.organisation else key.role
        click.echo(f"{key.key_id}  {key.created_at:%Y-%m-%d %H:%M}  {state}  {key.name} ({whose})")


@keys.command()
@click.option("--authority", required=True)
@click.argument("key_id", type=click.UUID)
@click.pass_obj
def revoke(settings: Settings, authority: str, key_id: UUID) -> None:
    """Make a key useless, at the latest after 30 seconds."""
    now = SystemClock().now()
    if not with_database(settings, lambda pool: revoke_key(pool, authority, key_id, now)):
        raise NotFound(f"{authority} has no live key {key_id}")
    click.echo("revoked")
