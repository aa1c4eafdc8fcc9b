"""`front-door deliveries` and `alarms`: what must not be left alone, for whoever is on duty at a terminal."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import click

from adapters.text import one_line
from gateway.clock import SystemClock
from gateway.commands.database import known_organisation, the_authority, with_database
from gateway.delivery import ladder
from gateway.delivery.replay import Replay
from gateway.settings import Settings
from gateway.store import alarms as stored_alarms
from gateway.store.letters import Letter, letters
from gateway.store.pool import Pool

PAGE: Final = 500


def _words(most: int) -> Callable[[click.Context, click.Parameter, str], str]:
    def check(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        text = one_line(value)
        if not 2 <= len(text) <= most:
            raise click.BadParameter(f"2 to {most} characters, please")
        return text

    return check


authority_option = click.option("--authority", required=True)
reason_option = click.option(
    "--reason", required=True, callback=_words(500), help="Why; kept in the history of the request."
)


def _actor() -> str:
    return f"command:{getpass.getuser()}"


@click.group()
def deliveries() -> None:
    """Deliveries that wait for a person: dead (out of attempts) or uncertain (may have arrived)."""


@deliveries.command("list")
@authority_option
@click.option("--organisation", help="Only those to this organisation.")
@click.option("--state", type=click.Choice(["dead", "uncertain"]), help="Only these.")
@click.pass_obj
def list_deliveries(settings: Settings, authority: str, organisation: str | None, state: str | None) -> None:
    """List them, oldest first."""
    place = the_authority(settings, authority)
    if organisation is not None:
        known_organisation(place, organisation)

    async def run(pool: Pool) -> list[Letter]:
        found: list[Letter] = []
        while True:
            page = await letters(
                pool,
                authority,
                states=[state] if state else ["dead", "uncertain"],
                organisation=organisation,
                after=found[-1].delivery_id if found else None,
                limit=PAGE,
            )
            found += page
            if len(page) < PAGE:
                return found

    for letter in with_database(settings, run):
        click.echo(
            f"{letter.delivery_id}  {letter.state:9}  {letter.updated_at:%Y-%m-%d %H:%M}  {letter.organisation}"
            f"  {letter.reference or '-'}  {letter.service or '-'}  {letter.attempt} attempts  {letter.detail or '-'}"
        )


@deliveries.command()
@authority_option
@reason_option
@click.option("--organisation", help="All dead ones to this organisation, instead of one.")
@click.argument("delivery_id", type=click.UUID, required=False)
@click.pass_obj
def replay(
    settings: Settings, authority: str, reason: str, organisation: str | None, delivery_id: UUID | None
) -> None:
    """Send one again, or all dead ones to an organisation. For an uncertain one this says that it did not arrive."""
    if (organisation is None) == (delivery_id is None):
        raise click.UsageError("name either a delivery's id or --organisation")
    place = the_authority(settings, authority)
    if organisation is not None:
        known_organisation(place, organisation)

    async def run(pool: Pool) -> int:
        replays = Replay(pool, SystemClock())
        if delivery_id is not None:
            await replays.again(authority, delivery_id, actor=_actor(), reason=reason)
            return 1
        assert organisation is not None
        return await replays.all_again(authority, organisation, actor=_actor(), reason=reason)

    click.echo(f"replayed {with_database(settings, run)}")


@deliveries.command()
@authority_option
@reason_option
@click.option("--external-reference", help="The organisation's own reference, if it told.")
@click.argument("delivery_id", type=click.UUID)
@click.pass_obj
def arrived(
    settings: Settings, authority: str, reason: str, external_reference: str | None, delivery_id: UUID
) -> None:
    """Say that one arrived after all."""
    the_authority(settings, authority)
    known_as = one_line(external_reference, 200) if external_reference else None

    def run(pool: Pool) -> Any:
        return Replay(pool, SystemClock()).arrived(
            authority, delivery_id, external_reference=known_as, actor=_actor(), reason=reason
        )

    letter = with_database(settings, run)
    click.echo(f"{letter.organisation} has it")


@click.group()
def alarms() -> None:
    """Safeguarding alarms that nobody has answered."""


@alarms.command("list")
@authority_option
@click.pass_obj
def list_alarms(settings: Settings, authority: str) -> None:
    """List them, oldest first."""
    the_authority(settings, authority)
    for alarm in with_database(settings, lambda pool: stored_alarms.ringing(pool, authority)):
        click.echo(
            f"{alarm.referral_id}  {alarm.opened_at:%Y-%m-%d %H:%M}  raised {alarm.rung} times"
            f"  {alarm.reference}  {alarm.service or '-'}  {alarm.organisation or '-'}"
        )


@alarms.command()
@authority_option
@click.option(
    "--name", required=True, callback=_words(100), help="The person who has it now: a name, not a system."
)
@click.argument("referral_id", type=click.UUID)
@click.pass_obj
def acknowledge(settings: Settings, authority: str, name: str, referral_id: UUID) -> None:
    """Answer one, by name: it rings no more."""
    the_authority(settings, authority)

    def run(pool: Pool) -> Any:
        return ladder.answer(pool, SystemClock(), authority, referral_id, name=name, actor=_actor())

    with_database(settings, run)
    click.echo(f"{name} has it")
