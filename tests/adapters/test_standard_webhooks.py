"""Standard Webhooks, checked against the reference library both ways."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from adapters.base import CallbackRejected, ConfigurationError
from adapters.standard_webhooks import WebhookSecrets

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"x" * 64).decode()
NOW = datetime(2026, 3, 2, 10, 0, 0, 500_000, tzinfo=UTC)
BODY = b'{"type":"referral.created"}'

ids = st.text(st.characters(codec="ascii", exclude_characters=".", categories=["L", "N", "P"]), min_size=1)
secrets = st.binary(min_size=24, max_size=64).map(lambda raw: "whsec_" + base64.b64encode(raw).decode())


def secrets_of(*texts: str) -> WebhookSecrets:
    return WebhookSecrets.from_connection(list(texts))


@given(secret=secrets, message_id=ids, payload=st.dictionaries(st.text(), st.text()))
def test_the_reference_library_accepts_what_is_signed_here(
    secret: str, message_id: str, payload: dict[str, str]
) -> None:
    """Any receiver that follows the standard verifies our signature."""
    body = json.dumps(payload).encode()
    headers = secrets_of(secret).sign(message_id, body, datetime.now(UTC))
    assert Webhook(secret).verify(body, headers) == payload


@given(secret=secrets, message_id=ids, body=st.text().map(json.dumps))
def test_what_the_reference_library_signs_is_accepted_here(secret: str, message_id: str, body: str) -> None:
    """Any sender that follows the standard is believed."""
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, NOW, body),
    }
    assert secrets_of(secret).verify(headers, body.encode(), NOW) == message_id


def test_a_secret_is_changed_without_an_outage() -> None:
    """While both secrets are held, either side may already be, or still be, at one of them."""
    both = secrets_of(NEW, OLD).sign("m1", BODY, datetime.now(UTC))
    assert Webhook(NEW).verify(BODY, both) == Webhook(OLD).verify(BODY, both)
    for secret in (NEW, OLD):
        signed = secrets_of(secret).sign("m1", BODY, NOW)
        assert secrets_of(NEW, OLD).verify(signed, BODY, NOW) == "m1"
    with pytest.raises(CallbackRejected):
        secrets_of(NEW).verify(secrets_of(OLD).sign("m1", BODY, NOW), BODY, NOW)


def test_the_id_stays_and_the_time_is_fresh() -> None:
    """Two attempts of one message differ in time and signature only."""
    first = secrets_of(NEW).sign("m1", BODY, NOW)
    second = secrets_of(NEW).sign("m1", BODY, NOW + timedelta(minutes=30))
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 1800
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(("seconds", "accepted"), [(-299, True), (299, True), (-301, False), (301, False)])
def test_only_recent_messages_are_accepted(seconds: int, *, accepted: bool) -> None:
    """Five minutes either way: a recorded message cannot be used later, nor one that is dated ahead."""
    now = NOW.replace(microsecond=0)
    headers = secrets_of(NEW).sign("m1", BODY, now)
    later = now + timedelta(seconds=seconds)
    if accepted:
        assert secrets_of(NEW).verify(headers, BODY, later) == "m1"
    else:
        with pytest.raises(CallbackRejected, match="clock") as rejected:
            secrets_of(NEW).verify(headers, BODY, later)
        assert rejected.value.status == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"webhook-id": "m2"}, 401),
        ({"webhook-id": ""}, 400),
        ({"webhook-id": "m.1"}, 400),
        ({"webhook-timestamp": "1772445601"}, 401),
        ({"webhook-timestamp": "now"}, 400),
        ({"webhook-timestamp": "²"}, 400),
        ({"webhook-timestamp": "9" * 400}, 400),
        ({"webhook-timestamp": "1772445600.5"}, 400),
        ({"webhook-signature": ""}, 400),
        ({"webhook-signature": "v1,"}, 401),
        ({"webhook-signature": "v1,é"}, 401),
        ({"webhook-signature": "v1a,AAAA v2,AAAA nonsense"}, 401),
    ],
)
def test_a_changed_message_is_rejected(change: dict[str, str], status: int) -> None:
    """Whatever is changed or missing, the message is turned down with a fitting status, and nothing breaks."""
    headers = secrets_of(NEW).sign("m1", BODY, NOW) | change
    with pytest.raises(CallbackRejected) as rejected:
        secrets_of(NEW).verify(headers, BODY, NOW)
    assert rejected.value.status == status


def test_a_changed_body_is_rejected() -> None:
    """The signature is over the body's bytes, not its meaning."""
    headers = secrets_of(NEW).sign("m1", BODY, NOW)
    with pytest.raises(CallbackRejected):
        secrets_of(NEW).verify(headers, BODY + b" ", NOW)


def test_one_fitting_signature_among_others_is_enough() -> None:
    """Signatures by other secrets and of other versions may stand beside ours."""
    headers = secrets_of(NEW).sign("m1", BODY, NOW)
    stranger = secrets_of(OTHER).sign("m1", BODY, NOW)["webhook-signature"]
    headers["webhook-signature"] = f"v1a,AAAA {stranger} {headers['webhook-signature']}"
    assert secrets_of(NEW).verify(headers, BODY, NOW) == "m1"


@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()))
def test_no_header_breaks_the_check(headers: dict[str, str]) -> None:
    """Whatever is in the headers, the answer is a rejection and never another error."""
    with pytest.raises(CallbackRejected):
        secrets_of(NEW).verify(headers, BODY, NOW)


@pytest.mark.parametrize(
    "value",
    [None, 7, [], "", "secret", "whsec_", "whsec_!!!", ["whsec_" + base64.b64encode(b"s" * 23).decode()]]
    + [["whsec_" + base64.b64encode(b"s" * 65).decode()], [NEW, None], {"a": NEW}],
)
def test_a_bad_secret_stops_the_start(value: object) -> None:
    """A secret that is missing, too short, too long or no secret is named by its key, and not quoted."""
    with pytest.raises(ConfigurationError, match=r"connection\.secret") as error:
        WebhookSecrets.from_connection(value, key="connection.secret")
    assert "!!!" not in str(error.value)


def test_secrets_are_not_shown() -> None:
    """Printing what holds the secrets does not print them."""
    assert repr(secrets_of(NEW, OLD)) == "<WebhookSecrets: 2>"


def test_an_id_with_a_dot_is_not_signed() -> None:
    """A dot in the id would let id and timestamp be read in two ways."""
    with pytest.raises(ValueError, match="message id"):
        secrets_of(NEW).sign("a.b", BODY, NOW)
