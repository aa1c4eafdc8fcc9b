"""The message that a hand-over becomes: valid R4, the same at every attempt, and true to the words."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fhir_message import encode, make_message
from adapters.fhir_patient import is_nhs_number
from tests.adapters.conformance import FULL_FIELDS
from tests.adapters.fhir_kit import (
    DELIVERY,
    handover,
    pair,
    parties,
    resources,
)

BLNS = Path(__file__).parents[2].parent / "shared" / "data" / "blns.json"


CODES: Mapping[tuple[str, str], frozenset[str]] = {
    ("Bundle", "type"): frozenset({"message"}),
    ("ServiceRequest", "status"): frozenset(
        {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
    ),
    ("ServiceRequest", "intent"): frozenset({"proposal", "plan", "directive", "order", "option"}),
    ("ServiceRequest", "priority"): frozenset({"routine", "urgent", "asap", "stat"}),
    ("Encounter", "status"): frozenset(
        {"planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled"}
    ),
    ("CarePlan", "status"): frozenset({"draft", "active", "on-hold", "revoked", "completed"}),
    ("CarePlan", "intent"): frozenset({"proposal", "plan", "order", "option"}),
    ("Patient", "telecom.system"): frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"}),
    ("Patient", "address.use"): frozenset({"home", "work", "temp", "old", "billing"}),
    ("Location", "status"): frozenset({"active", "suspended", "inactive"}),
    ("Location", "mode"): frozenset({"instance", "kind"}),
    ("Consent", "status"): frozenset({"draft", "proposed", "active", "rejected", "inactive"}),
    ("Consent", "provision.type"): frozenset({"deny", "permit"}),
    ("Flag", "status"): frozenset({"active", "inactive", "entered-in-error"}),
}
"""The required code sets of R4 for what we send; the library checks the rest but not these."""


def assert_valid(bundle: Mapping[str, Any]) -> None:
    """Check a message against R4B's structure, R4's required code sets, and its own references."""
    Bundle.model_validate_json(encode(dict(bundle)))
    for resource in [bundle, *(entry["resource"] for entry in bundle["entry"])]:
        for (kind, path), allowed in CODES.items():
            if resource["resourceType"] == kind:
                assert set(values_at(resource, path.split("."))) <= allowed, (kind, path)
    urls = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(urls) == len(bundle["entry"])
    assert all(reference in urls for reference in values_under(bundle, "reference"))


def values_at(node: Any, path: list[str]) -> list[str]:
    """Give the values at a path, through lists."""
    if isinstance(node, list):
        return list(itertools.chain.from_iterable(values_at(one, path) for one in node))
    if not path:
        return [node]
    return values_at(node[path[0]], path[1:]) if path[0] in node else []


def values_under(node: Any, key: str) -> list[str]:
    """Give every string under a key, anywhere."""
    if isinstance(node, list):
        return list(itertools.chain.from_iterable(values_under(one, key) for one in node))
    if not isinstance(node, dict):
        return []
    own = [node[key]] if isinstance(node.get(key), str) else []
    return own + list(itertools.chain.from_iterable(values_under(one, key) for one in node.values()))


def test_a_full_message() -> None:
    """Every field has its place in the message, and the whole is valid."""
    bundle = make_message(handover(FULL_FIELDS, priority="safeguarding"), parties(use_case="a1t1"))
    assert_valid(bundle)
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == [
        "MessageHeader",
        "ServiceRequest",
        "HealthcareService",
        "Encounter",
        "CarePlan",
        "Patient",
        "Organization",
        "Organization",
        "Location",
        "Consent",
        "Flag",
    ]
    by_kind = resources(bundle)
    header, request, patient = by_kind["MessageHeader"], by_kind["ServiceRequest"], by_kind["Patient"]
    assert bundle["id"] == header["id"] == DELIVERY
    assert header["eventCoding"]["code"] == "servicerequest-request"
    assert header["source"]["endpoint"] == "https://door.example/callbacks/barnet/pct"
    assert header["destination"][0]["endpoint"] == "https://fhir.nhs.uk/Id/dos-service-id|2000001234"
    assert header["focus"] == [{"reference": f"urn:uuid:{request['id']}"}]
    assert (request["status"], request["intent"], request["priority"]) == ("active", "plan", "asap")
    assert [coding["code"] for coding in request["category"][0]["coding"]] == ["referral", "a1t1"]
    assert request["code"]["coding"][0]["code"] == "819"
    assert request["reasonCode"] == [{"text": FULL_FIELDS["description"]}]
    assert request["note"] == [{"text": FULL_FIELDS["notes"]}]
    assert patient["name"][0]["text"] == "Ottoline Featherstonehaugh"
    assert patient["identifier"][0]["value"] == "9434765919"
    assert patient["birthDate"] == "1951-03-27"
    assert patient["address"][0]["postalCode"] == "NW4 4BG"
    assert b'"latitude":51.603125' in encode(bundle)


def test_an_empty_message() -> None:
    """A hand-over that may share nothing is still a valid message, with a nameless patient."""
    bundle = make_message(handover(lgsl=None), parties())
    assert_valid(bundle)
    assert set(resources(bundle)["Patient"]) == {"resourceType", "id"}
    assert "Location" not in resources(bundle)
    assert "Consent" not in resources(make_message(handover(), parties(consent=False)))


def test_every_attempt_sends_the_same() -> None:
    """The message depends on the delivery alone: a later attempt is the same to the byte."""
    first = encode(make_message(handover(FULL_FIELDS), parties()))
    again = encode(make_message(handover(FULL_FIELDS, attempt=7), parties()))
    other = encode(make_message(handover(FULL_FIELDS, delivery_id=str(uuid.uuid4())), parties()))
    assert first == again
    assert first != other


def test_a_delivery_id_that_is_no_uuid() -> None:
    """Any delivery id makes a valid message, always the same one."""
    odd = handover(delivery_id="delivery no. 7 (second half)")
    bundle = make_message(odd, parties())
    assert_valid(bundle)
    assert bundle == make_message(odd, parties())


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"date_of_birth": "about 1950"}, "Date of birth as given: about 1950"),
        ({"date_of_birth": "1950-02-30"}, "Date of birth as given: 1950-02-30"),
        ({"nhs_number": "943 476 5918"}, "NHS number as given: 943 476 5918"),
        ({"lat": "north", "long": "1"}, "Position as given: north 1"),
        ({"lat": "91", "long": "0"}, "Position as given: 91 0"),
        ({"lat": "nan", "long": "0"}, "Position as given: nan 0"),
        ({"lat": "51.6"}, "Position as given: 51.6"),
    ],
)
def test_what_does_not_fit_becomes_a_note(fields: dict[str, str], note: str) -> None:
    """A detail that FHIR cannot hold in its place is not lost and not made up: a person reads it."""
    bundle = make_message(handover(fields), parties())
    assert_valid(bundle)
    assert resources(bundle)["ServiceRequest"]["note"] == [{"text": note}]
    assert not {"birthDate", "identifier"} & resources(bundle)["Patient"].keys()


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("9434765919", True),
        ("4010232137", True),
        ("9434765918", False),
        ("943476591", False),
        ("94347659190", False),
        ("943476591x", False),
        ("٩٤٣٤٧٦٥٩١٩", False),
        ("1000000010", False),
    ],
)
def test_nhs_numbers(number: str, *, valid: bool) -> None:
    """An NHS number has ten digits of which the last is right."""
    assert is_nhs_number(number) is valid


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=120, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(sorted(FULL_FIELDS)), TEXTS))
def test_any_fields_make_a_valid_message(fields: dict[str, str]) -> None:
    """Whatever the fields hold, the message is valid JSON that keeps the standard's rules."""
    bundle = json.loads(encode(make_message(handover(fields), parties())))
    texts = "\n".join(strings(bundle))
    assert all(ord(character) >= 32 or character in "\t\r\n" for character in texts)
    assert all(strings_are_filled(bundle))
    Bundle.model_validate(plain_spaces(bundle))


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_words_arrive_exactly(text: str) -> None:
    """Words arrive as they were said; only control characters, which FHIR forbids, are replaced."""
    wire = json.loads(encode(make_message(handover({"description": text}), parties())))
    expected = "".join(c if ord(c) >= 32 or c in "\t\r\n" else "\ufffd" for c in text)
    request = resources(wire)["ServiceRequest"]
    arrived = request["reasonCode"][0]["text"] if "reasonCode" in request else ""
    assert arrived == expected or (arrived == "" and not expected.strip(" \t\r\n"))


