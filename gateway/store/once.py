"""Creating something once: the same Idempotency-Key and body give the first answer again, however often it is sent."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.errors import KeyReused
from gateway.store.pool import Connection


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's promise that this is the same as before."""

    scope: str
    """Whose key it is, and for which address."""
    key: str | None
    body: bytes


async def first_answer(
    connection: Connection, authority: str, once: Once, request_id: UUID, now: datetime
) -> bytes | None:
    """The answer that was given before; `None`: nothing was made yet, so make it and `keep_answer`.

    One that is being made right now in another transaction is waited for. Raises `KeyReused` for another body.
    """
    if once.key is None:
        return None
    row = await connection.fetchrow(
        "INSERT INTO idempotency AS i (authority_id, scope, key, body_hash, request_id, answer, created_at)"
        " VALUES ($1, $2, $3, $4, $5, '', $6)"
        " ON CONFLICT (authority_id, scope, key) DO UPDATE SET replayed_at = excluded.created_at"
        " RETURNING body_hash, answer, replayed_at",
        *(authority, once.scope, once.key, _hash(once), request_id, now),
    )
    assert row is not None
    if row["replayed_at"] is None:
        return None
    if row["body_hash"] != _hash(once):
        raise KeyReused("this Idempotency-Key was used before with another body")
    answer: bytes = row["answer"]
    return answer


async def keep_answer(connection: Connection, authority: str, once: Once, answer: bytes) -> None:
    """Keep what is answered now, in the transaction that makes it."""
    if once.key is not None:
        await connection.execute(
            "UPDATE idempotency SET answer = $4 WHERE authority_id = $1 AND scope = $2 AND key = $3",
            *(authority, once.scope, once.key, answer),
        )


def _hash(once: Once) -> bytes:
    return hashlib.sha256(once.body).digest()
