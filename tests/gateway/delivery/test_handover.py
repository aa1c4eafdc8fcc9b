"""Purpose-limited sharing: a field that is not on the organisation's list cannot leave."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.staff import Citizen
from gateway.delivery.handover import FIELDS, build
from gateway.store.claims import Claim
from routing_rules.organisation import Field, Organisation, Sharing

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
NOT_FROM_THE_CITIZEN = {"description", "postcode"}


def organisation(fields, **more):
    return Organisation(
        code="re",
        name="Re",
        kind="joint-venture",
        protocol="open311",
        sharing=Sharing(fields=tuple(fields), purpose="mending", lawful_basis="public task"),
        **more,
    )


def claim(**changes):
    fields = {
        "authority_id": "barnet",
        "delivery_id": UUID(int=1),
        "referral_id": UUID(int=2),
        "request_id": UUID(int=3),
        "organisation": "re",
        "role": "lead",
        "attempt": 3,
        "fence": 4,
        "check_first": False,
        "traceparent": "00-00000000000000000000000000000001-0000000000000001-01",
        "queued_at": NOW,
        "reference": "BAR-AAAA-AAAA",
        "created_at": NOW,
        "text": "MARK-description",
        "service": "pothole",
        "priority": "urgent",
        "chain": ["MARK-chain"],
        "citizen": {name: f"MARK-{name}" for name in FIELDS if name not in NOT_FROM_THE_CITIZEN},
        "postcode": "MARK-postcode",
    }
    return Claim(**{**fields, **changes})


def test_every_field_that_there_is_can_be_listed_and_no_other():
    """What a request may hold of a citizen, what a file may list and what is handed over are the same names."""
    assert set(FIELDS) == set(get_args(Field))
    assert set(FIELDS) - NOT_FROM_THE_CITIZEN == {field.name for field in msgspec.structs.fields(Citizen)}


@given(listed=st.sets(st.sampled_from(FIELDS)))
def test_exactly_what_is_listed_leaves(rules, listed):
    """Whatever the list: nothing else stands anywhere in the hand-over, under whatever name."""
    handover = build(claim(), organisation(listed), rules.catalogue, None)
    assert dict(handover.fields) == {name: f"MARK-{name}" for name in listed}
    written = msgspec.json.encode(handover).decode()
    assert {name for name in (*FIELDS, "chain") if f"MARK-{name}" in written} == listed


@given(
    listed=st.sets(st.sampled_from(FIELDS)),
    citizen=st.dictionaries(
        st.sampled_from((*FIELDS, "bank_account", "__class__", "", "Name", "fields")),
        st.none() | st.text() | st.floats(allow_nan=False) | st.integers() | st.booleans(),
    ),
)
def test_whatever_is_kept_of_a_citizen_only_listed_names_leave(rules, listed, citizen):
    """Rows from other versions may hold other fields; what is not known is left out, not sent as nothing."""
    handover = build(claim(citizen=citizen), organisation(listed), rules.catalogue, None)
    assert set(handover.fields) <= listed
    assert all(isinstance(value, str) for value in handover.fields.values())
    assert "None" not in {handover.fields.get(name) for name in citizen if citizen[name] is None}


def test_a_citizens_own_description_or_postcode_field_cannot_replace_the_requests(rules):
    """Those two come from the referral and the request."""
    sneaky = {"description": "other", "postcode": "other"}
    handover = build(claim(citizen=sneaky), organisation(["description", "postcode"]), rules.catalogue, None)
    assert dict(handover.fields) == {"description": "MARK-description", "postcode": "MARK-postcode"}


def test_what_identifies_the_case_goes_to_everyone(rules):
    """Reference, service, priority and where to report; the organisation's own code where it has one."""
    handover = build(
        claim(), organisation([], service_codes={"pothole": "PH-7"}), rules.catalogue, "http://door/cb"
    )
    assert handover.delivery_id == str(UUID(int=1))
    assert (handover.reference, handover.service, handover.external_code) == (
        "BAR-AAAA-AAAA",
        "pothole",
        "PH-7",
    )
    assert (handover.priority, handover.attempt, handover.callback_url) == ("urgent", 3, "http://door/cb")
    assert handover.service_name == rules.catalogue.services["pothole"].name


def test_a_service_that_is_unknown_or_gone_still_reaches_people(rules):
    """From triage, or of a catalogue that has changed since."""
    for service in (None, "gone-with-the-old-catalogue"):
        handover = build(claim(service=service), organisation(["description"]), rules.catalogue, None)
        assert (handover.service, handover.service_name) == (service or "unknown", "Not yet known")
