"""Status from an Open311 back end: mySociety's `servicerequestupdates`, or `requests` where it lacks them.

The cursor is the time of the last update seen, by the organisation's clock. Each poll asks a little further
back (`overlap`), because updates appear late and clocks differ; a repeated one is known by its id.
Only updates of references still waited for are passed on: the list holds everybody's requests, not only ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.base import Poll, StatusUpdate
from adapters.http import TooLong
from adapters.open311_wire import Record

LONGEST: Final = timedelta(days=89)
"""The specification allows 90 days between the two dates of a question."""
SHORTEST: Final = timedelta(seconds=1)
OLDEST: Final = 20 * LONGEST
"""A cursor from longer ago is not gone on from: nothing waits that long, and every question costs."""
_IDS_AT_ONCE: Final = 50
TOKEN: Final = "token:"  # noqa: S105  no secret: Open311's word for a reference that is not ready yet

Ask = Callable[[str, Mapping[str, str]], Awaitable[list[Record] | None]]
"""Asks for a resource's records with parameters; None: there is no such resource."""


class StatusReader:
    """Reads status for one organisation."""

    def __init__(
        self, ask: Ask, *, extension: bool, overlap: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._ask = ask
        self._extension = extension
        self._overlap = overlap
        self._clock = clock
        self._tokens: dict[str, str] = {}

    async def poll(self, cursor: str | None, open_references: Sequence[str]) -> Poll:
        """Bring what changed. Without a cursor it looks back as far as one question may reach."""
        if not open_references:
            return Poll(updates=[], cursor=cursor)
        names = await self._names(open_references)
        if self._extension:
            found = await self._updates(cursor, names)
            if found is not None:
                return found
            self._extension = False  # the back end does not know the extension: ask the plain way from now on
        return Poll(updates=await self._requests(names), cursor=cursor)

    async def resolve(self, token: str) -> str | None:
        """Ask for the reference that a token stands for; None while there is none yet."""
        if token not in self._tokens:
            records = await self._ask(f"tokens/{token}", {}) or []
            found = next((reference_of(record) for record in records if reference_of(record)), None)
            if found is None:
                return None
            self._tokens[token] = found
        return self._tokens[token]

    async def _names(self, open_references: Sequence[str]) -> dict[str, str]:
        """Map the organisation's reference to the one that we hold: a token, where it was not ready."""
        names: dict[str, str] = {}
        for held in open_references:
            reference: str | None = held
            if held.startswith(TOKEN):
                reference = await self.resolve(held.removeprefix(TOKEN))
            if reference is not None:
                names[reference] = held
        held_tokens = {held.removeprefix(TOKEN) for held in open_references}
        for token in self._tokens.keys() - held_tokens:
            del self._tokens[token]
        return names

    async def _updates(self, cursor: str | None, names: Mapping[str, str]) -> Poll | None:
        now = self._clock()
        last = parse_time(cursor) if cursor is not None else None
        if last is not None and now - last > OLDEST:  # some program's word for no date at all
            last = None
        start = (last or now - LONGEST) - self._overlap
        oldest, end = start, now + self._overlap
        span = LONGEST
        updates: list[StatusUpdate] = []
        while start < end:
            until = min(start + span, end)
            try:
                records = await self._ask(
                    "servicerequestupdates", {"start_date": write_time(start), "end_date": write_time(until)}
                )
            except TooLong:
                if span <= SHORTEST:
                    raise
                span = max((until - start) / 2, SHORTEST)
                continue
            if records is None:
                return None
            for record in records:
                at = parse_time(text_of(record, "updated_datetime"))
                if at is not None and oldest <= at <= now:  # an odd date is no place to go on from
                    last = max(last or at, at)
                updates += _update(record, names, at or now)
            start = until
        return Poll(updates=updates, cursor=write_time(last) if last is not None else None)

    async def _requests(self, names: Mapping[str, str]) -> list[StatusUpdate]:
        now = self._clock()
        updates: list[StatusUpdate] = []
        for ids in _chunks(list(names)):
            for record in await self._ask("requests", {"service_request_id": ",".join(ids)}) or []:
                changed = text_of(record, "updated_datetime") or text_of(record, "requested_datetime")
                as_update = record | {"description": text_of(record, "status_notes")}
                updates += _update(as_update, names, parse_time(changed) or now)
        return updates


def reference_of(record: Record) -> str:
    """Give a record's request id as text, whatever type it came in; empty if it has none."""
    return text_of(record, "service_request_id")


def text_of(record: Record, key: str) -> str:
    """Give a record's value as text; empty if it has none."""
    value = record.get(key)
    return "" if value is None or isinstance(value, dict | list) else str(value)


def write_time(at: datetime) -> str:
    """Write a time as Open311 has it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    """Read a W3C time; one without a zone is taken as UTC, one that makes no sense is none."""
    try:
        at = datetime.fromisoformat((text or "").strip())
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _update(record: Record, names: Mapping[str, str], at: datetime) -> Iterator[StatusUpdate]:
    reference, status = reference_of(record), text_of(record, "status")
    if reference not in names or not status:
        return
    changed = text_of(record, "updated_datetime")
    yield StatusUpdate(
        external_reference=names[reference],
        status=status,
        at=at,
        note=text_of(record, "description"),
        update_id=text_of(record, "update_id") or f"{reference}:{status}:{changed}",
    )


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[first : first + _IDS_AT_ONCE]
