"""`python -m loadtest`: run one scenario against an address, or the standard set against a front door of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from loadtest.errors import LoadTestError
from loadtest.running import run_scenario
from loadtest.scenario import load_scenario
from loadtest.suite import SCENARIOS, Plan, outcome, run_suite

EXIT_MISSED = 1
EXIT_UNUSABLE = 2


class _Group(click.Group):
    """What an operator can mend is one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LoadTestError as error:
            click.echo(f"loadtest: {error}", err=True)
            sys.exit(EXIT_UNUSABLE)


@click.group(cls=_Group)
def main() -> None:
    """Load for the front door, measured from the moment each request was meant to start."""


@main.command()
@click.argument("scenario")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Where the front door is.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    help="An API key; give several to load several authorities.",
)
@click.option(
    "--controls",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with the line that the stand-ins print; wanted by scenarios with faults.",
)
@click.option("--time", "time", default=1.0, help="Times as long.")
@click.option("--rate", "rate", default=1.0, help="Times as many a second.")
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Where to write everything that was found."
)
def run(
    scenario: str,
    url: str,
    keys: tuple[str, ...],
    controls: Path | None,
    time: float,
    rate: float,
    file: Path | None,
) -> None:
    """Run SCENARIO (a name in scenarios/, or a file). Exit code 1: an expectation was missed."""
    chosen = load_scenario(scenario).scaled(time=time, rate=rate)
    known = _controls(controls) if controls else {}
    result = uvloop.run(run_scenario(chosen, url.rstrip("/"), keys, known))
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    click.echo(f"{result.scenario}: {outcome(result)}")
    sys.exit(0 if result.ok else EXIT_MISSED)


@main.command()
@click.option("--out", default="loadtest/results", type=click.Path(path_type=Path), show_default=True)
@click.option("--rounds", default=Plan().rounds, show_default=True, help="Rounds of the comparison.")
@click.option("--seconds", default=Plan().seconds, show_default=True, help="Seconds of each round.")
@click.option(
    "--curve-seconds", default=Plan().curve_seconds, show_default=True, help="Seconds of each point."
)
@click.option("--connections", default=Plan().connections, show_default=True)
@click.option("--scale", default=Plan().scale, show_default=True, help="Of each scenario's own length.")
@click.option("--scenario", "scenarios", multiple=True, help="Only these; `none` for the comparison alone.")
@click.option("--no-comparison", is_flag=True, help="Scenarios only.")
def suite(
    out: Path,
    rounds: int,
    seconds: float,
    curve_seconds: float,
    connections: int,
    scale: float,
    scenarios: tuple[str, ...],
    no_comparison: bool,  # noqa: FBT001
) -> None:
    """Measure a front door of its own beside its comparison partners, and write the report. Exit code as for `run`."""
    plan = Plan(
        compared=not no_comparison,
        rounds=rounds,
        seconds=seconds,
        curve_seconds=curve_seconds,
        connections=connections,
        scale=scale,
        scenarios=tuple(name for name in scenarios if name != "none") if scenarios else SCENARIOS,
    )
    found = uvloop.run(run_suite(plan, out, click.echo))
    click.echo(f"Written: {out}/report.md")
    sys.exit(0 if found.ok else EXIT_MISSED)


def _controls(file: Path) -> dict[str, str]:
    try:
        said = msgspec.json.decode(file.read_bytes())["organisations"]
        return {name: each["control_url"] for name, each in said.items()}
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        raise LoadTestError(f"{file}: is not the line that `python -m adapters.sandbox` prints") from None


if __name__ == "__main__":
    main()
