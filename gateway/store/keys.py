"""API keys: shown once, kept as a hash, good for one authority."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from gateway.errors import InvalidInput
from gateway.identifiers import uuid7
from gateway.store.pool import Connection, Pool

_MARK: Final = "fd"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, and for which authority."""

    authority: str
    key_id: UUID
    name: str

    @property
    def actor(self) -> str:
        """How events name this caller."""
        return f"key:{self.name}"


async def create_key(connection: Connection, authority: str, name: str, now: datetime) -> str:
    """Make a key and return it: `fd.<authority>.<id>.<secret>`. It cannot be shown again."""
    if not name or len(name) > 100:
        raise InvalidInput("a key's name has 1 to 100 characters", pointer="/name")
    key_id, secret = uuid7(now), secrets.token_urlsafe(32)
    await connection.execute(
        "INSERT INTO api_keys (authority_id, key_id, name, secret_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
        *(authority, key_id, name, _hash(secret), now),
    )
    return f"{_MARK}.{authority}.{key_id.hex}.{secret}"


async def find_caller(pool: Pool, presented: str) -> Caller | None:
    """Whose key this is; `None` for anything else, without saying what was wrong with it."""
    parts = presented.split(".", 3)
    if len(parts) != 4 or parts[0] != _MARK:
        return None
    try:
        key_id = UUID(hex=parts[2])
    except ValueError:
        return None
    row = await pool.fetchrow(
        "SELECT name, secret_hash FROM api_keys WHERE authority_id = $1 AND key_id = $2 AND revoked_at IS NULL",
        *(parts[1], key_id),
    )
    if row is None or not hmac.compare_digest(row["secret_hash"], _hash(parts[3])):
        return None
    return Caller(authority=parts[1], key_id=key_id, name=row["name"])


async def list_keys(pool: Pool, authority: str) -> list[tuple[UUID, str, datetime, datetime | None]]:
    """Every key of an authority: id, name, made, revoked."""
    rows = await pool.fetch(
        "SELECT key_id, name, created_at, revoked_at FROM api_keys WHERE authority_id = $1 ORDER BY key_id",
        authority,
    )
    return [(row["key_id"], row["name"], row["created_at"], row["revoked_at"]) for row in rows]


async def revoke_key(pool: Pool, authority: str, key_id: UUID, now: datetime) -> bool:
    """Make a key useless; `False` if there is no such live key. Cached callers lose it within 30 seconds."""
    return bool(
        await pool.fetchval(
            "UPDATE api_keys SET revoked_at = $3 WHERE authority_id = $1 AND key_id = $2 AND revoked_at IS NULL"
            " RETURNING true",
            *(authority, key_id, now),
        )
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()
