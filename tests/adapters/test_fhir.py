"""FHIR in its details: the message, its headers and tokens, the answers, and status both ways."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Deduplication,
    Handover,
    Refused,
    Unavailable,
    Uncertain,
)
from adapters.fhir import FhirAdapter
from adapters.fhir_connection import FhirConnection
from adapters.fhir_message import Parties, derived_id, encode, make_message
from adapters.fhir_patient import is_nhs_number
from adapters.sandbox.core import Faults, Ledger, Lifecycle, Mode, Scope
from adapters.sandbox.fhir import FhirSandbox, make
from tests.adapters.cases.fhir import CURVE, OURS, PARTIES, THEIRS
from tests.adapters.conformance import FULL_FIELDS, FixedClock

BLNS = Path(__file__).parents[2].parent / "shared" / "data" / "blns.json"
DELIVERY = "0195f0c2-0000-7000-8000-000000000001"
MEDIA = "application/fhir+json; version=1.0.0"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

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


def handover(fields: Mapping[str, str] | None = None, **changes: Any) -> Handover:
    """Make a hand-over to a primary care trust."""
    values: dict[str, Any] = {
        "delivery_id": DELIVERY,
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "pct",
        "service": "register-gp",
        "service_name": "Register with a GP",
        "lgsl": 819,
        "created_at": NOW,
        "fields": fields or {},
    }
    return Handover(**(values | changes))


def parties(**changes: Any) -> Parties:
    """Make the two sides of a message."""
    values: dict[str, Any] = {
        "sender_ods_code": "E09000003",
        "sender_name": "Barnet",
        "receiver_ods_code": "5A9",
        "service_id": "2000001234",
        "source_endpoint": "https://door.example/callbacks/barnet/pct",
        "software": "front-door",
        "definition": "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral",
        "use_case": None,
        "consent": True,
    }
    return Parties(**(values | changes))


def resources(bundle: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give a message's resources by kind (the last one of each)."""
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}


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


class Pair:
    """An adapter and its back end, by one clock."""

    def __init__(self, adapter: FhirAdapter, backend: FhirSandbox, clock: FixedClock) -> None:
        self.adapter = adapter
        self.backend = backend
        self.ledger = backend.ledger
        self.clock = clock


@contextlib.asynccontextmanager
async def pair(*, options: Mapping[str, Any] | None = None, **settings_: Any) -> AsyncIterator[Pair]:
    """Start a back end and an adapter that knows it."""
    clock = FixedClock()
    ledger = Ledger("pct", clock=clock, keep_raw=True)
    backend = make("pct", ledger, Faults(), Lifecycle(ledger), options or {})
    await backend.start(drive=False)
    table = {"url": backend.url, "callback_token": "t", **PARTIES, **settings_}
    if (options or {}).get("token_endpoint"):
        table["token_url"] = f"{backend.control_url}/oauth2/token"
    adapter = FhirAdapter(FhirConnection(**table), clock=clock)
    yield Pair(adapter, backend, clock)
    await adapter.close()
    await backend.close()


def adapter_for(**settings_: Any) -> FhirAdapter:
    """Make an adapter that will not be asked to send."""
    return FhirAdapter.from_connection({"url": "https://pct.example/FHIR/R4", **PARTIES, **settings_})


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


async def test_the_headers() -> None:
    """Every header of the standard is there and decodes to what it should be."""
    async with far_end() as end:
        adapter = FhirAdapter.from_connection(
            {"url": end.url, "status": "none", "sender_name": "London Borough of Barnet", **PARTIES}
        )
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for attempt in (1, 2):
            with pytest.raises(Uncertain):
                await adapter.deliver(handover(attempt=attempt, traceparent=traceparent))
        await adapter.close()
        first, second = (request.headers for request in end.seen)
        assert end.seen[0].path == "/FHIR/R4/$process-message"
        assert first["Content-Type"] == MEDIA
        assert first["traceparent"] == traceparent
        assert decoded(first["NHSD-Target-Identifier"]) == {
            "system": "https://fhir.nhs.uk/Id/dos-service-id",
            "value": "2000001234",
        }
        organisation = decoded(first["NHSD-End-User-Organisation"])
        assert organisation["identifier"][0]["value"] == "E09000003"
        assert organisation["name"] == "London Borough of Barnet"
        assert decoded(first["NHSD-Requesting-Software"])["resourceType"] == "Device"
        assert uuid.UUID(first["X-Request-Id"]) != uuid.UUID(second["X-Request-Id"])
        assert uuid.UUID(first["X-Correlation-Id"]) == uuid.UUID(second["X-Correlation-Id"])
        assert "Authorization" not in first


