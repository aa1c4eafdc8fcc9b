"""API keys: shown once, kept as a hash, good for one authority."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from gateway.callers import Caller, Role, read_roles
from gateway.errors import InvalidInput
from gateway.identifiers import uuid7
from gateway.store.pool import Connection, Pool
from gateway.store.scope import name_authority, scoped

__all__ = ["Caller", "KeyRow", "create_key", "find_caller", "is_key", "list_keys", "revoke_key"]

_MARK: Final = "fd"


async def create_key(
    connection: Connection,
    authority: str,
    name: str,
    now: datetime,
    *,
    role: Role = Role.MACHINE,
    organisation: str | None = None,
    per_minute: int | None = None,
) -> str:
    """Make a key and return it: `fd.<authority>.<id>.<secret>`. It cannot be shown again.

    `organisation` makes it the key of an organisation's own software; `per_minute` limits its calls, where the limit in
    the settings does not fit.
    """
    if not name or len(name) > 100:
        raise InvalidInput("a key's name has 1 to 100 characters", pointer="/name")
    key_id, secret = uuid7(now), secrets.token_urlsafe(32)
    async with connection.transaction():
        await name_authority(connection, authority)
        await connection.execute(
            "INSERT INTO api_keys (authority_id, key_id, name, secret_hash, created_at, role, organisation, per_minute)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            *(authority, key_id, name, _hash(secret), now, role.value, organisation, per_minute),
        )
    return f"{_MARK}.{authority}.{key_id.hex}.{secret}"


def is_key(presented: str) -> bool:
    """Whether it looks like an API key, so that nobody else is asked about it."""
    return presented.startswith(f"{_MARK}.")


async def find_caller(pool: Pool, presented: str) -> Caller | None:
    """Whose key this is; `None` for anything else, without saying what was wrong with it."""
    parts = presented.split(".", 3)
    if len(parts) != 4 or parts[0] != _MARK or "\0" in parts[1]:
        return None
    try:
        key_id = UUID(hex=parts[2])
        parts[1].encode()
    except ValueError:
        return None
    async with scoped(pool, parts[1]) as connection:
        row = await connection.fetchrow(
            "SELECT name, secret_hash, role, organisation, per_minute FROM api_keys"
            " WHERE authority_id = $1 AND key_id = $2 AND revoked_at IS NULL",
            *(parts[1], key_id),
        )
    if row is None or not hmac.compare_digest(row["secret_hash"], _hash(parts[3])):
        return None
    return Caller(
        authority=parts[1],
        key_id=key_id,
        name=row["name"],
        subject=f"key:{key_id}",
        roles=read_roles([row["role"]]),
        organisation=row["organisation"],
        per_minute=row["per_minute"],
    )


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key in a list."""

    key_id: UUID
    name: str
    role: str
    organisation: str | None
    created_at: datetime
    revoked_at: datetime | None


async def list_keys(pool: Pool, authority: str) -> list[KeyRow]:
    """Every key of an authority."""
    async with scoped(pool, authority) as connection:
        rows = await connection.fetch(
            "SELECT key_id, name, role, organisation, created_at, revoked_at FROM api_keys"
            " WHERE authority_id = $1 ORDER BY key_id",
            authority,
        )
    return [KeyRow(**dict(row)) for row in rows]


async def revoke_key(pool: Pool, authority: str, key_id: UUID, now: datetime) -> bool:
    """Make a key useless; `False` if there is no such live key. Cached callers lose it within 30 seconds."""
    async with scoped(pool, authority) as connection:
        return bool(
            await connection.fetchval(
                "UPDATE api_keys SET revoked_at = $3 WHERE authority_id = $1 AND key_id = $2 AND revoked_at IS NULL"
                " RETURNING true",
                *(authority, key_id, now),
            )
        )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()
