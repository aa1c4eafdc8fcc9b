"""The United Kingdom's local authorities, so that someone from elsewhere can be told the right one by name."""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Final, Literal

import msgspec

_FILE: Final = Path(__file__).parent / "data" / "local_authorities.csv"


class LocalAuthority(msgspec.Struct, frozen=True):
    """One council."""

    gss: str
    slug: str
    """`west-northamptonshire`: its name in rules."""
    tier: Literal["county", "district", "unitary"]
    """A unitary answers for everything; districts and counties share it."""
    parent: str | None
    """The county's slug, for a district."""
    name: str
    homepage: str


@functools.cache
def local_authorities() -> dict[str, LocalAuthority]:
    """GSS code → authority."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {
        row["gss"]: msgspec.convert({**row, "parent": row["parent"] or None}, LocalAuthority) for row in rows
    }


@functools.cache
def by_slug() -> dict[str, LocalAuthority]:
    """Slug → authority."""
    return {authority.slug: authority for authority in local_authorities().values()}
