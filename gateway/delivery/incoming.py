"""What an organisation tells us, made fit to be stored and compared, however odd it is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from adapters.base import StatusUpdate
from adapters.text import plain

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2500, 1, 1, tzinfo=UTC)
"""Dates beyond these are some program's "none", and a sum with them leaves the calendar."""


def clean(update: StatusUpdate) -> StatusUpdate:
    """The same update in text that the database takes, at a moment that can be compared with any other."""
    update_id = update.update_id
    if update_id is not None and (len(update_id) > 200 or not update_id.isprintable()):
        update_id = hashlib.sha256(update_id.encode("utf-8", "replace")).hexdigest()
    return replace(
        update,
        external_reference=_plain(update.external_reference, 500),
        delivery_id=_plain(update.delivery_id, 100),
        status=plain(update.status, 200),
        at=moment(update.at),
        note=plain(update.note, 2000),
        update_id=update_id,
    )


def moment(at: datetime) -> datetime:
    """A time in UTC: taken for UTC where it has no zone, and the nearest that makes sense where it makes none."""
    if at.utcoffset() is None:
        at = at.replace(tzinfo=UTC)
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # year 1 east of Greenwich, or 9999 west of it
        return EARLIEST if at.year < EARLIEST.year else LATEST
    return min(max(at, EARLIEST), LATEST)


def _plain(text: str | None, most: int) -> str | None:
    return None if text is None else plain(text, most)
