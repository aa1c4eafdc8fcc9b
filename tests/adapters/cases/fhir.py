"""How FHIR joins the conformance suite: callbacks by token, callbacks by signature, polling, exchanged tokens."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters.fhir import FhirAdapter
from adapters.sandbox.core import SandboxBackend
from adapters.sandbox.fhir import make
from tests.adapters.conformance import Case

PARTIES = {"receiver_ods_code": "5A9", "sender_ods_code": "E09000003", "service_id": "2000001234"}
TOKEN = "callback-token-for-tests"


WORDS = frozenset(
    {
        "home",
        "phone",
        "email",
        "True",
        "urn:ietf:bcp:47",
        "National Insurance number",
        "number-present-but-not-traced",
        "https://fhir.nhs.uk/Id/nhs-number",
        "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland",
        "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
    }
)


@cache
def keys(name: str, *, elliptic: bool = False) -> tuple[str, str]:
    """Make a private and a public key in PEM, one pair a name."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if elliptic:
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def case(name: str, settings: dict[str, Any], options: dict[str, Any], *, statuses: tuple[str, ...]) -> Case:
    """Make a case from what each side is told."""

    def connection(backend: SandboxBackend) -> dict[str, Any]:
        table = {"url": backend.url, **PARTIES, **settings}
        if options.get("token_endpoint"):
            table["token_url"] = f"{backend.control_url}/oauth2/token"
        return table

    return Case(
        name=name,
        protocol="fhir",
        make=make,
        connection=connection,
        adapter=FhirAdapter.from_connection,
        options=lambda url: options | {"callback_url": url or None},
        statuses=statuses,
        words=WORDS,
    )


OURS, THEIRS, CURVE = keys("ours"), keys("theirs"), keys("curve", elliptic=True)
SIGNED = {"jwt_key": OURS[0], "jwt_issuer": "front-door-app", "jwt_key_id": "test-1"}
STATUSES = ("planned", "in-progress", "completed")

CASES = [
    case("fhir-callback", {"callback_token": TOKEN}, {"callback_token": TOKEN}, statuses=STATUSES),
    case(
        "fhir-signed",
        SIGNED | {"callback_public_key": THEIRS[1], "callback_audience": "front-door"},
        {
            "public_key": OURS[1],
            "callback_private_key": THEIRS[0],
            "callback_audience": "front-door",
            "answers_by": "header",
        },
        statuses=STATUSES,
    ),
    case(
        "fhir-poll",
        SIGNED | {"jwt_key": CURVE[0], "jwt_algorithm": "ES256", "status": "poll"},
        {"public_key": CURVE[1], "algorithm": "ES256", "token_endpoint": True, "callback": False},
        statuses=("active", "active", "completed"),
    ),
]
