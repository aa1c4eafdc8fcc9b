"""The citizen as a FHIR Patient: only what the hand-over lists, and nothing made up.

What FHIR cannot hold in its own place (a date of birth that is no date, an NHS number whose check digit is
wrong) is not lost: it becomes a note that a person reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
_UK_CORE: Final = "https://fhir.hl7.org.uk"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)

Note = dict[str, str]


def make_patient(fields: Mapping[str, str]) -> tuple[dict[str, Any], list[Note]]:
    """Make a Patient's elements, and the notes for what did not fit. `fields` hold no empty values."""
    notes: list[Note] = []
    address = {"use": "home"} | _picked(fields, address="text", postcode="postalCode")
    elements = {
        "identifier": [*_nhs_number(fields, notes), *_insurance_number(fields)],
        "name": [_name(fields["name"])] if "name" in fields else None,
        "telecom": [{"system": kind, "value": fields[kind]} for kind in ("phone", "email") if kind in fields],
        "birthDate": _birth_date(fields, notes),
        "address": [address] if len(address) > 1 else None,
        "communication": [_communication(fields["language"])] if "language" in fields else None,
    }
    return elements, notes


def is_nhs_number(number: str) -> bool:
    """Check the ten digits, the last of which is a check digit modulo 11."""
    if not (len(number) == 10 and number.isascii() and number.isdigit()):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == int(number[-1])


def _nhs_number(fields: Mapping[str, str], notes: list[Note]) -> list[dict[str, Any]]:
    given = fields.get("nhs_number")
    if given is None:
        return []
    number = re.sub(r"[\s-]", "", given)
    if not is_nhs_number(number):
        notes.append({"text": f"NHS number as given: {given}"})
        return []
    untraced = {
        "system": f"{_UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatusEngland",
        "code": "number-present-but-not-traced",
    }
    extension = {
        "url": f"{_UK_CORE}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
        "valueCodeableConcept": {"coding": [untraced]},
    }
    return [{"extension": [extension], "system": NHS_NUMBER, "value": number}]


def _insurance_number(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    if "national_insurance_number" not in fields:
        return []
    return [{"type": {"text": "National Insurance number"}, "value": fields["national_insurance_number"]}]


def _birth_date(fields: Mapping[str, str], notes: list[Note]) -> str | None:
    given = fields.get("date_of_birth")
    if given is None:
        return None
    try:
        return date.fromisoformat(given.strip()).isoformat()
    except ValueError:
        notes.append({"text": f"Date of birth as given: {given}"})
        return None


def _name(full: str) -> dict[str, Any]:
    *given, family = full.split() or [full]
    return {"text": full, "family": family} | ({"given": given} if given else {})


def _communication(language: str) -> dict[str, Any]:
    spoken = language.strip()
    if not _LANGUAGE.fullmatch(spoken):
        return {"language": {"text": language}, "preferred": True}
    return {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": spoken}]}, "preferred": True}


def _picked(fields: Mapping[str, str], **names: str) -> dict[str, str]:
    return {target: fields[name] for name, target in names.items() if name in fields}
