"""The mail itself: readable, exact, and with nothing in it that a citizen's words could forge."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.base import Handover
from adapters.email_message import Envelope, compose, message_id
from adapters.text import one_line, plain

ENVELOPE = Envelope(
    sender="front-door@barnet.example", sender_name="Barnet front door", recipients=["box@charity.example"]
)
HEADERS = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "auto-submitted",
    "x-front-door-delivery",
    "x-front-door-reference",
    "x-front-door-service",
    "content-type",
    "content-transfer-encoding",
    "mime-version",
}
LINK = "https://door.example/callbacks/barnet/charity?delivery=d1&token=t"

# Everything that could end a header, a line or an address, mixed with everything else.
nasty = st.lists(
    st.one_of(
        st.text(st.characters(), max_size=20),
        st.sampled_from(
            [
                "\r\nBcc: x@y.example",
                "\n",
                "\r",
                "\r\n.\r\n",
                "\n.\n",
                "\x00",
                "\x85",
                "\u2028",
                "\x0b",
                "\x0c",
            ]
            + [
                "=?utf-8?q?a?=",
                "<a@b>",
                "--=_",
                "\ud800",
                "🗑️",
                "e\u0301",
                " \t",
                "=\n",
                "https://evil.example",
            ]
        ),
    )
).map("".join)


def handover(**changes: Any) -> Handover:
    values: dict[str, Any] = {
        "delivery_id": "0195f0c2-8d5e-7abc-8def-0123456789ab",
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "charity",
        "service": "befriending",
        "service_name": "Befriending café at home",
        "created_at": datetime(2026, 3, 2, 9, 59, 30, tzinfo=UTC),
        "fields": {"description": "I am lonely.", "name": "Ann"},
    }
    return Handover(**(values | changes))


def read(raw: bytes) -> tuple[EmailMessage, str]:
    """Parse a mail as its reader's program does."""
    mail = email.message_from_bytes(raw, policy=policy.default)
    text = mail.get_content()
    assert isinstance(text, str)
    return mail, text.replace("\r\n", "\n")


def test_the_whole_mail() -> None:
    """What a charity gets: who, what, how urgent, the citizen's words set apart, and how to tell us."""
    given = handover(
        priority="urgent", external_code="BEF", lgsl=1234, fields={"description": "a\n\nb", "name": "Ann"}
    )
    mail, text = read(compose(given, ENVELOPE, LINK))
    assert mail["Subject"] == "URGENT: BAR-7K3M-9QXD Befriending café at home"
    assert mail["Message-ID"] == "<0195f0c2-8d5e-7abc-8def-0123456789ab@barnet.example>"
    assert mail["Date"].datetime == given.created_at
    assert mail["Importance"] == "high"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert str(mail["From"]) == "Barnet front door <front-door@barnet.example>"
    assert text == (
        "Reference: BAR-7K3M-9QXD\n"
        "Service: Befriending café at home\n"
        "Your code for it: BEF\n"
        "LGSL: 1234\n"
        "Priority: urgent\n"
        "Received: 02 March 2026, 09:59 UTC\n"
        "\n"
        "What they need, in their words:\n"
        "    a\n"
        "    \n"
        "    b\n"
        "\n"
        "Name:\n"
        "    Ann\n"
        "\n"
        "Please tell us how it goes on. This page needs no password; it is for this case only:\n"
        f"{LINK}\n"
    )


def test_every_attempt_is_the_same_mail() -> None:
    """Nothing in the mail depends on the attempt, so a mailbox that gets it twice can tell."""
    assert compose(handover(), ENVELOPE, LINK) == compose(handover(attempt=4), ENVELOPE, LINK)
    assert message_id("d1", "a@b.example") == "<d1@b.example>"


def test_safeguarding_is_seen_in_the_subject() -> None:
    """The one word that must be seen first comes first."""
    mail, _ = read(compose(handover(priority="safeguarding"), ENVELOPE, None))
    assert mail["Subject"].startswith("SAFEGUARDING: ")


@given(description=nasty, name=nasty, notes=nasty)
@example(description="\r\n.\r\nMAIL FROM:<x@y>", name="Ann\r\nBcc: x@y.example", notes="Name:\n    Eve")
def test_a_citizens_words_stay_in_their_place(description: str, name: str, notes: str) -> None:
    """Whatever a citizen wrote: the headers are ours alone, and every line of theirs is set in, and exact."""
    fields = {"description": description, "name": name, "notes": notes}
    raw = compose(handover(fields=fields), ENVELOPE, LINK)
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    mail, text = read(raw)
    assert {name.lower() for name in mail.keys()} == HEADERS  # noqa: SIM118  not a dict
    assert mail["Subject"] == "BAR-7K3M-9QXD Befriending café at home"
    assert mail["To"].addresses[0].addr_spec == "box@charity.example"
    assert not mail.is_multipart()
    sections: dict[str, list[str]] = {}
    heading = ""
    for line in text.split("\n"):
        if line.startswith("    "):
            sections[heading].append(line[4:])
        elif line.endswith(":"):
            heading = line
            sections[heading] = []
    expected = {
        "What they need, in their words:": description,
        "Name:": name,
        "Notes:": notes,
    }
    for heading, value in expected.items():
        assert sections[heading] == ([plain(line) for line in value.splitlines()] or [""])
    assert set(sections) - set(expected) == {
        "Please tell us how it goes on. This page needs no password; it is for this case only:"
    }
    assert re.findall(r"(?m)^https?://.*$", text) == [LINK]


@given(reference=nasty, delivery_id=nasty.filter(bool), service_name=nasty, code=nasty)
def test_nothing_breaks_a_header(reference: str, delivery_id: str, service_name: str, code: str) -> None:
    """Even our own words cannot add a header or a recipient, should a file hold something odd."""
    given = handover(
        reference=reference, delivery_id=delivery_id, service_name=service_name, external_code=code or None
    )
    mail, _ = read(compose(given, ENVELOPE, None))
    assert {name.lower() for name in mail.keys()} == HEADERS  # noqa: SIM118
    assert len(mail["To"].addresses) == 1
    assert mail["X-Front-Door-Delivery"].strip()


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_ordinary_text_is_exact(text: str) -> None:
    """Any script, any symbol, any space: what was written is what arrives."""
    _, body = read(compose(handover(fields={"description": text}), ENVELOPE, None))
    assert f"\n    {text}\n" in body


def test_a_long_text_is_exact() -> None:
    """4,000 characters in one line, and 4,000 lines, arrive whole."""
    for text in ("wörd " * 800, "\n".join("." * (n % 5) for n in range(4000)) + "."):
        _, body = read(compose(handover(fields={"description": text}), ENVELOPE, None))
        assert [line[4:] for line in body.split("\n") if line.startswith("    ")] == text.split("\n")


@pytest.mark.parametrize("field", ["nhs_number", "date_of_birth", "lat", "something_new"])
def test_a_field_is_there_when_it_is_given_and_only_then(field: str) -> None:
    """Fields come from the hand-over alone."""
    with_it = compose(handover(fields={field: "QX-1-VALUE"}), ENVELOPE, None)
    assert b"QX-1-VALUE" in with_it
    assert b"QX-1-VALUE" not in compose(handover(fields={}), ENVELOPE, None)


@given(nasty)
def test_plain_text_is_fit_to_be_stored(text: str) -> None:
    """No NUL, no control character, no lone surrogate, no bare CR; and cleaning twice changes nothing more."""
    cleaned = plain(text)
    cleaned.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", cleaned)
    assert plain(cleaned) == cleaned
    assert len(plain(text, 5)) <= 5
    assert "\n" not in one_line(text)
