"""A citizen's words go in over HTTP; the right organisation has them, in its own protocol, and its status comes back."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

KINDS = [
    ("council", "missed-bin", "open311", "the bin lorry missed us again and it is overflowing"),
    ("pct", "podiatry", "fhir", "my toenails need cutting, I am diabetic and cannot reach"),
    ("jobcentre-plus", "jobseekers-claim", "rest", "I lost my job and want to claim universal credit"),
    ("barnet-homes", "housing-repair", "webhook", "the kitchen tap in my council flat drips all night"),
    ("voluntary", "food-bank", "email", "is there a food bank near me that is open this week"),
]


def ended(request):
    return all(referral["state"] == "resolved" for referral in request["referrals"])


@pytest.mark.parametrize(("organisation", "service", "protocol", "text"), KINDS)
async def test_each_kind_of_organisation_gets_it_in_its_own_protocol(
    front, organisation, service, protocol, text
):
    """Delivered with the organisation's own reference, and followed until it is resolved there."""
    answer = await front.send(
        text, citizen={"name": "Ann Smith", "phone": "020 7946 0000"}, postcode="N12 0AB"
    )
    (part,) = answer["parts"]
    assert (part["action"], part["service"], part["organisation"]) == ("route", service, organisation)
    request = await front.until(answer["reference"], ended)
    (referral,) = request["referrals"]
    (delivery,) = referral["deliveries"]
    assert delivery["state"] == "delivered"
    assert delivery["attempts"][0]["outcome"] == "accepted"
    backend = front.backend(organisation)
    assert backend.protocol == protocol
    (case,) = list(backend.ledger)
    assert case.delivery_id == delivery["delivery_id"]
    if protocol != "email":  # a mailbox gives no reference; the Message-ID stands for it
        assert case.external_reference == delivery["external_reference"]
    assert text in str(case.fields)
    kinds = [event["kind"] for event in request["events"]]
    assert kinds[:2] == ["received", "decided"]
    assert kinds[-1] == "resolved"
    assert "in_progress" in kinds


async def test_every_service_reaches_somebody(front, door, shared):
    """All 218, by their code: each is with the organisation that answers for it, or signposted, or with a person."""
    with (shared / "catalogue" / "services.csv").open() as file:
        expected = {row["code"]: row["barnet"] for row in csv.DictReader(file)}
    assert set(expected) == set(door.catalogue.services)
    references = {}
    for code, organisation in expected.items():
        answer = await front.send("please help with my enquiry, number 12", service=code)
        (part,) = answer["parts"]
        references[code] = answer["reference"]
        if organisation in {"signpost", "district"}:
            assert part["action"] in {"signpost", "emergency"}, (code, part)
            assert part["signpost"]["say"], code
        elif organisation == "none":
            assert part["action"] == "refuse", code
        else:
            assert part["organisation"] == organisation, (code, part)
    for code, reference in references.items():
        request = await front.until(
            reference,
            lambda request: all(
                delivery["state"] == "delivered"
                for each in request["referrals"]
                for delivery in each["deliveries"]
            ),
        )
        assert request["referrals"] or expected[code] == "none", code
    effects = Counter(
        case.delivery_id
        for name, backend in front.town.backends.items()
        if "worklist" not in name
        for case in backend.ledger
    )
    assert max(effects.values()) == 1


async def test_every_word_of_every_stand_in_is_understood(front, pool):
    """No status that an organisation sends is left unmapped by its file."""
    for organisation, _, _, text in KINDS:
        answer = await front.send(text, service=next(s for o, s, _, _ in KINDS if o == organisation))
        await front.until(answer["reference"], ended)
    rows = await pool.fetch("SELECT organisation, status FROM status_updates WHERE applied = 'unmapped'")
    assert [tuple(row) for row in rows] == []


async def test_a_refusal_goes_to_the_next_in_line_and_the_citizen_is_kept(front):
    """Rejected by one, sent to another, with the reason; the council keeps it."""
    front.backend("csg").faults.set("refuse")
    answer = await front.send("please send my council tax bill again", service="council-tax-bill")
    request = await front.until(
        answer["reference"], lambda request: len(request["referrals"][0]["deliveries"]) > 1
    )
    rejected = next(event for event in request["events"] if event["kind"] == "rejected")
    assert rejected["detail"]["by"] == "csg"
    assert rejected["detail"]["because"]
    assert rejected["detail"]["sent_to"] == request["referrals"][0]["organisation"]


async def test_another_authority_sees_nothing_of_it(front):
    """A key is good for its own authority alone."""
    answer = await front.send("my bin was missed", service="missed-bin")
    await front.call(
        "GET", f"/api/v1/requests/{answer['reference']}", authority="northamptonshire", status=404
    )
    page = await front.call("GET", "/api/v1/requests", authority="northamptonshire")
    assert page["items"] == []
