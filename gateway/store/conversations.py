"""Conversations and their messages. A turn is one transaction that rests on the version it was thought out on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.chat.model import Conversation, Line, Message
from gateway.errors import Conflict
from gateway.store.pool import Connection

_COLUMNS: Final = (
    "authority_id, conversation_id, version, last_number, language, holder, talk, urgent, waiting_since, offered_at, agent,"
    " hold, lease_until, created_at, seen_at, closed_at, attached_bytes"
)


class StaleTurn(Conflict):
    """Somebody else took a turn meanwhile: read again and think again."""


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """A message that came before under the same client id."""

    number: int
    sent_hash: bytes


async def create(connection: Connection, new: Conversation) -> None:
    """Begin a conversation."""
    await connection.execute(
        "INSERT INTO conversations (authority_id, conversation_id, language, holder, stage, talk, created_at, seen_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        *(
            new.authority_id,
            new.conversation_id,
            new.language,
            new.holder.value,
            new.talk.stage.value,
            new.talk,
        ),
        new.created_at,
    )


async def read(connection: Connection, authority: str, conversation_id: UUID) -> Conversation | None:
    """A conversation as it stands."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM conversations WHERE authority_id = $1 AND conversation_id = $2",  # noqa: S608  constants
        *(authority, conversation_id),
    )
    return None if row is None else to_conversation(row)


def to_conversation(row: Any) -> Conversation:
    """A row of all columns as a conversation."""
    return msgspec.convert(dict(row), Conversation)


async def came_before(
    connection: Connection, authority: str, conversation_id: UUID, author: str, client_id: str
) -> Before | None:
    """The message that was sent under this client id, if there is one."""
    row = await connection.fetchrow(
        "SELECT number, sent_hash FROM utterances WHERE authority_id = $1 AND conversation_id = $2 AND author = $3"
        " AND client_id = $4",
        *(authority, conversation_id, author, client_id),
    )
    return None if row is None else Before(**dict(row))


async def take_turn(
    connection: Connection, before: Conversation, after: Conversation, lines: Sequence[Line], now: datetime
) -> None:
    """Write what was said and how the conversation stands then. Raises `StaleTurn` if it is not `before` any more."""
    status = await connection.execute(
        "UPDATE conversations SET version = version + 1, last_number = last_number + $4, language = $5, holder = $6,"
        " stage = $7, talk = $8, urgent = $9, waiting_since = $10, offered_at = $11, agent = $12, hold = $13,"
        " lease_until = $14, seen_at = $15, closed_at = $16, attached_bytes = $17, changed_at = clock_timestamp()"
        " WHERE authority_id = $1 AND conversation_id = $2 AND version = $3",
        *(
            before.authority_id,
            before.conversation_id,
            before.version,
            len(lines),
            after.language,
            after.holder.value,
        ),
        *(
            after.talk.stage.value,
            after.talk,
            after.urgent,
            after.waiting_since,
            after.offered_at,
            after.agent,
        ),
        *(after.hold, after.lease_until, after.seen_at, after.closed_at, after.attached_bytes),
    )
    if not status.endswith(" 1"):
        raise StaleTurn("the conversation has moved on")
    if lines:
        await connection.execute(
            "INSERT INTO utterances (authority_id, conversation_id, number, author, kind, body, client_id, sent_hash, at)"
            " SELECT $1, $2, $3 + n, author, kind, body, client_id, sent_hash, $4 FROM unnest($5::text[], $6::text[],"
            " $7::jsonb[], $8::text[], $9::bytea[]) WITH ORDINALITY AS m (author, kind, body, client_id, sent_hash, n)",
            *(before.authority_id, before.conversation_id, before.last_number, now),
            *(
                [line.author.value for line in lines],
                [line.kind for line in lines],
                [line.said for line in lines],
            ),
            *([line.client_id for line in lines], [line.sent_hash for line in lines]),
        )


async def messages(
    connection: Connection, authority: str, conversation_id: UUID, *, after: int = 0, most: int = 1000
) -> list[Message]:
    """The messages behind number `after`, in order."""
    rows = await connection.fetch(
        "SELECT number, author, kind, body AS said, at, client_id FROM utterances"
        " WHERE authority_id = $1 AND conversation_id = $2 AND number > $3 ORDER BY number LIMIT $4",
        *(authority, conversation_id, after, most),
    )
    return [msgspec.convert(dict(row), Message) for row in rows]


