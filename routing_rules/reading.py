"""A whole rules folder, read once: catalogue and authorities, with everything wrong in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from routing_rules import authority, catalogue
from routing_rules.authority import Authority, Files
from routing_rules.catalogue import Catalogue
from routing_rules.errors import UnreadableFile
from routing_rules.toml_files import Errors, Source


class Reading(msgspec.Struct, frozen=True):
    """What a folder holds. With `errors`, what is in error is left out of the rest."""

    catalogue: Catalogue
    groups: list[Source]
    """The catalogue's files."""
    authorities: dict[str, tuple[Authority, Files]]
    errors: Errors

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all of it, hex."""
        digest = hashlib.sha256(self.catalogue.fingerprint.encode())
        for code, (one, _) in sorted(self.authorities.items()):
            digest.update(f"{code}\0{one.fingerprint}\n".encode())
        return digest.hexdigest()


def read(folder: Path) -> Reading:
    """Read `services/`, `tiers.toml` and `authorities/` of a folder. Raises nothing: see `errors`."""
    errors: Errors = []
    services, groups = catalogue.read(folder, errors)
    # With a file of the catalogue unread, half of all names would seem unknown: they are checked next time.
    complete = not any(isinstance(error, UnreadableFile) for error in errors)
    authorities = authority.read_all(folder / "authorities", services if complete else None, errors)
    return Reading(services, groups, authorities, errors)
