"""A stand-in receiver of the NHS Booking and Referral Standard.

It checks what a receiver must check (headers, message structure, references, the token's signature), knows a
message again by the id of its Bundle or MessageHeader, answers with a planned Encounter, and reports progress by
`servicerequest-response` messages to the address the message named. Acknowledged → Encounter `planned`, in
progress → `in-progress`, resolved → ServiceRequest `completed`, rejected → `revoked`,
cancelled → Encounter `cancelled`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal

import jwt
import msgspec
from aiohttp import web

from adapters.fhir_message import DOS, EVENTS, REASONS, REFERENCE, URI
from adapters.fhir_reading import Message, NotAMessage, as_dict, as_list, text
from adapters.sandbox.core import Callback, Case, Change, Faults, HttpSandbox, Ledger, Lifecycle, Scope
from adapters.sandbox.fhir_checks import Invalid, check_headers, check_message, flatten

MEDIA: Final = "application/fhir+json; version=1.0.0"
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "received": ("active", "planned"),
    "acknowledged": ("active", "planned"),
    "in_progress": ("active", "in-progress"),
    "resolved": ("completed", "finished"),
    "rejected": ("revoked", "cancelled"),
    "cancelled": ("active", "cancelled"),
}
"""Our words → the statuses of ServiceRequest and Encounter."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this receiver behaves."""

    public_key: str | None = None
    """The sender's key; with it every request needs a token signed by it."""
    algorithm: str = "RS512"
    audience: str | None = None
    token_endpoint: bool = False
    """Take signed tokens at `/oauth2/token` only, and access tokens everywhere else."""
    callback: bool = True
    callback_url: str | None = None
    """Where status goes if the message does not say."""
    callback_token: str | None = None
    callback_private_key: str | None = None
    callback_audience: str | None = None
    answers_by: Literal["bundle", "header"] = "bundle"
    """Which id of the request its answers name; both occur."""
    searchable: bool = True


