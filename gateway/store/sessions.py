"""Browser sessions and sign-ins under way: secrets are kept as hashes, and everything ends."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec

from gateway.callers import Caller, read_roles
from gateway.store.pool import Connection, Pool
from gateway.store.scope import scoped

SEEN_GRAIN = timedelta(minutes=1)
"""How exactly it is kept when a session was last used."""


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in on its way to the provider and back."""

    provider: str
    verifier: str
    nonce: str
    return_to: str


def hashed(secret: str) -> bytes:
    """As secrets are kept: of 256 random bits, so there is nothing to guess and no slow hash needed."""
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()


async def begin_sign_in(
    connection: Connection,
    authority: str,
    beginning: Beginning,
    *,
    state: str,
    browser: str,
    until: datetime,
) -> None:
    """Keep what the way back needs."""
    b = beginning
    await connection.execute(
        "INSERT INTO sign_ins (authority_id, state_hash, browser_hash, provider, verifier, nonce, return_to, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(authority, hashed(state), hashed(browser), b.provider, b.verifier, b.nonce, b.return_to, until),
    )


async def end_sign_in(
    pool: Pool, authority: str, *, state: str, browser: str, now: datetime
) -> Beginning | None:
    """What was kept, once and never again; `None` unless this very browser began it a short while ago."""
    async with scoped(pool, authority) as connection:
        row = await connection.fetchrow(
            "DELETE FROM sign_ins WHERE authority_id = $1 AND state_hash = $2 AND browser_hash = $3"
            " RETURNING provider, verifier, nonce, return_to, expires_at",
            *(authority, hashed(state), hashed(browser)),
        )
    if row is None or row["expires_at"] <= now:
        return None
    return Beginning(**{name: row[name] for name in Beginning.__struct_fields__})


async def begin_session(
    connection: Connection, caller: Caller, *, secret: str, provider: str, now: datetime, until: datetime
) -> None:
    """A person has signed in."""
    await connection.execute(
        "INSERT INTO sessions (authority_id, session_hash, provider, subject, name, roles, organisation, created_at,"
        " seen_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
        *(caller.authority, hashed(secret), provider, caller.subject, caller.name),
        *([role.value for role in caller.roles], caller.organisation, now, until),
    )


async def find_session(
    pool: Pool, authority: str, secret: str, *, now: datetime, idle: timedelta
) -> Caller | None:
    """Whose session this is; `None` if it has ended or was left alone for `idle`."""
    async with scoped(pool, authority) as connection:
        row = await connection.fetchrow(
            "SELECT subject, name, roles, organisation, seen_at FROM sessions"
            " WHERE authority_id = $1 AND session_hash = $2 AND expires_at > $3 AND seen_at > $4",
            *(authority, hashed(secret), now, now - idle),
        )
        if row is None:
            return None
        if now - row["seen_at"] >= SEEN_GRAIN:
            await connection.execute(
                "UPDATE sessions SET seen_at = $3 WHERE authority_id = $1 AND session_hash = $2",
                *(authority, hashed(secret), now),
            )
    return Caller(
        authority=authority,
        name=row["name"],
        subject=row["subject"],
        roles=read_roles(row["roles"]),
        organisation=row["organisation"],
        kind="person",
        session=True,
    )


async def end_session(connection: Connection, authority: str, secret: str) -> None:
    """Sign out."""
    await connection.execute(
        "DELETE FROM sessions WHERE authority_id = $1 AND session_hash = $2", authority, hashed(secret)
    )


async def forget_ended(pool: Pool, now: datetime) -> int:
    """Delete what has ended, for all authorities (the courier's pool); how many."""
    ended = [
        await pool.execute("DELETE FROM sessions WHERE expires_at <= $1", now),
        await pool.execute("DELETE FROM sign_ins WHERE expires_at <= $1", now),
    ]
    return sum(int(status.split()[-1]) for status in ended)
