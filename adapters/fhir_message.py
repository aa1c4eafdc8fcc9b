"""A hand-over as the message of the NHS Booking and Referral Standard (FHIR R4).

Everything in the message follows from the hand-over and the organisation's file, ids included: every attempt
sends the same one, and the receiver knows it again by the ids of Bundle and MessageHeader.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from adapters.base import Handover
from adapters.fhir_patient import make_patient

ODS: Final = "https://fhir.nhs.uk/Id/ods-organization-code"
DOS: Final = "https://fhir.nhs.uk/Id/dos-service-id"
EVENTS: Final = "https://fhir.nhs.uk/CodeSystem/message-events-bars"
REASONS: Final = "https://fhir.nhs.uk/CodeSystem/message-reason-bars"
CATEGORIES: Final = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest"
USE_CASES: Final = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
LGSL: Final = "http://id.esd.org.uk/service"
URI: Final = "urn:ietf:rfc:3986"
REFERENCE: Final = "urn:front-door:reference"
_TERMS: Final = "http://terminology.hl7.org/CodeSystem"

_NAMESPACE: Final = uuid.UUID("6d2a3c1e-5f5b-5e0e-9a51-0f6a4d0f7c11")
_PRIORITIES: Final = {"normal": "routine", "urgent": "urgent", "safeguarding": "asap"}
_NOT_FHIR: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\U0010ffff]")
_encode = msgspec.json.Encoder(decimal_format="number").encode

Resource = dict[str, Any]


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends to whom: what the message needs of an organisation's file."""

    sender_ods_code: str
    sender_name: str
    receiver_ods_code: str
    service_id: str
    """The receiver's service in the Directory of Services."""
    source_endpoint: str
    """Where answers go: our callback address, or our entry in the endpoint catalogue."""
    software: str
    definition: str
    use_case: str | None
    consent: bool


def message_id(delivery_id: str) -> str:
    """Give the id of a delivery's Bundle and MessageHeader: the delivery id itself, where it is a UUID."""
    try:
        return str(uuid.UUID(delivery_id))
    except ValueError:
        return derived_id(delivery_id, "message")


def derived_id(delivery_id: str, name: str) -> str:
    """Give the id of something else that belongs to a delivery, always the same."""
    return str(uuid.uuid5(_NAMESPACE, f"{delivery_id}/{name}"))


def encode(resource: Resource) -> bytes:
    """Write a resource as JSON, decimals as exactly as they were given."""
    return _encode(resource)


