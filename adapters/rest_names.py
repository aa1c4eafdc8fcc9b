"""What a REST organisation calls things: how a hand-over becomes its case, and its answers become ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from adapters.base import Handover, StatusUpdate
from adapters.text import one_line, plain, utf8

_NOTE_MOST: Final = 2000
_WORD_MOST: Final = 200


class RestNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of members. In answers `a.b` reaches into the member `a`."""

    delivery: str = "externalReference"
    """Our delivery id at the far end."""
    reference: str = "citizenReference"
    """The reference that the citizen has."""
    authority: str = "authority"
    service: str = "service"
    """The organisation's code for the service, or ours."""
    service_name: str = "serviceName"
    lgsl: str = "lgsl"
    priority: str = "priority"
    created_at: str = "createdAt"
    details: str = "details"
    """The member that holds the fields; empty: they stand beside the others."""
    fields: dict[str, str] = {}
    """Our name of a field to theirs; the ones not named here keep ours."""

    lookup_parameter: str = "externalReference"
    since_parameter: str = "since"
    cases: str = "cases"
    answer_reference: str = "reference"
    """The organisation's own reference in an answer."""
    answer_status: str = "status"

    changes: str = "changes"
    cursor: str = "cursor"
    more: str = "more"
    change_reference: str = "reference"
    change_delivery: str = "externalReference"
    change_status: str = "status"
    change_at: str = "at"
    change_note: str = "note"
    change_id: str = "id"


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """One page of changes."""

    updates: list[StatusUpdate]
    cursor: str | None
    more: bool


def case_body(handover: Handover, names: RestNames, constants: Mapping[str, str]) -> dict[str, Any]:
    """Make the case as this organisation wants it: of the citizen, the listed fields and nothing else."""
    details = {names.fields.get(name, name): utf8(value) for name, value in handover.fields.items()}
    body: dict[str, Any] = {
        **constants,
        names.delivery: handover.delivery_id,
        names.reference: handover.reference,
        names.authority: handover.authority,
        names.service: handover.external_code or handover.service,
        names.service_name: handover.service_name,
        names.priority: handover.priority,
        names.created_at: handover.created_at.isoformat(),
    }
    if handover.lgsl is not None:
        body[names.lgsl] = handover.lgsl
    return body | ({names.details: details} if names.details else details)


def read_case(case: Any, names: RestNames) -> tuple[str, str | None] | None:
    """Give a case's reference and status from an answer; None if it names no case."""
    reference = _word(find(case, names.answer_reference))
    return None if reference is None else (reference, _word(find(case, names.answer_status)))


def read_changes(page: Any, names: RestNames, now: datetime) -> Changes | None:
    """Read a page of changes; None if it makes no sense. A change without a time is taken to be of `now`."""
    listed = find(page, names.changes)
    if not isinstance(listed, list):
        return None
    updates = [_update(change, names, now) for change in listed]
    known = [update for update in updates if update is not None]
    if len(known) < len(updates):
        return None
    return Changes(updates=known, cursor=_word(find(page, names.cursor)), more=find(page, names.more) is True)


def find(value: Any, path: str) -> Any:
    """Follow `a.b` into nested objects; None where there is nothing."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _update(change: Any, names: RestNames, now: datetime) -> StatusUpdate | None:
    reference = _word(find(change, names.change_reference))
    delivery_id = _word(find(change, names.change_delivery))
    status = _word(find(change, names.change_status))
    if status is None or (reference is None and delivery_id is None):
        return None
    at = _time(find(change, names.change_at))
    note = find(change, names.change_note)
    update_id = _word(find(change, names.change_id))
    if update_id is None:
        told = f"{reference}\n{delivery_id}\n{status}\n{at}"
        update_id = sha256(told.encode("utf-8", "replace")).hexdigest()[:32]
    return StatusUpdate(
        external_reference=reference,
        delivery_id=delivery_id,
        status=status,
        at=at or now,
        note=plain(note, _NOTE_MOST) if isinstance(note, str) else "",
        update_id=update_id,
    )


def _word(value: Any) -> str | None:
    """Read a reference, status or id: text or a number, on one line, of a sensible length."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    word = one_line(value)
    return word if 0 < len(word) <= _WORD_MOST else None


def _time(value: Any) -> datetime | None:
    try:
        at = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
