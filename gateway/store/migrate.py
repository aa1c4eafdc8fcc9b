"""Forward-only migrations: numbered plain SQL, applied once, under an advisory lock, with checksums."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final

import msgspec

from gateway.errors import StartError
from gateway.store.pool import Connection
from gateway.store.roles import ensure_roles

LOCK: Final = 0x66726F6E74  # "front": two gateways starting at once take turns


class Migration(msgspec.Struct, frozen=True):
    """One file of `migrations/`."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What an applied migration is compared with: it may never change afterwards."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known() -> list[Migration]:
    """The migrations that come with this version, in order."""
    folder = resources.files("gateway.store") / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [
        Migration(
            int(file.name.split("_")[0]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")
        )
        for file in files
    ]


async def migrate(connection: Connection, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing and return the names applied.

    Raises `StartError` when an applied migration has been changed since, or the database is newer than this version.
    """
    wanted = known() if migrations is None else migrations
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        await ensure_roles(connection)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations ORDER BY number")
        applied = {row["number"]: row for row in rows}
        for migration in wanted:
            row = applied.pop(migration.number, None)
            if row is not None and row["checksum"] != migration.checksum:
                raise StartError(
                    f"migration {migration.name} was changed after it had been applied; put the change into a new one"
                )
            if row is None and any(number > migration.number for number in applied):
                raise StartError(
                    f"migration {migration.name} comes before one that is already applied; renumber it"
                )
        if newer := sorted(row["name"] for row in applied.values()):
            raise StartError(f"the database is newer than this version: it has {', '.join(newer)}")
        return await _apply(connection, wanted, done={row["number"] for row in rows})
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _apply(connection: Connection, wanted: list[Migration], done: set[int]) -> list[str]:
    names = []
    for migration in wanted:
        if migration.number in done:
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
        names.append(migration.name)
    return names
