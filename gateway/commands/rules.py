"""`front-door check` and `classify`: the rules and the catalogue, tried before anyone relies on them."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import click

from gateway.classify import classify_stream
from gateway.clock import SystemClock
from gateway.rules import load_door, models_folder, rules_folder
from gateway.settings import Settings
from routing_rules import classifier, reading
from routing_rules.check import check_reading
from routing_rules.check_engine import elsewhere, nearly_the_same


@click.command()
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option(
    "--engine",
    is_flag=True,
    help="Ask the engine too, which takes a minute: examples that it puts elsewhere, and near-duplicates.",
)
@click.pass_obj
def check(settings: Settings, strict: bool, engine: bool) -> None:  # noqa: FBT001  click passes it so
    """Look for everything wrong in the rules and the catalogue; exit code 1 if anything is."""
    folder = rules_folder(settings)
    found = reading.read(folder)
    problems = check_reading(found)
    if engine:
        problems += nearly_the_same(found)
        if not found.errors:
            problems += elsewhere(found, classifier.load(found.catalogue, models_folder(settings)))
    for problem in problems:
        click.echo(str(problem))
    errors = sum(problem.level == "error" for problem in problems)
    click.echo(f"{folder}: {errors} errors, {len(problems) - errors} warnings")
    sys.exit(1 if errors or (strict and problems) else 0)


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--processes", type=click.IntRange(1), default=os.cpu_count() or 1, help="How many share the work."
)
@click.pass_obj
def classify(settings: Settings, file: BinaryIO, processes: int) -> None:
    """Read JSON lines {"text": …, "authority": …, "postcode"?: …} and write what would be done with each."""
    door = load_door(settings, explained=False)
    out = sys.stdout.buffer
    for answers in classify_stream(door, file, SystemClock().now(), processes=processes):
        out.writelines(answer + b"\n" for answer in answers)
        out.flush()
