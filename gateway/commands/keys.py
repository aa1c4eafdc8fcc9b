"""`front-door keys`: API keys for an authority's software."""

from __future__ import annotations

from uuid import UUID

import click

from gateway.clock import SystemClock
from gateway.commands.database import known_authority, with_database
from gateway.errors import NotFound
from gateway.settings import Settings
from gateway.store.keys import create_key, list_keys, revoke_key
from gateway.store.pool import Pool


@click.group()
def keys() -> None:
    """API keys for an authority's software."""


@keys.command()
@click.option("--authority", required=True)
@click.option("--name", required=True, help="What uses it; shown in every event it causes.")
@click.pass_obj
def create(settings: Settings, authority: str, name: str) -> None:
    """Make a key and print it. It is shown this once."""
    known_authority(settings, authority)

    async def run(pool: Pool) -> str:
        async with pool.acquire() as connection:
            return await create_key(connection, authority, name, SystemClock().now())

    click.echo(with_database(settings, run))


@keys.command("list")
@click.option("--authority", required=True)
@click.pass_obj
def listing(settings: Settings, authority: str) -> None:
    """List an authority's keys."""
    known_authority(settings, authority)
    for key_id, name, made, revoked in with_database(settings, lambda pool: list_keys(pool, authority)):
        click.echo(f"{key_id}  {made:%Y-%m-%d %H:%M}  {'revoked' if revoked else 'live   '}  {name}")


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
