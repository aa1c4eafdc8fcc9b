"""The mail that hands a referral over: plain text that a person at a charity can read and act on.

Nothing in it can be forged from a citizen's words. Headers are made of our own words only. In the body
every line of a value is set in by four spaces, so that no value can look like a heading, a link or an
instruction of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import msgspec

from adapters.base import Handover
from adapters.text import one_line, plain

_INDENT: Final = "    "
_LABELS: Final = {
    "description": "What they need, in their words",
    "name": "Name",
    "phone": "Phone",
    "email": "E-mail",
    "address": "Address",
    "postcode": "Postcode",
    "lat": "Latitude",
    "long": "Longitude",
    "date_of_birth": "Date of birth",
    "nhs_number": "NHS number",
    "national_insurance_number": "National Insurance number",
    "language": "Language",
    "notes": "Notes",
}
_URGENCY: Final = {"urgent": "URGENT", "safeguarding": "SAFEGUARDING"}


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes to whom. Addresses are plain ASCII, checked when the organisation's file was read."""

    sender: str
    sender_name: str
    recipients: Sequence[str]
    reply_to: str | None = None


def message_id(delivery_id: str, sender: str) -> str:
    """Make the Message-ID of a delivery: the same for every attempt, so that a mailbox can show it once."""
    return f"<{_word(delivery_id)}@{sender.rpartition('@')[2]}>"


def compose(handover: Handover, envelope: Envelope, status_link: str | None) -> bytes:
    """Write the mail, ready to send: 7-bit, lines of at most 76 characters ended by CRLF."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(display_name=envelope.sender_name, addr_spec=envelope.sender)
    mail["To"] = [Address(addr_spec=recipient) for recipient in envelope.recipients]
    if envelope.reply_to is not None:
        mail["Reply-To"] = Address(addr_spec=envelope.reply_to)
    mail["Subject"] = _subject(handover)
    # The time of the referral, not of this attempt: the mail stays the same, octet by octet.
    mail["Date"] = handover.created_at
    mail["Message-ID"] = message_id(handover.delivery_id, envelope.sender)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Front-Door-Delivery"] = _word(handover.delivery_id)
    mail["X-Front-Door-Reference"] = _word(handover.reference)
    mail["X-Front-Door-Service"] = _word(handover.external_code or handover.service)
    if handover.priority in _URGENCY:
        mail["Importance"] = "high"
    mail.set_content("\n".join(_body(handover, status_link)), charset="utf-8", cte="quoted-printable")
    return mail.as_bytes()


def _subject(handover: Handover) -> str:
    urgency = _URGENCY.get(handover.priority)
    words = f"{_word(handover.reference)} {one_line(handover.service_name)}"
    return f"{urgency}: {words}" if urgency else words


def _body(handover: Handover, status_link: str | None) -> Iterator[str]:
    yield f"Reference: {_word(handover.reference)}"
    yield f"Service: {one_line(handover.service_name)}"
    if handover.external_code is not None:
        yield f"Your code for it: {one_line(handover.external_code)}"
    if handover.lgsl is not None:
        yield f"LGSL: {handover.lgsl}"
    if handover.priority != "normal":
        yield f"Priority: {one_line(handover.priority)}"
    yield f"Received: {handover.created_at:%d %B %Y, %H:%M %Z}"
    for key in sorted(handover.fields, key=_place):
        yield ""
        yield f"{_LABELS.get(key) or one_line(key)}:"
        for line in _lines(handover.fields[key]):
            yield _INDENT + line
    yield ""
    if status_link is not None:
        yield "Please tell us how it goes on. This page needs no password; it is for this case only:"
        yield status_link
    else:
        yield "Please tell us how it goes on by answering this mail."
    yield ""


def _place(key: str) -> tuple[int, str]:
    known = list(_LABELS)
    return (known.index(key) if key in _LABELS else len(known), key)


def _lines(text: str) -> list[str]:
    """Give a value line by line, whatever it uses to end lines; each can be shown in a mail."""
    return [plain(line) for line in text.splitlines()] or [""]


def _word(text: str) -> str:
    """Keep what an identifier may hold; every other character becomes '-'."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in text)
