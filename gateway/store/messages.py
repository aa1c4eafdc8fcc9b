"""Notes that staff keep for themselves, messages that the citizen may see, and tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Something that staff wrote down."""

    message_id: UUID
    referral_id: UUID | None
    """The need it is about; `null`: all of the request."""
    kind: Literal["note", "message"]
    """`note`: for staff alone. `message`: the citizen sees it."""
    text: str
    by: str
    at: datetime
    reply: str | None
    """The template it was made from."""


async def add(connection: Connection, authority: str, request_id: UUID, message: Message) -> None:
    """Keep one."""
    m = message
    await connection.execute(
        "INSERT INTO messages (authority_id, message_id, request_id, referral_id, kind, text, by, at, reply)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(authority, m.message_id, request_id, m.referral_id, m.kind, m.text, m.by, m.at, m.reply),
    )


async def of_request(
    connection: Connection, authority: str, request_id: UUID, *, for_citizen: bool = False
) -> list[Message]:
    """A request's, oldest first; `for_citizen`: only what they may see."""
    rows = await connection.fetch(
        "SELECT message_id, referral_id, kind, text, by, at, reply FROM messages WHERE authority_id = $1"
        " AND request_id = $2 AND (NOT $3 OR kind = 'message') ORDER BY message_id",
        *(authority, request_id, for_citizen),
    )
    return [Message(**dict(row)) for row in rows]


async def tags(connection: Connection, authority: str, request_id: UUID) -> list[str]:
    """A request's tags, by the alphabet."""
    rows = await connection.fetch(
        "SELECT tag FROM request_tags WHERE authority_id = $1 AND request_id = $2 ORDER BY tag",
        *(authority, request_id),
    )
    return [row["tag"] for row in rows]


async def set_tags(
    connection: Connection, authority: str, request_id: UUID, wanted: Sequence[str], by: str, now: datetime
) -> None:
    """These and no others; who set an older one stays."""
    await connection.execute(
        "DELETE FROM request_tags WHERE authority_id = $1 AND request_id = $2 AND NOT tag = ANY($3)",
        *(authority, request_id, list(wanted)),
    )
    await connection.execute(
        "INSERT INTO request_tags (authority_id, request_id, tag, by, at) SELECT $1, $2, tag, $4, $5"
        " FROM unnest($3::text[]) AS t (tag) ON CONFLICT DO NOTHING",
        *(authority, request_id, list(wanted), by, now),
    )


class TagCount(msgspec.Struct, frozen=True, kw_only=True):
    """A tag in use."""

    tag: str
    count: int


async def tags_in_use(connection: Connection, authority: str) -> list[TagCount]:
    """The commonest first."""
    rows = await connection.fetch(
        "SELECT tag, count(*) FROM request_tags WHERE authority_id = $1 GROUP BY tag ORDER BY count(*) DESC, tag LIMIT 200",
        authority,
    )
    return [TagCount(**dict(row)) for row in rows]
