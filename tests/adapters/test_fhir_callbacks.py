"""Status messages that come to us: who may send them, and what they say."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import (
    CallbackRejected,
)
from adapters.fhir import FhirAdapter
from adapters.fhir_message import encode, make_message
from tests.adapters.cases.fhir import OURS, THEIRS
from tests.adapters.fhir_kit import (
    DELIVERY,
    MEDIA,
    NOW,
    adapter_for,
    answer_message,
    handover,
    parties,
)


def signed_by(key: str, algorithm: str = "RS512", **claims: Any) -> dict[str, str]:
    """Make a callback's headers with a token of these claims."""
    times = {"exp": int((NOW + timedelta(minutes=5)).timestamp()), "aud": "front-door"}
    token = jwt.encode(times | claims, key, algorithm=algorithm)
    return {"authorization": f"Bearer {token}", "content-type": MEDIA}


def test_a_callback_that_is_signed() -> None:
    """A status message under the receiver's signature is read."""
    adapter = adapter_for(callback_public_key=THEIRS[1], callback_audience="front-door")
    body = json.dumps(answer_message(timestamp="2026-03-02T09:30:00Z")).encode()
    (update,) = adapter.read_callback(signed_by(THEIRS[0]), body, NOW)
    assert update.delivery_id == DELIVERY
    assert update.external_reference == "R1"
    assert update.status == "active"
    assert update.update_id == "A1"
    assert update.at == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic Zm9vOmJhcg=="},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Bearer 🐴"},
        signed_by(OURS[0]),
        signed_by(THEIRS[0], aud="another-door"),
        signed_by(THEIRS[0], "RS256"),
        signed_by(THEIRS[0], exp=int((NOW - timedelta(minutes=2)).timestamp())),
        signed_by(THEIRS[0], nbf=int((NOW + timedelta(minutes=2)).timestamp())),
        signed_by(THEIRS[0], exp="soon"),
        signed_by("", "none"),
        signed_by("x" * 64, "HS512"),
    ],
)
def test_a_callback_that_is_not_authentic(headers: dict[str, str]) -> None:
    """Another's key, another audience or algorithm, too late or too early: rejected with 401."""
    adapter = adapter_for(callback_public_key=THEIRS[1], callback_audience="front-door")
    with pytest.raises(CallbackRejected) as rejected:
        adapter.read_callback({"content-type": MEDIA} | headers, json.dumps(answer_message()).encode(), NOW)
    assert rejected.value.status == 401


def test_callbacks_that_are_not_configured() -> None:
    """Where the file gives nothing to check a callback by, none is taken."""
    adapter = adapter_for(status="poll")
    with pytest.raises(CallbackRejected) as rejected:
        adapter.read_callback({"authorization": "Bearer x"}, b"{}", NOW)
    assert rejected.value.status == 403


def without(bundle: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """Leave kinds of resources out of a message."""
    entry = [one for one in bundle["entry"] if one["resource"]["resourceType"] not in kinds]
    return bundle | {"entry": entry}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"[" * 100_000, 400),
        (b"\xff", 400),
        (json.dumps({"resourceType": "Bundle", "type": "message", "entry": "x"}).encode(), 400),
        (json.dumps(without(answer_message(), "MessageHeader")).encode(), 400),
        (json.dumps(without(answer_message(), "ServiceRequest")).encode(), 400),
        (encode(make_message(handover(), parties())), 400),
    ],
)
def test_a_callback_that_makes_no_sense(body: bytes, status: int) -> None:
    """An authentic callback that is no status message is rejected, quoting nothing of it."""
    adapter = adapter_for(callback_token="t")
    with pytest.raises(CallbackRejected) as rejected:
        adapter.read_callback({"authorization": "Bearer t", "content-type": MEDIA}, body, NOW)
    assert rejected.value.status == status


def test_a_callback_of_another_type() -> None:
    """A callback that does not say it is FHIR is rejected."""
    adapter = adapter_for(callback_token="t")
    with pytest.raises(CallbackRejected) as rejected:
        adapter.read_callback({"authorization": "Bearer t", "content-type": "text/xml"}, b"<x/>", NOW)
    assert rejected.value.status == 415


@cache
def one_adapter() -> FhirAdapter:
    """Make one adapter for many examples: reading the system's authorities takes a while."""
    return adapter_for(callback_token="t")


@settings(max_examples=200, deadline=None)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceType",
                        "type",
                        "entry",
                        "resource",
                        "id",
                        "status",
                        "response",
                        "identifier",
                        "code",
                    ]
                ),
                inner | st.sampled_from(["Bundle", "message", "MessageHeader", "ServiceRequest", "active"]),
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_as_a_callback(body: Any) -> None:
    """Whatever JSON arrives, it is read or rejected, and nothing else."""
    adapter = one_adapter()
    headers = {"authorization": "Bearer t", "content-type": MEDIA}
    with contextlib.suppress(CallbackRejected):
        adapter.read_callback(headers, json.dumps(body).encode(), NOW)


@pytest.mark.parametrize(
    ("request_status", "encounter_status", "word"),
    [
        ("active", "planned", "planned"),
        ("active", "in-progress", "in-progress"),
        ("active", "finished", "finished"),
        ("active", None, "active"),
        (None, "triaged", "triaged"),
        ("completed", "finished", "completed"),
        ("revoked", "cancelled", "revoked"),
        ("on-hold", "planned", "on-hold"),
    ],
)
def test_the_status_word(request_status: str | None, encounter_status: str | None, word: str) -> None:
    """The ServiceRequest says how it ended; while it is active the Encounter says how far it is."""
    message = answer_message()
    request: dict[str, Any] = {"resourceType": "ServiceRequest", "id": "R1", "status": request_status}
    encounter = {"resourceType": "Encounter", "status": encounter_status}
    message["entry"] = [message["entry"][0], {"resource": request}, {"resource": encounter}]
    adapter = adapter_for(callback_token="t")
    headers = {"authorization": "Bearer t", "content-type": MEDIA}
    (update,) = adapter.read_callback(headers, json.dumps(message).encode(), NOW)
    assert update.status == word
