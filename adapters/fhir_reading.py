"""What comes back in FHIR: answers, status messages and errors, read leniently and never trusted to be whole.

The status word of a referral: the ServiceRequest's status (`completed`, `revoked`, `on-hold`, …), and while
that is `active` the receiver's Encounter's (`planned`, `arrived`, `triaged`, `in-progress`, `finished`,
`cancelled`), which is where the standard reports progress.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from adapters.base import StatusUpdate
from adapters.fhir_message import URI, Resource

RESPONSE: Final = "servicerequest-response"
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}", re.ASCII)


class NotAMessage(ValueError):
    """The resource is not the message that was expected. Quotes nothing of it."""


class Message:
    """A message Bundle and what matters in it."""

    def __init__(self, bundle: object) -> None:
        whole = as_dict(bundle)
        if whole.get("resourceType") != "Bundle" or whole.get("type") != "message":
            raise NotAMessage("it is not a message Bundle")
        self.bundle = whole
        self.resources = [as_dict(as_dict(entry).get("resource")) for entry in as_list(whole.get("entry"))]
        self.header = self.first("MessageHeader")
        if not self.header:
            raise NotAMessage("it has no MessageHeader")

    def first(self, kind: str) -> Resource:
        """Give the first resource of a kind; empty if there is none."""
        return next((one for one in self.resources if one.get("resourceType") == kind), {})

    @property
    def event(self) -> str:
        """The event's code, `servicerequest-response`."""
        return text(as_dict(self.header.get("eventCoding")).get("code"))

    @property
    def answers(self) -> str:
        """The id of the message that this one answers: a Bundle's or a MessageHeader's, both occur."""
        return text(as_dict(self.header.get("response")).get("identifier"))

    @property
    def response_code(self) -> str:
        """How it answers: `ok`, `transient-error` or `fatal-error`."""
        return text(as_dict(self.header.get("response")).get("code"))


def read_update(message: Message, now: datetime) -> StatusUpdate:
    """Read a status message. Raises `NotAMessage`."""
    if message.event != RESPONSE:
        raise NotAMessage("it is about something else")
    request, encounter = message.first("ServiceRequest"), message.first("Encounter")
    status = status_word(request, encounter)
    reference = text(request.get("id")) or None
    delivery_id = _delivery_id(message, request)
    if not status or (reference is None and delivery_id is None):
        raise NotAMessage("it has no status, or does not say of what")
    at = instant(message.bundle.get("timestamp")) or updated(message.bundle) or now
    return StatusUpdate(
        external_reference=reference,
        delivery_id=delivery_id,
        status=status,
        at=at,
        note=_note(request, encounter),
        update_id=text(message.bundle.get("id")) or text(message.header.get("id")) or None,
    )


def read_polled(request: Resource, now: datetime) -> StatusUpdate | None:
    """Read a ServiceRequest's status; None if it has none."""
    reference, status = text(request.get("id")), text(request.get("status"))
    if not reference or not status:
        return None
    version = text(as_dict(request.get("meta")).get("versionId")) or "1"
    return StatusUpdate(
        external_reference=reference,
        status=status,
        at=updated(request) or now,
        note=_note(request, {}),
        update_id=f"{reference}:{version}:{status}",
    )


def status_word(request: Resource, encounter: Resource) -> str:
    """Give the one word that says how far a referral is."""
    status = text(request.get("status"))
    return (text(encounter.get("status")) or status) if status in ("active", "") else status


def issue_codes(outcome: object) -> list[str]:
    """Give an OperationOutcome's codes, the standard's own (`REC_…`) after the issue type; no free text."""
    codes: list[str] = []
    for issue in map(as_dict, as_list(as_dict(outcome).get("issue"))):
        codes.append(text(issue.get("code")))
        details = as_list(as_dict(issue.get("details")).get("coding"))
        codes += [text(as_dict(coding).get("code")) for coding in details]
    return [code for code in codes if _CODE.fullmatch(code)]


def instant(value: object) -> datetime | None:
    """Read a FHIR instant or dateTime; none if it makes no sense."""
    try:
        at = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def updated(resource: Resource) -> datetime | None:
    """Give when a resource was last updated."""
    return instant(as_dict(resource.get("meta")).get("lastUpdated"))


def as_dict(value: object) -> Resource:
    """Give a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Give a JSON array, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Give a JSON string, or an empty one for anything else."""
    return value if isinstance(value, str) else ""


def _delivery_id(message: Message, request: Resource) -> str | None:
    """Find our delivery id: what the message answers, or the identifier that we gave the ServiceRequest."""
    for candidate in (message.answers, *_own_identifiers(request)):
        try:
            return str(uuid.UUID(candidate))
        except ValueError:
            continue
    return None


def _own_identifiers(request: Resource) -> Iterator[str]:
    for identifier in map(as_dict, as_list(request.get("identifier"))):
        value = text(identifier.get("value"))
        if identifier.get("system") == URI and value.startswith("urn:uuid:"):
            yield value


def _note(request: Resource, encounter: Resource) -> str:
    """Give the receiver's words for staff: why it rejected, or what it noted."""
    reasons = [text(as_dict(reason).get("text")) for reason in as_list(encounter.get("reasonCode"))]
    notes = [text(as_dict(note).get("text")) for note in as_list(request.get("note"))]
    return next((words for words in (*reasons, *reversed(notes)) if words), "")