async def test_the_receipt() -> None:
    """The receipt names the receiver's own referral and the Encounter that it plans."""
    async with pair() as at:
        receipt = await at.adapter.deliver(handover(external_code="99"))
        assert receipt.external_reference == "PCT-000001"
        assert receipt.status == "planned"
        (case,) = at.ledger
        assert case.fields["HealthcareService.identifier[0].value"] == "99"
        assert at.adapter.deduplication is Deduplication.KEY


async def test_a_duplicate_without_a_search() -> None:
    """A 409 that says duplicate is as good as a receipt, even where the receiver cannot be searched."""
    async with pair(options={"searchable": False}) as at:
        await at.adapter.deliver(handover())
        receipt = await at.adapter.deliver(handover(attempt=2))
        assert receipt.duplicate
        assert receipt.external_reference == derived_id(DELIVERY, "ServiceRequest")
        assert at.ledger.effects(DELIVERY) == 1


async def test_a_search() -> None:
    """The receiver can be searched for a delivery: no before, yes after; no answer is no no."""
    async with pair() as at:
        assert await at.adapter.lookup(DELIVERY) is None
        await at.adapter.deliver(handover())
        found = await at.adapter.lookup(DELIVERY)
        assert found is not None
        assert found.external_reference == "PCT-000001"
    async with pair(options={"searchable": False}) as at:
        with pytest.raises(Unavailable):
            await at.adapter.lookup(DELIVERY)


class FarEnd:
    """A receiver that answers with whatever it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[web.Request] = []
        self.status = 200
        self.body: Any = {}
        self.headers: dict[str, str] = {}


@contextlib.asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    """Start one."""
    end = FarEnd()

    async def answer(request: web.Request) -> web.Response:
        end.seen.append(request)
        body = b"" if end.body is None else json.dumps(end.body).encode()
        headers = {"Content-Type": MEDIA, **end.headers}
        return web.Response(status=end.status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    end.url = f"http://127.0.0.1:{runner.addresses[0][1]}/FHIR/R4"
    yield end
    await runner.cleanup()


def answer_message(identifier: str = DELIVERY, code: str = "ok", **changes: Any) -> dict[str, Any]:
    """Make a receiver's message in answer."""
    header = {
        "resourceType": "MessageHeader",
        "id": "answer",
        "eventCoding": {"code": "servicerequest-response"},
        "response": {"identifier": identifier, "code": code},
    }
    request = {"resourceType": "ServiceRequest", "id": "R1", "status": "active"}
    entry = [{"resource": header}, {"resource": request}]
    return {"resourceType": "Bundle", "id": "A1", "type": "message", "entry": entry} | changes


