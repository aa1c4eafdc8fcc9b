"""FHIR on the wire: headers and tokens, what each answer means, search and poll."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import jwt
import pytest

from adapters.base import (
    ConfigurationError,
    Deduplication,
    Refused,
    Unavailable,
    Uncertain,
)
from adapters.fhir import FhirAdapter
from adapters.fhir_message import derived_id
from adapters.sandbox.core import Mode, Scope
from tests.adapters.cases.fhir import CURVE, OURS, PARTIES, THEIRS
from tests.adapters.fhir_kit import (
    DELIVERY,
    MEDIA,
    adapter_for,
    answer_message,
    far_end,
    handover,
    outcome,
    pair,
)


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
