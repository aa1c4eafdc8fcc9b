"""A hand-over as the form that GeoReport v2's `POST requests` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from adapters.base import Handover

DESCRIPTION_MOST: Final = 4000
"""Characters, by the specification."""

_PLAIN: Final = ("email", "phone")
_ATTRIBUTES: Final = (
    "postcode",
    "date_of_birth",
    "nhs_number",
    "national_insurance_number",
    "language",
    "notes",
)


def make_form(
    handover: Handover,
    *,
    extra: Mapping[str, str],
    id_field: str | None,
    attribute_names: Mapping[str, str],
    no_place: str,
) -> tuple[bytes, str]:
    """Make the form's body from a hand-over, and say what had to be cut: for the record, no words.

    `extra` goes in as it is; the delivery id goes into `id_field` as well as into an attribute;
    `attribute_names` renames attributes to the organisation's own codes.
    """
    fields = handover.fields
    form = dict(extra)
    form["service_code"] = handover.external_code or handover.service
    if id_field is not None:
        form[id_field] = handover.delivery_id
    form |= _place(fields, no_place)
    description, cut = _description(fields.get("description", ""))
    if description:
        form["description"] = description
    if name := fields.get("name"):
        first, _, last = name.rpartition(" ")
        form |= {"first_name": first, "last_name": last} if first and last else {"last_name": name}
    form |= {name: fields[name] for name in _PLAIN if fields.get(name)}
    attributes = {
        "delivery_id": handover.delivery_id,
        "reference": handover.reference,
        "priority": handover.priority,
        **{name: fields[name] for name in _ATTRIBUTES if fields.get(name)},
    }
    for name, value in attributes.items():
        form[f"attribute[{attribute_names.get(name, name)}]"] = value
    return urlencode(form, errors="replace").encode("ascii"), cut


def _place(fields: Mapping[str, str], no_place: str) -> dict[str, str]:
    """Give the place that every Open311 request must have."""
    place: dict[str, str] = {}
    if fields.get("lat") and fields.get("long"):
        place |= {"lat": fields["lat"], "long": fields["long"]}
    address = fields.get("address") or fields.get("postcode")
    if address:
        place["address_string"] = address
    return place or {"address_string": no_place}


def _description(text: str) -> tuple[str, str]:
    if len(text) <= DESCRIPTION_MOST:
        return text, ""
    cut = f"description cut from {len(text)} to {DESCRIPTION_MOST} characters"
    return text[: DESCRIPTION_MOST - 1] + "…", cut
