"""What the chain is made of: a digest for each row, and one for each batch over the batch before.

A row's detail enters by a salted digest. Erasure takes the words out of the row and the salt out of the chain: then nobody
can try out what the words were, and the chain is as whole as before.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

Source = Literal["events", "audit"]
SOURCES: Final[tuple[Source, ...]] = ("events", "audit")
FIRST: Final = b"\0" * 32
"""What stands for the batch before the first."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of one source, chained together."""

    authority_id: str
    number: int
    source: Source
    ids: list[UUID]
    leaves: list[bytes]
    details: list[bytes]
    salts: list[bytes | None]
    at: datetime
    previous: bytes
    hash: bytes


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """How long an authority's chain is."""

    authority_id: str
    number: int
    entries: int
    hash: bytes
    at: datetime
    settled: dict[str, str]
    """By source, the id up to which all is chained."""
    signature: bytes | None


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no white space, as RFC 8785 has it; instants in UTC."""
    return msgspec.json.encode(_plain(value), order="sorted")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def detail_digest(row: Mapping[str, Any], salt: bytes) -> bytes:
    """The salted digest of what may hold somebody's words."""
    return hashlib.sha256(salt + canonical(row["detail"])).digest()


def leaf(source: Source, row: Mapping[str, Any], detail: bytes) -> bytes:
    """The digest of a row: every column, the detail by its own digest."""
    public = {name: value for name, value in row.items() if name != "detail"}
    return hashlib.sha256(canonical([source, public]) + detail).digest()


def batch_hash(batch: Batch) -> bytes:
    """The digest of a batch, over the one before."""
    fixed = [batch.authority_id, batch.number, batch.source, batch.at, batch.previous]
    return hashlib.sha256(canonical([*fixed, batch.ids, batch.leaves, batch.details])).digest()


def next_batch(
    authority: str,
    number: int,
    previous: bytes,
    source: Source,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Batch:
    """Chain these rows behind the batch before."""
    salts = [secrets.token_bytes(16) for _ in rows]
    details = [detail_digest(row, salt) for row, salt in zip(rows, salts, strict=True)]
    batch = Batch(
        authority_id=authority,
        number=number,
        source=source,
        ids=[row_id(source, row) for row in rows],
        leaves=[leaf(source, row, detail) for row, detail in zip(rows, details, strict=True)],
        details=details,
        salts=[*salts],
        at=now,
        previous=previous,
        hash=b"",
    )
    return msgspec.structs.replace(batch, hash=batch_hash(batch))


def row_id(source: Source, row: Mapping[str, Any]) -> UUID:
    """The row's own id."""
    found: UUID = row["event_id" if source == "events" else "audit_id"]
    return found


def sign(key: bytes | None, authority: str, number: int, entries: int, digest: bytes) -> bytes | None:
    """The head's signature: whoever can write the database cannot make it without the key."""
    if key is None:
        return None
    return hmac.digest(key, canonical([authority, number, entries, digest]), "sha256")
