"""The tokens by which a browser goes on with its conversation: random, hashed at rest, exchanged at each resuming."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.store.pool import Connection

LIFE: Final = timedelta(hours=24)
"""How long a token is good without being used to resume."""
GRACE: Final = timedelta(seconds=60)
"""How long the token before is good once a fresh one was first used: another tab may be about to learn of it."""
_MOST: Final = 20
_BYTES: Final = 32


def new_token(conversation_id: UUID) -> str:
    """A fresh token. To its holder it means nothing."""
    return base64.urlsafe_b64encode(conversation_id.bytes + os.urandom(_BYTES)).decode()


def read_token(token: str) -> tuple[UUID, bytes] | None:
    """Which conversation a token is for, and its hash; `None` for what is no token of ours."""
    if len(token) != 64 or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return UUID(bytes=raw[:16]), hashlib.sha256(raw).digest()


async def add(
    connection: Connection, authority: str, token: str, now: datetime, parent: bytes | None = None
) -> None:
    """Keep a fresh token's hash; `parent` is the one it was exchanged for."""
    found = read_token(token)
    assert found is not None
    await connection.execute(
        "INSERT INTO conversation_tokens (authority_id, conversation_id, token_hash, parent_hash, created_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        *(authority, found[0], found[1], parent, now, now + LIFE),
    )
    await connection.execute(
        "DELETE FROM conversation_tokens WHERE authority_id = $1 AND conversation_id = $2 AND (expires_at < $3"
        " OR token_hash IN (SELECT token_hash FROM conversation_tokens WHERE authority_id = $1 AND conversation_id = $2"
        "   ORDER BY created_at DESC OFFSET $4))",
        *(authority, found[0], now, _MOST),
    )


async def is_good(connection: Connection, authority: str, found: tuple[UUID, bytes], now: datetime) -> bool:
    """Whether a token opens its conversation. The first use of a fresh one begins the end of the one before."""
    row = await connection.fetchrow(
        "SELECT used_at, parent_hash FROM conversation_tokens WHERE authority_id = $1 AND conversation_id = $2"
        " AND token_hash = $3 AND expires_at > $4",
        *(authority, *found, now),
    )
    if row is None:
        return False
    if row["used_at"] is None:
        await connection.execute(
            "WITH fresh AS (UPDATE conversation_tokens SET used_at = $4 WHERE authority_id = $1 AND conversation_id = $2"
            "   AND token_hash = $3)"
            " UPDATE conversation_tokens SET expires_at = least(expires_at, $5) WHERE authority_id = $1"
            " AND conversation_id = $2 AND token_hash = $6",
            *(authority, *found, now, now + GRACE, row["parent_hash"]),
        )
    return True


async def forget(connection: Connection, authority: str, conversation_id: UUID) -> None:
    """End every token of a conversation."""
    await connection.execute(
        "DELETE FROM conversation_tokens WHERE authority_id = $1 AND conversation_id = $2",
        *(authority, conversation_id),
    )
