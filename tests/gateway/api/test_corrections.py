"""Putting right what the door decided, over HTTP, and seeing what was put right."""

from __future__ import annotations

import asyncio
import uuid

import pytest

REQUESTS = "/api/v1/requests"
CORRECTIONS = "/api/v1/corrections"


POLISH = "Proszę o pomoc, śmieciarka nie zabrała moich śmieci, co mam zrobić"
"""What the door leaves to people, whatever it has learnt."""


async def sent(api, text=POLISH, **body):
    """Send a request and return it as it is kept."""
    _, headers, _ = await api.call("POST", REQUESTS, json={"text": text, **body})
    _, _, request = await api.call("GET", headers["Location"])
    return request


async def correct(api, referral_id, service, reason="I asked her", *, seen="*", **more):
    path = f"/api/v1/referrals/{referral_id}/service"
    options = {key: more.pop(key) for key in ("authority",) if key in more}
    options["headers"] = {"If-Match": seen}
    return await api.call("POST", path, json={"service": service, "reason": reason, **more}, **options)


async def test_staff_decide_what_the_door_would_not(api):
    """From triage to the organisation, with what to tell the citizen."""
    request = await sent(api)
    (referral,) = request["referrals"]
    assert referral["state"] == "triage"
    status, _, answer = await correct(api, referral["referral_id"], "pothole")
    assert status == 200
    assert answer["reference"] == request["reference"]
    assert (answer["state"], answer["service"], answer["organisation"]) == ("routed", "pothole", "re")
    assert answer["service_name"]
    assert answer["tell"]
    _, _, request = await api.call("GET", f"{REQUESTS}/{request['reference']}")
    assert request["referrals"][0]["service"] == "pothole"
    event = next(event for event in request["events"] if event["kind"] == "corrected")
    assert (event["actor"], event["detail"]["reason"]) == ("key:tests", "I asked her")


async def test_whoever_corrects_says_which_version_they_read(api):
    """428 where they do not, 412 with the new ETag for an older one; the answer carries the one after."""
    (referral,) = (await sent(api))["referrals"]
    path = f"/api/v1/referrals/{referral['referral_id']}/service"
    body = {"service": "pothole", "reason": "I asked her"}
    status, _, problem = await api.call("POST", path, json=body)
    assert (status, problem["type"]) == (428, "/api/docs#precondition-required")
    status, headers, problem = await api.call("POST", path, json=body, headers={"If-Match": '"99"'})
    assert (status, problem["type"], headers["ETag"]) == (412, "/api/docs#stale", f'"{referral["version"]}"')
    status, headers, answer = await api.call(
        "POST", path, json=body, headers={"If-Match": f'"{referral["version"]}"'}
    )
    assert status == 200, answer
    assert headers["ETag"] == f'"{answer["version"]}"'
    assert answer["version"] > referral["version"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"service": "potole", "reason": "x"}, "/service"),
        ({"service": "pothole", "reason": " "}, "/reason"),
        ({"service": "pothole", "reason": "x", "organisation": "rr"}, "/organisation"),
        ({"service": "pothole"}, ""),
        ({"service": "pothole", "reason": "x", "servce": "y"}, ""),
    ],
)
async def test_what_cannot_be_taken_is_named(api, body, pointer):
    """422 with the place of it, and the referral stays in triage."""
    request = await sent(api)
    path = f"/api/v1/referrals/{request['referrals'][0]['referral_id']}/service"
    status, _, problem = await api.call("POST", path, json=body, headers={"If-Match": "*"})
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    _, _, request = await api.call("GET", f"{REQUESTS}/{request['reference']}")
    assert request["referrals"][0]["state"] == "triage"


async def test_another_authoritys_referral_is_none(api):
    """404, as if there were no such thing."""
    (referral,) = (await sent(api))["referrals"]
    for referral_id in (referral["referral_id"], uuid.uuid4(), "x"):
        status, _, _ = await correct(api, referral_id, "pothole", authority="northamptonshire")
        assert status == 404
    _, _, page = await api.call("GET", CORRECTIONS, authority="northamptonshire")
    assert page == {"pairs": [], "items": [], "next": None}


async def test_twenty_who_press_at_once_do_it_once(api, pool):
    """One 200; the rest are told of the conflict."""
    (referral,) = (await sent(api))["referrals"]
    answers = await asyncio.gather(*(correct(api, referral["referral_id"], "pothole") for _ in range(20)))
    statuses = sorted(status for status, _, _ in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 1


async def test_corrections_are_listed_by_pair_and_one_by_one(api):
    """How often which in the place of which; and a page of single ones with the words, newest first."""
    for number in range(5):
        (referral,) = (await sent(api, f"{POLISH} {number}"))["referrals"]
        await correct(api, referral["referral_id"], "pothole")
    (referral,) = (await sent(api, "it is broken", service="street-light"))["referrals"]
    await correct(api, referral["referral_id"], "missed-bin")
    _, _, page = await api.call("GET", f"{CORRECTIONS}?limit=4")
    pairs = [(pair["service_before"], pair["service_after"], pair["count"]) for pair in page["pairs"]]
    assert pairs == [(None, "pothole", 5), ("street-light", "missed-bin", 1)]
    assert [item["text"] for item in page["items"]] == ["it is broken", *(f"{POLISH} {n}" for n in (4, 3, 2))]
    assert page["items"][0]["engine"]
    _, _, rest = await api.call("GET", f"{CORRECTIONS}?limit=4&cursor={page['next']}")
    assert [item["text"] for item in rest["items"]] == [f"{POLISH} 1", f"{POLISH} 0"]
    assert rest["next"] is None
    _, _, narrow = await api.call("GET", f"{CORRECTIONS}?service_before=street-light")
    assert len(narrow["items"]) == 1
    _, _, later = await api.call("GET", f"{CORRECTIONS}?since=2999-01-01T00:00:00Z")
    assert later["items"] == later["pairs"] == []


async def test_metrics_count_corrections_and_name_no_service(api):
    """By authority alone."""
    (referral,) = (await sent(api))["referrals"]
    await correct(api, referral["referral_id"], "pothole")
    _, _, page = await api.bare("GET", "/metrics")
    assert 'front_door_corrections_total{authority="barnet"} 1.0' in page
