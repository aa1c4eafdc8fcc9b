"""The demo's live table."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from gateway.demo.client import Front

_COLOUR: Final = {
    "triage": "magenta",
    "routed": "yellow",
    "delivered": "cyan",
    "in_progress": "blue",
    "resolved": "green",
    "rejected": "red",
    "undeliverable": "red",
    "uncertain": "red",
    "signposted": "magenta",
}


def draw(fronts: list[Front], organisations: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """Every request with its reference, what it is, who has it, in which protocol, their reference, and the status."""
    table = Table(title="One door, many organisations", title_justify="left", expand=True)
    table.add_column("Reference", no_wrap=True, min_width=13)
    table.add_column("What was said", no_wrap=True, overflow="ellipsis", max_width=36)
    table.add_column("Service", no_wrap=True, overflow="ellipsis")
    table.add_column("Organisation", no_wrap=True, overflow="ellipsis", max_width=30)
    table.add_column("Protocol", no_wrap=True)
    table.add_column("Their reference", no_wrap=True, overflow="ellipsis", max_width=18)
    table.add_column("Status", no_wrap=True, min_width=11)
    for front in fronts:
        for referral in front.referrals or [{}]:
            _add(table, front, referral, organisations[front.authority])
    return table


def keep_picture(table: Table, file: Path) -> None:
    """Keep the table as SVG that asks no outside host for fonts."""
    console = Console(record=True, width=168, file=io.StringIO(), force_terminal=True)
    console.print("$ make run\n", table)
    svg = console.export_svg(title="front-door demo")
    file.write_text(re.sub(r"@font-face\s*{[^}]*}", "", svg), encoding="utf-8")


def _add(
    table: Table, front: Front, referral: dict[str, Any], organisations: dict[str, dict[str, Any]]
) -> None:
    organisation = organisations.get(referral.get("organisation") or "", {})
    lead: dict[str, Any] = next(
        (each for each in referral.get("deliveries", []) if each["external_reference"]), {}
    )
    state = referral.get("state", "sent")
    table.add_row(
        front.reference,
        front.text,
        referral.get("service") or "",
        organisation.get("name", referral.get("organisation") or ""),
        organisation.get("protocol", ""),
        (lead.get("external_reference") or "")[:24],
        f"[{_COLOUR.get(state, 'white')}]{state.replace('_', ' ')}[/]",
    )
