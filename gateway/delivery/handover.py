"""Purpose-limited sharing: a hand-over is built from the organisation's own field list, so nothing else can leave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from adapters.base import Handover
from gateway.store.claims import Claim
from routing_rules.catalogue import Catalogue
from routing_rules.organisation import Organisation

FIELDS: Final = (
    "description",
    "name",
    "email",
    "phone",
    "address",
    "postcode",
    "date_of_birth",
    "nhs_number",
    "national_insurance_number",
    "lat",
    "long",
    "language",
    "notes",
)
"""Every field an organisation's file may list."""


def build(
    claim: Claim, organisation: Organisation, catalogue: Catalogue, callback_url: str | None
) -> Handover:
    """What this organisation is given of this referral."""
    service = catalogue.services.get(claim.service or "")
    return Handover(
        delivery_id=str(claim.delivery_id),
        reference=claim.reference,
        authority=claim.authority_id,
        organisation=claim.organisation,
        service=claim.service or "unknown",
        service_name=service.name if service else "Not yet known",
        external_code=organisation.service_codes.get(claim.service or ""),
        lgsl=service.lgsl if service else None,
        priority=claim.priority,
        created_at=claim.created_at,
        attempt=claim.attempt,
        callback_url=callback_url,
        traceparent=claim.traceparent,
        fields=_listed(claim, organisation.sharing.fields),
    )


def _listed(claim: Claim, allowed: Iterable[str]) -> dict[str, str]:
    known = {**claim.citizen, "description": claim.text, "postcode": claim.postcode}
    return {name: str(known[name]) for name in FIELDS if name in set(allowed) and known.get(name) is not None}