def make_message(handover: Handover, parties: Parties) -> Resource:
    """Make the message Bundle."""
    made = _Maker(handover, parties).resources()
    entries = [
        {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in made if resource
    ]
    return {
        "resourceType": "Bundle",
        "id": message_id(handover.delivery_id),
        "meta": {"lastUpdated": _instant(handover)},
        "type": "message",
        "timestamp": _instant(handover),
        "entry": entries,
    }


class _Maker:
    """Makes the resources of one message."""

    def __init__(self, handover: Handover, parties: Parties) -> None:
        self._handover = handover
        self._parties = parties
        self._ids: dict[str, str] = {}
        # FHIR knows no empty string, and no control characters.
        cleaned = {name: _NOT_FHIR.sub("\ufffd", value) for name, value in handover.fields.items()}
        self._fields = {name: value for name, value in cleaned.items() if value.strip(" \t\r\n")}
        self._position = _position(self._fields)
        self._notes = [{"text": self._fields["notes"]}] if "notes" in self._fields else []
        if self._position is None and self._fields.keys() & {"lat", "long"}:
            given = " ".join(_picked(self._fields, "lat", "long"))
            self._notes.append({"text": f"Position as given: {given}"})

    def resources(self) -> list[Resource]:
        """Make them in the order of the standard; an empty one is not needed."""
        patient, notes = make_patient(self._fields)
        self._notes += notes  # so the patient comes first, though the request stands before it
        return [
            self._header(),
            self._service_request(),
            self._healthcare_service(),
            self._encounter(),
            self._care_plan(),
            self._resource("Patient", **patient),
            self._organization("sender", self._parties.sender_ods_code, self._parties.sender_name),
            self._organization("receiver", self._parties.receiver_ods_code, self._handover.organisation),
            self._location(),
            self._consent(),
            self._flag(),
        ]

    def _resource(self, kind: str, role: str | None = None, /, **elements: Any) -> Resource:
        made = {"resourceType": kind, "id": self._id(role or kind)}
        return made | {
            key.rstrip("_"): value for key, value in elements.items() if value not in (None, [], {})
        }

    def _to(self, role: str) -> dict[str, str]:
        return {"reference": f"urn:uuid:{self._id(role)}"}

    def _id(self, role: str) -> str:
        if role not in self._ids:
            self._ids[role] = derived_id(self._handover.delivery_id, role)
        return self._ids[role]

    def _header(self) -> Resource:
        parties = self._parties
        header = self._resource(
            "MessageHeader",
            eventCoding={"system": EVENTS, "code": "servicerequest-request"},
            destination=[{"receiver": self._to("receiver"), "endpoint": f"{DOS}|{parties.service_id}"}],
            sender=self._to("sender"),
            source={"name": parties.software, "endpoint": parties.source_endpoint},
            reason={"coding": [{"system": REASONS, "code": "new"}]},
            focus=[self._to("ServiceRequest")],
            definition=parties.definition,
        )
        return header | {"id": message_id(self._handover.delivery_id)}

    def _service_request(self) -> Resource:
        handover = self._handover
        category = [{"system": CATEGORIES, "code": "referral"}]
        if self._parties.use_case is not None:
            category.append({"system": USE_CASES, "code": self._parties.use_case})
        code: dict[str, Any] = {"text": handover.service_name}
        if handover.lgsl is not None:
            code["coding"] = [{"system": LGSL, "code": str(handover.lgsl), "display": handover.service_name}]
        return self._resource(
            "ServiceRequest",
            identifier=[
                {"system": URI, "value": f"urn:uuid:{message_id(handover.delivery_id)}"},
                {"system": REFERENCE, "value": handover.reference},
            ],
            status="active",
            intent="plan",
            category=[{"coding": category}],
            priority=_PRIORITIES.get(handover.priority, "routine"),
            code=code,
            subject=self._to("Patient"),
            encounter=self._to("Encounter"),
            authoredOn=_instant(handover),
            requester=self._to("sender"),
            performer=[self._to("HealthcareService")],
            locationReference=[self._to("Location")] if self._position else None,
            reasonCode=[{"text": self._fields["description"]}] if "description" in self._fields else None,
            note=self._notes,
        )

    def _healthcare_service(self) -> Resource:
        return self._resource(
            "HealthcareService",
            identifier=[{"system": DOS, "value": self._parties.service_id}],
            active=True,
            providedBy=self._to("receiver"),
            name=self._handover.service_name,
        )

    def _encounter(self) -> Resource:
        handover = self._handover
        journey = {"system": REFERENCE, "value": handover.reference}
        return self._resource(
            "Encounter",
            identifier=[journey],
            status="finished",  # the citizen's contact with the front door is over
            class_={"system": f"{_TERMS}/v3-ActCode", "code": "VR", "display": "virtual"},
            subject=self._to("Patient"),
            episodeOfCare=[{"type": "EpisodeOfCare", "identifier": journey}],
            period={"start": _instant(handover), "end": _instant(handover)},
            serviceProvider=self._to("sender"),
        )

    def _care_plan(self) -> Resource:
        narrative = self._fields.get("description")
        return self._resource(
            "CarePlan",
            status="active",
            intent="plan",
            subject=self._to("Patient"),
            encounter=self._to("Encounter"),
            activity=[{"outcomeCodeableConcept": [{"text": narrative}]}] if narrative else None,
        )

    def _organization(self, role: str, ods_code: str, name: str) -> Resource:
        return self._resource(
            "Organization", role, identifier=[{"system": ODS, "value": ods_code}], name=name
        )

    def _location(self) -> Resource:
        if self._position is None:
            return {}
        return self._resource("Location", status="active", mode="instance", position=self._position)

    def _consent(self) -> Resource:
        if not self._parties.consent:
            return {}
        return self._resource(
            "Consent",
            status="active",
            scope={"coding": [{"system": f"{_TERMS}/consentscope", "code": "patient-privacy"}]},
            category=[{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            patient=self._to("Patient"),
            dateTime=_instant(self._handover),
            policyRule={"text": "Direct care"},
            provision={
                "type": "permit",
                "purpose": [{"system": f"{_TERMS}/v3-ActReason", "code": "TREAT"}],
            },
        )

    def _flag(self) -> Resource:
        if self._handover.priority != "safeguarding":
            return {}
        category = {"system": f"{_TERMS}/flag-category", "code": "safety", "display": "Safety"}
        return self._resource(
            "Flag",
            status="active",
            category=[{"coding": [category]}],
            code={"text": "Safeguarding concern"},
            subject=self._to("Patient"),
            author=self._to("sender"),
        )


def _instant(handover: Handover) -> str:
    return handover.created_at.isoformat(timespec="seconds")


def _picked(fields: Mapping[str, str], *names: str) -> list[str]:
    return [fields[name] for name in names if name in fields]


def _position(fields: Mapping[str, str]) -> dict[str, Decimal] | None:
    try:
        latitude, longitude = Decimal(fields["lat"].strip()), Decimal(fields["long"].strip())
    except (KeyError, InvalidOperation):
        return None
    if not (latitude.is_finite() and longitude.is_finite() and abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return {"longitude": longitude, "latitude": latitude}