def test_half_a_character() -> None:
    """A lone surrogate, which no encoding can carry, is replaced; the rest arrives."""
    wire = json.loads(encode(make_message(handover({"description": "bin \ud83d full"}), parties())))
    assert resources(wire)["ServiceRequest"]["reasonCode"][0]["text"] == "bin \ufffd full"


@pytest.mark.skipif(not BLNS.exists(), reason="the list of naughty strings is not beside the project")
async def test_naughty_strings() -> None:
    """Every string of the list of naughty strings is taken by the receiver."""
    async with pair() as at:
        for text in json.loads(BLNS.read_text(encoding="utf-8")):
            await at.adapter.deliver(handover({"description": text}, delivery_id=str(uuid.uuid4())))
        assert len(at.ledger) > 400


def strings(node: Any) -> list[str]:
    """Give every string in a JSON value."""
    if isinstance(node, dict):
        return list(itertools.chain.from_iterable(strings(one) for one in node.values()))
    if isinstance(node, list):
        return list(itertools.chain.from_iterable(strings(one) for one in node))
    return [node] if isinstance(node, str) else []


def strings_are_filled(bundle: Any) -> list[bool]:
    """Say for every string whether it holds more than white space."""
    return [bool(one.strip(" \t\r\n")) for one in strings(bundle)]


def plain_spaces(node: Any) -> Any:
    """Replace the spaces that Python's regular expressions know beyond FHIR's own; the library uses those."""
    if isinstance(node, dict):
        return {key: plain_spaces(one) for key, one in node.items()}
    if isinstance(node, list):
        return [plain_spaces(one) for one in node]
    if not isinstance(node, str):
        return node
    return "".join("x" if c.isspace() and c not in " \t\r\n" else c for c in node)