def outcome(*codes: str) -> dict[str, Any]:
    """Make an OperationOutcome."""
    issues = [{"severity": "error", "code": code, "diagnostics": "Zephyrine said"} for code in codes]
    return {"resourceType": "OperationOutcome", "issue": issues}


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (200, answer_message(str(uuid.uuid4())), {}, Uncertain),
        (200, answer_message(""), {}, Uncertain),
        (200, answer_message(entry=[]), {}, Uncertain),
        (200, answer_message(type="collection"), {}, Uncertain),
        (200, answer_message(entry={"resource": []}), {}, Uncertain),
        (200, answer_message(), {"X-Request-Id": str(uuid.uuid4())}, Uncertain),
        (200, answer_message(), {"X-Correlation-Id": str(uuid.uuid4())}, Uncertain),
        (200, outcome("informational"), {}, Uncertain),
        (200, [], {}, Uncertain),
        (200, None, {}, Uncertain),
        (200, answer_message(code="fatal-error"), {}, Refused),
        (200, answer_message(code="transient-error"), {}, Unavailable),
        (409, outcome("conflict"), {}, Refused),
        (409, None, {}, Refused),
        (400, outcome("invariant"), {}, Refused),
        (422, {"issue": "nonsense"}, {}, Refused),
        (401, outcome("login"), {}, Unavailable),
        (403, outcome("forbidden"), {}, Unavailable),
        (429, outcome("throttled"), {"Retry-After": "9"}, Unavailable),
        (500, outcome("exception"), {}, Uncertain),
    ],
)
async def test_answers(status: int, body: Any, headers: dict[str, str], kind: type[Exception]) -> None:
    """Each answer of a receiver means one thing, and none of its free text gets into the error."""
    async with far_end() as end:
        end.status, end.body, end.headers = status, body, headers
        adapter = FhirAdapter.from_connection({"url": end.url, "status": "none", **PARTIES})
        with pytest.raises(kind) as raised:
            await adapter.deliver(handover())
        await adapter.close()
        assert type(raised.value) is kind
        assert "Zephyrine" not in str(raised.value)
        assert len(end.seen) == 1


async def test_other_answers_that_accept() -> None:
    """A 202 without a body, and an answer that names no referral, are receipts with our own reference."""
    own = derived_id(DELIVERY, "ServiceRequest")
    for status, body in ((202, None), (200, answer_message(entry=answer_message()["entry"][:1]))):
        async with far_end() as end:
            end.status, end.body = status, body
            adapter = FhirAdapter.from_connection({"url": end.url, "status": "none", **PARTIES})
            assert (await adapter.deliver(handover())).external_reference == own
            await adapter.close()


async def test_the_error_code_is_kept() -> None:
    """The standard's own error code is in the attempt's record."""
    async with pair() as at:
        at.backend.faults.set(Mode.REFUSE, count=1)
        with pytest.raises(Refused) as refused:
            await at.adapter.deliver(handover())
        assert refused.value.detail == "HTTP 422 (business-rule, REC_UNPROCESSABLE_ENTITY)"


async def test_our_token() -> None:
    """Our token is signed with our key and says who we are, for whom it is, and for five minutes at most."""
    signed = {"jwt_key": OURS[0], "jwt_issuer": "app-1", "jwt_key_id": "kid-1"}
    async with far_end() as end:
        adapter = FhirAdapter.from_connection({"url": end.url, "status": "none", **PARTIES, **signed})
        for _ in range(2):
            with pytest.raises(Uncertain):
                await adapter.deliver(handover())
        await adapter.close()
        tokens = [request.headers["Authorization"].removeprefix("Bearer ") for request in end.seen]
        claims = jwt.decode(tokens[0], OURS[1], algorithms=["RS512"], audience=end.url)
        assert jwt.get_unverified_header(tokens[0]) == {"alg": "RS512", "kid": "kid-1", "typ": "JWT"}
        assert (claims["iss"], claims["sub"]) == ("app-1", "app-1")
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert uuid.UUID(claims["jti"])
        assert tokens[0] == tokens[1]  # signing is dear; one token serves for minutes


async def test_a_token_that_the_receiver_does_not_take() -> None:
    """A signature by another key is our fault, not the citizen's: unavailable, and nothing is taken."""
    async with pair(options={"public_key": OURS[1]}, jwt_key=THEIRS[0], jwt_issuer="app-1") as at:
        with pytest.raises(Unavailable, match="HTTP 401"):
            await at.adapter.deliver(handover())
        assert len(at.ledger) == 0


