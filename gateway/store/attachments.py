"""Files that citizens sent in a conversation, kept with it under a quota."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from gateway.store.pool import Connection


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file, without its content."""

    attachment_id: UUID
    conversation_id: UUID
    reference: str | None
    name: str
    media_type: str
    size: int
    created_at: datetime


async def add(connection: Connection, authority: str, new: Attachment, content: bytes) -> None:
    """Keep a file."""
    await connection.execute(
        "INSERT INTO attachments (authority_id, attachment_id, conversation_id, name, media_type, size, content, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(
            authority,
            new.attachment_id,
            new.conversation_id,
            new.name,
            new.media_type,
            new.size,
            content,
            new.created_at,
        ),
    )


async def content(
    connection: Connection, authority: str, conversation_id: UUID, attachment_id: UUID
) -> tuple[Attachment, bytes] | None:
    """One file of a conversation."""
    row = await connection.fetchrow(
        "SELECT attachment_id, conversation_id, reference, name, media_type, size, created_at, content FROM attachments"
        " WHERE authority_id = $1 AND conversation_id = $2 AND attachment_id = $3",
        *(authority, conversation_id, attachment_id),
    )
    if row is None:
        return None
    fields = dict(row)
    kept: bytes = fields.pop("content")
    return Attachment(**fields), kept


async def sent_with(connection: Connection, authority: str, conversation_id: UUID, reference: str) -> None:
    """The files sent so far belong to the request that was just made."""
    await connection.execute(
        "UPDATE attachments SET reference = $3 WHERE authority_id = $1 AND conversation_id = $2 AND reference IS NULL",
        *(authority, conversation_id, reference),
    )


async def total(connection: Connection, authority: str) -> int:
    """Bytes kept for an authority."""
    size: int | None = await connection.fetchval(
        "SELECT sum(size) FROM attachments WHERE authority_id = $1", authority
    )
    return size or 0


async def of_request(connection: Connection, authority: str, reference: str) -> list[Attachment]:
    """The files that came with a request."""
    rows = await connection.fetch(
        "SELECT attachment_id, conversation_id, reference, name, media_type, size, created_at FROM attachments"
        " WHERE authority_id = $1 AND reference = $2 ORDER BY attachment_id",
        *(authority, reference),
    )
    return [Attachment(**dict(row)) for row in rows]
