"""`front-door evaluate` and `train`: how well it understands, and learning the catalogue anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from gateway.errors import GatewayError, NotFound
from gateway.rules import load_door, models_folder
from gateway.settings import Settings
from routing_rules import classifier
from routing_rules import evaluate as measuring
from routing_rules.authority import Authority
from routing_rules.evaluate import Message, Report, Subject


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--authority", default="barnet", show_default=True, help="Whose organisations are compared.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw coverage and reliability as a PNG.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def evaluate(settings: Settings, file: Path, authority: str, picture: Path | None, as_json: bool) -> None:  # noqa: FBT001  click passes it so
    """How well the door understands a FILE of messages with their right answers.

    CSV with a header: text,code, or text,codes (with | between), or text,code,emergency (1 or 0).
    """
    messages = _read(file)
    door = load_door(settings)
    if authority not in door.authorities:
        raise NotFound(f"there is no authority {authority!r}")
    subject = Subject(door.rank, door.split, door.find_danger)
    report = measuring.evaluate(messages, subject, _answers(door.authorities[authority]))
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        click.echo("\n".join([f"{file.name}, by {door.engine}", *measuring.lines(report)]))
    if picture is not None:
        _draw(report, picture)


@click.command()
@click.pass_obj
def train(settings: Settings) -> None:
    """Learn the catalogue: the model is kept in the data folder, and used from the next start or reload on.

    The same catalogue gives the same model. Without it the door uses the one it came with, or words alone.
    """
    catalogue = load_door(settings, understand=False).catalogue
    folder = models_folder(settings)
    try:
        path = classifier.build(catalogue, folder)
    except OSError as error:
        raise GatewayError(f"{folder}: cannot be written: {error.strerror}") from None
    click.echo(f"{path}: knows {len(catalogue.services)} services ({classifier.fingerprint(catalogue)})")


def _read(file: Path) -> list[Message]:
    try:
        return measuring.read(file)
    except (measuring.BadFile, UnicodeDecodeError) as error:
        raise GatewayError(str(error)) from None
    except OSError as error:
        raise GatewayError(f"{file}: cannot be read: {error.strerror}") from None


def _answers(authority: Authority) -> Callable[[str], str | None]:
    def organisation_of(service: str) -> str | None:
        route = authority.routes.get(service)
        return None if route is None else route[1].organisation

    return organisation_of


def _draw(report: Report, picture: Path) -> None:
    try:
        measuring.draw(report, picture)
    except ImportError:
        raise GatewayError("a picture needs matplotlib: pip install 'front-door[figures]'") from None
    except OSError as error:
        raise GatewayError(f"{picture}: cannot be written: {error.strerror}") from None
    click.echo(f"drawn: {picture}", err=True)