async def last_number(connection: Connection, authority: str, conversation_id: UUID) -> int:
    """The number of the newest message; 0 if there is none."""
    number: int | None = await connection.fetchval(
        "SELECT last_number FROM conversations WHERE authority_id = $1 AND conversation_id = $2",
        *(authority, conversation_id),
    )
    return number or 0


async def changed_since(
    connection: Connection, authority: str, since: datetime | None
) -> tuple[datetime, list[tuple[UUID, int, int]]]:
    """The database's time, and (id, last message, version) of conversations that changed after `since`."""
    rows = await connection.fetch(
        "SELECT now() AS now, c.conversation_id, c.last_number, c.version FROM (VALUES (1)) AS one"
        " LEFT JOIN conversations AS c ON c.authority_id = $1 AND c.changed_at > $2",
        *(authority, since),
    )
    return rows[0]["now"], [
        (row["conversation_id"], row["last_number"], row["version"]) for row in rows if row["conversation_id"]
    ]


async def numbers_of(
    connection: Connection, authority: str, conversation_ids: Sequence[UUID]
) -> list[tuple[UUID, int, int]]:
    """(id, last message, version) of these."""
    rows = await connection.fetch(
        "SELECT conversation_id, last_number, version FROM conversations WHERE authority_id = $1"
        " AND conversation_id = ANY($2)",
        *(authority, conversation_ids),
    )
    return [tuple(row) for row in rows]


async def places(connection: Connection, authority: str) -> list[UUID]:
    """Who waits for a person, in the order in which they will be served."""
    rows = await connection.fetch(
        "SELECT conversation_id FROM conversations WHERE authority_id = $1 AND holder = 'queue'"
        " ORDER BY urgent DESC, waiting_since, conversation_id LIMIT 1000",
        authority,
    )
    return [row["conversation_id"] for row in rows]


async def to_keep_up(
    connection: Connection, authority: str, *, waited_since: datetime, idle_since: datetime, now: datetime
) -> list[UUID]:
    """Conversations that need a hand: a lease ran out, a wait grew long, a sending stands still, or nobody is there."""
    rows = await connection.fetch(
        "SELECT conversation_id FROM conversations WHERE authority_id = $1 AND holder = 'agent' AND lease_until < $4"
        " UNION SELECT conversation_id FROM conversations WHERE authority_id = $1 AND holder = 'queue' AND NOT urgent"
        "   AND offered_at IS NULL AND waiting_since < $2"
        " UNION SELECT conversation_id FROM conversations WHERE authority_id = $1 AND stage = 'sending'"
        "   AND changed_at < clock_timestamp() - interval '5 seconds'"
        " UNION SELECT conversation_id FROM conversations WHERE authority_id = $1 AND closed_at IS NULL"
        "   AND holder = 'door' AND seen_at < $3 LIMIT 200",
        *(authority, waited_since, idle_since, now),
    )
    return [row["conversation_id"] for row in rows]


async def listing(
    connection: Connection, authority: str, *, holders: Sequence[str], limit: int
) -> list[tuple[Conversation, str]]:
    """Open conversations in these hands, urgent ones first, then who has waited longest; with the first words said."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS}, (SELECT left(m.body ->> 'text', 200) FROM utterances AS m WHERE m.authority_id = c.authority_id"  # noqa: S608
        "   AND m.conversation_id = c.conversation_id AND m.author = 'citizen' ORDER BY m.number LIMIT 1) AS words"
        " FROM conversations AS c WHERE authority_id = $1 AND holder = ANY($2) AND closed_at IS NULL"
        " ORDER BY urgent DESC, waiting_since, conversation_id LIMIT $3",
        *(authority, holders, limit),
    )
    found = []
    for row in rows:
        fields = dict(row)
        words = fields.pop("words")
        found.append((to_conversation(fields), words or ""))
    return found


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Who waits for a person."""

    count: int
    since: datetime | None


async def waiting(connection: Connection, authority: str) -> Waiting:
    """How many wait for a person, and since when the first does."""
    row = await connection.fetchrow(
        "SELECT count(*) AS count, min(waiting_since) AS since FROM conversations"
        " WHERE authority_id = $1 AND holder = 'queue'",
        authority,
    )
    return Waiting(**dict(row or {}))
