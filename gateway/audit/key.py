"""The key that signs how long the audit is: kept outside the database, so that who can write that cannot shorten it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway import postgres_cluster
from gateway.settings import Settings


def audit_key(settings: Settings) -> bytes | None:
    """FRONT_DOOR_AUDIT_KEY; with the embedded database a file beside it, made once; else `None`: unsigned."""
    if settings.audit_key is not None:
        return settings.audit_key.encode()
    if settings.database_url is not None:
        return None
    return _kept(postgres_cluster.data_folder(settings.data_dir) / "audit.key")


def _kept(file: Path) -> bytes:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(descriptor, "wb") as out:
        out.write(secrets.token_hex(32).encode())
    return file.read_bytes()