async def test_an_access_token_that_was_revoked() -> None:
    """An access token that is no longer taken is fetched anew, once, in the same attempt."""
    options = {"public_key": CURVE[1], "algorithm": "ES256", "token_endpoint": True}
    signed = {"jwt_key": CURVE[0], "jwt_issuer": "app-1", "jwt_algorithm": "ES256"}
    async with pair(options=options, **signed) as at:
        await at.adapter.deliver(handover())
        at.backend.access_tokens.clear()
        second = handover(delivery_id=str(uuid.uuid4()))
        assert await at.adapter.deliver(second)
        assert len(at.backend.access_tokens) == 1
        assert at.ledger.effects(second.delivery_id) == 1


async def test_no_access_token() -> None:
    """Where no access token is to be had nothing is sent."""
    options = {"public_key": OURS[1], "token_endpoint": True}
    async with pair(options=options, jwt_key=THEIRS[0], jwt_issuer="app-1") as at:
        with pytest.raises(Unavailable):
            await at.adapter.deliver(handover())
        assert len(at.ledger) == 0


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({}, "callback_token or callback_public_key"),
        ({"status": "none", "jwt_key": OURS[0]}, "jwt_issuer"),
        ({"status": "none", "jwt_key": "nonsense", "jwt_issuer": "a"}, "jwt_key"),
        ({"status": "none", "jwt_key": OURS[1], "jwt_issuer": "a"}, "jwt_key"),
        ({"status": "none", "jwt_key": CURVE[0], "jwt_issuer": "a"}, "jwt_key"),
        (
            {"status": "none", "jwt_key": OURS[0], "jwt_issuer": "a", "jwt_algorithm": "HS256"},
            "jwt_algorithm",
        ),
        ({"status": "none", "jwt_key": OURS[0], "jwt_issuer": "a", "jwt_algorithm": "none"}, "jwt_algorithm"),
        ({"status": "none", "token_url": "https://token.example"}, "jwt_key"),
        ({"callback_public_key": "nonsense"}, "callback_public_key"),
        ({"callback_public_key": CURVE[1]}, "callback_public_key"),
        ({"status": "none", "receiver": "5A9"}, "receiver"),
        ({"status": "sometimes"}, "status"),
    ],
)
def test_a_wrong_file(settings_: dict[str, Any], match: str) -> None:
    """A connection table that cannot be used is found at start, and no key is shown."""
    with pytest.raises(ConfigurationError, match=match) as raised:
        adapter_for(**settings_)
    assert "BEGIN" not in str(raised.value)


async def test_a_key_with_escaped_line_ends() -> None:
    """A key from an environment variable, its line ends written as two characters, is read all the same."""
    escaped = CURVE[0].replace("\n", "\\n")
    await adapter_for(status="none", jwt_key=escaped, jwt_issuer="app-1", jwt_algorithm="ES256").close()


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
    adapter = adapter_for(callback_token="t")
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


async def test_polling_referral_by_referral() -> None:
    """One referral that cannot be read holds up no other; when none can be, the poll is unavailable."""
    async with pair(status="poll") as at:
        first = await at.adapter.deliver(handover())
        at.backend.lifecycle.move(first.external_reference, "rejected", note="Out of area")
        references = [first.external_reference, "unknown-1", "not a FHIR id"]
        poll = await at.adapter.poll("cursor", references)
        (update,) = poll.updates
        assert (update.external_reference, update.status, update.note) == (
            "PCT-000001",
            "revoked",
            "Out of area",
        )
        assert poll.cursor == "cursor"
        assert await at.adapter.poll("cursor", references) == poll
        at.backend.faults.set(Mode.HTTP_500, count=1, scope=Scope.OTHER)
        assert len((await at.adapter.poll(None, [first.external_reference] * 2)).updates) == 1
        at.backend.faults.set(Mode.HTTP_500, scope=Scope.OTHER)
        with pytest.raises(Unavailable):
            await at.adapter.poll(None, [first.external_reference] * 2)
        at.backend.faults.clear()
    async with pair() as at:
        assert (await at.adapter.poll("c", ["PCT-000001"])).updates == []


def decoded(header: str) -> dict[str, Any]:
    """Decode a header's base64 JSON."""
    found: dict[str, Any] = json.loads(base64.b64decode(header))
    return found
