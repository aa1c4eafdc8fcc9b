"""What a receiver of the Booking and Referral Standard checks before it takes a message."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters.fhir_message import CATEGORIES, EVENTS, REASONS
from adapters.fhir_reading import Message, as_dict, as_list, text

NEEDED: Final = (
    "ServiceRequest",
    "HealthcareService",
    "Encounter",
    "CarePlan",
    "Patient",
    "Organization",
    "Consent",
)
_UUID_HEADERS: Final = ("X-Request-Id", "X-Correlation-Id")
_JSON_HEADERS: Final = ("NHSD-Target-Identifier", "NHSD-End-User-Organisation", "NHSD-Requesting-Software")


class Invalid(ValueError):
    """The message breaks a rule; says which."""


def check_headers(headers: Mapping[str, str]) -> None:
    """Check the headers that the standard requires. Raises `Invalid`."""
    if not headers.get("Content-Type", "").startswith("application/fhir+json"):
        raise Invalid("Content-Type")
    for name in _UUID_HEADERS:
        try:
            uuid.UUID(headers.get(name, ""))
        except ValueError:
            raise Invalid(name) from None
    for name in _JSON_HEADERS:
        try:
            decoded = base64.b64decode(headers.get(name, ""), validate=True)
            if not as_dict(msgspec.json.decode(decoded)):
                raise Invalid(name)
        except (binascii.Error, ValueError):
            raise Invalid(name) from None


def check_message(message: Message) -> None:
    """Check what a `servicerequest-request` message must be. Raises `Invalid`."""
    header, request = message.header, message.first("ServiceRequest")
    _be("first entry", message.resources[0].get("resourceType"), "MessageHeader")
    _be("event", as_dict(header.get("eventCoding")), {"system": EVENTS, "code": "servicerequest-request"})
    _be("reason", _codings(header.get("reason"))[:1], [(REASONS, "new")])
    for kind in NEEDED:
        if not message.first(kind):
            raise Invalid(f"no {kind}")
    _be("ServiceRequest.status", request.get("status"), "active")
    _be("ServiceRequest.intent", request.get("intent"), "plan")
    categories = [coding for category in as_list(request.get("category")) for coding in _codings(category)]
    _be("ServiceRequest.category", categories[:1], [(CATEGORIES, "referral")])
    urls = {text(as_dict(entry).get("fullUrl")) for entry in as_list(message.bundle.get("entry"))}
    if len(urls) != len(message.resources):
        raise Invalid("two entries have the same fullUrl")
    dangling = [reference for reference in _references(message.bundle) if reference not in urls]
    if dangling:
        raise Invalid("a reference leads nowhere")
    if [as_dict(focus).get("reference") for focus in as_list(header.get("focus"))] != [
        f"urn:uuid:{text(request.get('id'))}"
    ]:
        raise Invalid("the focus is not the ServiceRequest")


def flatten(resources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Give every value that arrived under its path, `Patient.name[0].text`."""
    flat: dict[str, str] = {}
    for resource in resources:
        kind = text(resource.get("resourceType"))
        kind = kind if f"{kind}.id" not in flat else f"{kind}#2"
        flat |= dict(_leaves(kind, resource))
    return flat


def _be(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Invalid(what)


def _codings(concept: object) -> list[tuple[str, str]]:
    codings = map(as_dict, as_list(as_dict(concept).get("coding")))
    return [(text(coding.get("system")), text(coding.get("code"))) for coding in codings]


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _leaves(path: str, node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(f"{path}.{key}", value)
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _leaves(f"{path}[{place}]", value)
    else:
        yield path, str(node)
