"""Commands that are imported when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import click
from click.testing import CliRunner

from gateway.cli import main


def test_every_command_that_is_named_is_there() -> None:
    """A name in the list leads to a command of that name, and the list is in order."""
    context = click.Context(main)
    names = main.list_commands(context)
    assert names == sorted(names)
    assert {"serve", "demo", "classify", "keys"} <= set(names)
    for name in names:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_a_command_that_is_not_there_is_refused() -> None:
    """As click refuses it: by name, and with exit code 2."""
    made = CliRunner().invoke(main, ["clasify"])
    assert made.exit_code == 2
    assert "clasify" in made.output


def test_to_classify_reads_neither_the_store_nor_the_logs() -> None:
    """What answers lines on a terminal starts without the database's driver, the adapters and the log writer."""
    asked = "import sys, gateway.cli, gateway.commands.rules; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert not {"asyncpg", "structlog", "prometheus_client", "aiohttp"} & set(done.stdout.split())