class FhirSandbox(HttpSandbox):
    """One receiver's endpoint."""

    protocol: ClassVar[str] = "fhir"
    path: ClassVar[str] = "/FHIR/R4"

    def __init__(
        self, code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Options
    ) -> None:
        super().__init__(code, ledger, faults, lifecycle)
        self.options = options
        self.access_tokens: set[str] = set()
        self.route("POST", f"{self.path}/$process-message", self._process, scope=Scope.DELIVER)
        self.route("GET", f"{self.path}/ServiceRequest/{{id}}", self._read)
        if options.searchable:
            self.route("GET", f"{self.path}/ServiceRequest", self._search)
        self.route("POST", "/oauth2/token", self._token)

    async def refusal(self, request: web.Request) -> web.Response:
        """Say no as the standard does."""
        return _outcome(request, 422, "business-rule", "REC_UNPROCESSABLE_ENTITY")

    def callback(self, change: Change, case: Case) -> Callback | None:
        """Make the `servicerequest-response` for a change."""
        options = self.options
        url = case.callback_url or options.callback_url
        if url is None or not options.callback:
            return None
        headers = {"Content-Type": MEDIA, "X-Request-Id": str(uuid.uuid4())}
        if options.callback_private_key is not None:
            headers["Authorization"] = f"Bearer {self._signed(options.callback_private_key)}"
        elif options.callback_token is not None:
            headers["Authorization"] = f"Bearer {options.callback_token}"
        bundle = self._message(case, change.status, bundle_id=_uuid(change.update_id), note=change.note)
        bundle["timestamp"] = change.at.isoformat()
        return Callback(url=url, body=msgspec.json.encode(bundle), headers=headers)

    async def _process(self, request: web.Request) -> web.Response:
        if not self._authorised(request):
            return _outcome(request, 401, "login", "REC_UNAUTHORIZED")
        raw = await request.read()
        try:
            check_headers(request.headers)
            message = Message(msgspec.json.decode(raw))
            check_message(message)
        except (Invalid, NotAMessage, msgspec.DecodeError) as error:
            return _outcome(request, 400, "invariant", "REC_BAD_REQUEST", str(error))
        case, repeat = self._take(message, raw)
        if repeat:
            return _outcome(request, 409, "duplicate", "REC_CONFLICT")
        answer = self._message(self.opened(case), case.status, bundle_id=str(uuid.uuid4()))
        return _answer(request, 200, answer)

    def _take(self, message: Message, raw: bytes) -> tuple[Case, bool]:
        source = text(as_dict(message.header.get("source")).get("endpoint"))
        request = message.first("ServiceRequest")
        identifiers = {
            text(one.get("system")): text(one.get("value"))
            for one in map(as_dict, as_list(request.get("identifier")))
        }
        fields = flatten(message.resources)
        fields["Bundle.id"] = text(message.bundle.get("id"))
        fields["MessageHeader.id"] = text(message.header.get("id"))
        return self.ledger.take(
            identifiers.get(URI, "").removeprefix("urn:uuid:") or fields["Bundle.id"],
            fields,
            service=text(as_dict(message.first("HealthcareService")).get("name")),
            callback_url=source if source.startswith("http") else None,
            raw=raw,
        )

    async def _read(self, request: web.Request) -> web.Response:
        if not self._authorised(request):
            return _outcome(request, 401, "login", "REC_UNAUTHORIZED")
        case = self.ledger.get(request.match_info["id"])
        if case is None:
            return _outcome(request, 404, "not-found", "REC_NOT_FOUND")
        return _answer(request, 200, self._service_request(case, case.status))

    async def _search(self, request: web.Request) -> web.Response:
        if not self._authorised(request):
            return _outcome(request, 401, "login", "REC_UNAUTHORIZED")
        wanted = request.query.get("identifier", "").removeprefix(f"{URI}|urn:uuid:")
        cases = self.ledger.by_delivery(wanted)
        found = [{"resource": self._service_request(case, case.status)} for case in cases]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": found}
        return _answer(request, 200, bundle)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if not self._is_signed(str(form.get("client_assertion", ""))):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = uuid.uuid4().hex
        self.access_tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 599})

    def _authorised(self, request: web.Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.options.token_endpoint:
            return token in self.access_tokens
        return self.options.public_key is None or self._is_signed(token)

    def _is_signed(self, token: str) -> bool:
        options = self.options
        if options.public_key is None:
            return False
        try:
            jwt.decode(
                token,
                options.public_key,
                algorithms=[options.algorithm],
                audience=options.audience,
                leeway=60,
                options={
                    "require": ["exp", "iat", "iss", "sub", "aud", "jti"],
                    "verify_aud": bool(options.audience),
                },
            )
        except jwt.PyJWTError:
            return False
        return True

    def _signed(self, private_key: str) -> str:
        now = self.ledger.clock()
        claims = {
            "iss": self.code,
            "sub": self.code,
            "jti": str(uuid.uuid4()),
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(minutes=5)).timestamp()),
        }
        if self.options.callback_audience is not None:
            claims["aud"] = self.options.callback_audience
        return jwt.encode(claims, private_key, algorithm=self.options.algorithm)

    def _message(self, case: Case, status: str, *, bundle_id: str, note: str = "") -> dict[str, Any]:
        request = self._service_request(case, status)
        encounter = self._encounter(case, status, note)
        named = case.fields.get("Bundle.id" if self.options.answers_by == "bundle" else "MessageHeader.id")
        header = {
            "resourceType": "MessageHeader",
            "id": str(uuid.uuid4()),
            "eventCoding": {"system": EVENTS, "code": "servicerequest-response"},
            "source": {"name": self.code, "endpoint": f"{DOS}|{self.code}"},
            "reason": {"coding": [{"system": REASONS, "code": "new"}]},
            "response": {"identifier": named or case.delivery_id, "code": "ok"},
            "focus": [{"reference": f"Encounter/{encounter['id']}"}],
            "definition": "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-response-referral",
        }
        entry = [
            {"fullUrl": f"urn:uuid:{_uuid(str(one['id']))}", "resource": one}
            for one in (header, request, encounter)
        ]
        return {"resourceType": "Bundle", "id": bundle_id, "type": "message", "entry": entry}

    def _service_request(self, case: Case, status: str) -> dict[str, Any]:
        changed = case.history[-1].at if case.history else case.received_at
        resource: dict[str, Any] = {
            "resourceType": "ServiceRequest",
            "id": case.external_reference,
            "meta": {"versionId": str(len(case.history) + 1), "lastUpdated": changed.isoformat()},
            "identifier": [{"system": URI, "value": f"urn:uuid:{case.delivery_id}"}],
            "status": WORDS.get(status, (status, status))[0],
            "intent": "plan",
            "subject": {"display": "as sent"},
        }
        if case.history and case.history[-1].note:
            resource["note"] = [{"text": case.history[-1].note}]
        return resource

    def _encounter(self, case: Case, status: str, note: str) -> dict[str, Any]:
        resource: dict[str, Any] = {
            "resourceType": "Encounter",
            "id": f"{case.external_reference}-encounter",
            "identifier": [{"system": REFERENCE, "value": case.external_reference}],
            "status": WORDS.get(status, (status, status))[1],
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        }
        return resource | ({"reasonCode": [{"text": note}]} if note else {})


def make(
    code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Mapping[str, Any]
) -> FhirSandbox:
    """Make the back end. Raises `msgspec.ValidationError` for wrong options."""
    return FhirSandbox(code, ledger, faults, lifecycle, msgspec.convert(options, Options))


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _answer(request: web.Request, status: int, body: Mapping[str, Any]) -> web.Response:
    mirrored = {
        name: request.headers[name]
        for name in ("X-Request-Id", "X-Correlation-Id")
        if name in request.headers
    }
    headers = {"Content-Type": MEDIA, **mirrored}
    return web.Response(status=status, body=msgspec.json.encode(body), headers=headers)


def _outcome(request: web.Request, status: int, issue: str, code: str, diagnostics: str = "") -> web.Response:
    system = "https://fhir.nhs.uk/CodeSystem/http-error-codes"
    found: dict[str, Any] = {
        "severity": "error",
        "code": issue,
        "details": {"coding": [{"system": system, "code": code}]},
    }
    if diagnostics:
        found["diagnostics"] = diagnostics
    return _answer(request, status, {"resourceType": "OperationOutcome", "issue": [found]})
