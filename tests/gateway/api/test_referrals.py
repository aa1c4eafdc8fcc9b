"""Putting right what the door did with a need, and ending it."""

from __future__ import annotations

import pytest

from tests.gateway.api.desk import POLISH, REQUESTS, act, sent, triage


async def read(api, request):
    _, _, request = await api.call("GET", f"{REQUESTS}/{request['reference']}")
    return request


def kinds(request):
    return [event["kind"] for event in request["events"]]


async def test_the_request_is_another_version_after_whatever_changes(api, pool):
    """People or the courier: the ETag rises with each, and never falls."""
    status, headers, request = await api.call(
        "GET", f"{REQUESTS}/{(await sent(api, service='pothole'))['reference']}"
    )
    assert (status, headers["ETag"]) == (200, f'"{request["version"]}"')
    seen = [request["version"]]
    referral_id = request["referrals"][0]["referral_id"]

    async def changed():
        version = (await read(api, request))["version"]
        assert version > seen[-1]
        seen.append(version)

    await pool.execute("UPDATE deliveries SET attempt = attempt + 1")  # as the courier does
    await changed()
    await act(api, referral_id, "claim")
    await changed()
    path = f"{REQUESTS}/{request['reference']}"
    await api.call("POST", f"{path}/messages", json={"text": "she is deaf"})
    await changed()
    await api.call("PUT", f"{path}/tags", headers={"If-Match": "*"}, json={"tags": ["deaf"]})
    await changed()
    await act(api, referral_id, "wait", reason="which lamp?")
    await changed()


async def test_the_proposal_is_accepted_with_one_call(api):
    """What the door thought likeliest, where it was not sure enough to do it."""
    request = await sent(api, "it is about the council tax or maybe the rent, I am not sure")
    referral = request["referrals"][0]
    part = request["decision"]["parts"][0]
    proposed = part.get("service") or part["alternatives"][0]["service"]
    if referral["state"] != "triage":
        pytest.skip("the door is sure of it by now")
    status, _, answer = await act(api, referral["referral_id"], "accept")
    assert (status, answer["service"]) == (200, proposed)


async def test_nothing_proposed_is_nothing_to_accept(api):
    """409 says to name the service."""
    status, _, problem = await act(api, await triage(api), "accept")
    assert status == 409
    assert "name the service" in problem["detail"]


async def test_it_is_sent_to_another_organisation_with_a_reason(api):
    """Only to one that there is; the history keeps why."""
    request = await sent(api, service="pothole")
    referral_id = request["referrals"][0]["referral_id"]
    status, _, problem = await act(api, referral_id, "route", organisation="cgs", reason="x")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/organisation")
    status, headers, answer = await act(
        api, referral_id, "route", organisation="council", reason="on their land"
    )
    assert (status, answer["organisation"], answer["service"]) == (200, "council", "pothole")
    assert headers["ETag"] == f'"{answer["version"]}"'
    request = await read(api, request)
    event = next(event for event in request["events"] if event["kind"] == "corrected")
    assert event["detail"]["reason"] == "on their land"
    leads = {each["organisation"]: each["role"] for each in request["referrals"][0]["deliveries"]}
    assert leads["council"] == "lead"
    assert leads["re"] == "former"


async def test_staff_resolve_it_and_tell_the_citizen(api):
    """What waited to be handed over is withdrawn; the message stands with the request; it can be opened again."""
    request = await sent(api, service="pothole")
    referral_id = request["referrals"][0]["referral_id"]
    status, _, item = await act(
        api, referral_id, "resolve", reason="filled on the spot", message="It is filled."
    )
    assert (status, item["state"]) == (200, "resolved")
    request = await read(api, request)
    assert [(each["kind"], each["text"]) for each in request["messages"]] == [("message", "It is filled.")]
    assert {each["state"] for each in request["referrals"][0]["deliveries"]} <= {"withdrawn", "delivered"}
    assert "resolved" in kinds(request)
    status, _, _ = await act(api, referral_id, "resolve", reason="again")
    assert status == 409
    status, _, answer = await act(api, referral_id, "reopen", reason="it is not")
    assert (status, answer["state"], answer["organisation"]) == (200, "routed", "re")
    assert "reopened" in kinds(await read(api, request))
    status, _, _ = await act(api, referral_id, "reopen", reason="it is not")
    assert status == 409


async def test_a_safeguarding_need_is_not_ended_while_its_alarm_rings(api):
    """A person answers the alarm by name first."""
    request = await sent(api, service="child-protection")
    referral_id = request["referrals"][0]["referral_id"]
    for what in ("resolve", "cancel"):
        status, _, problem = await act(api, referral_id, what, reason="a mistake")
        assert status == 409
        assert "alarm" in problem["detail"]
    await api.call("POST", f"/api/v1/alarms/{referral_id}/acknowledge", json={"name": "Ann Smith"})
    status, _, item = await act(api, referral_id, "resolve", reason="spoke with her")
    assert (status, item["state"]) == (200, "resolved")


async def test_what_the_door_refused_is_put_right(api, pool):
    """It has a referral like anything else, at its end, and goes where it belongs."""
    request = await sent(api, service="out-of-scope")
    (referral,) = request["referrals"]
    assert (referral["state"], referral["service"]) == ("cancelled", "out-of-scope")
    status, _, answer = await act(
        api, referral["referral_id"], "service", service="pothole", reason="I asked"
    )
    assert (status, answer["state"], answer["organisation"]) == (200, "routed", "re")
    assert await pool.fetchval("SELECT service_before FROM corrections") == "out-of-scope"


async def test_one_need_is_made_two(api):
    """Each with its own words, service and organisation; sent twice with the same key it is done once."""
    request = await sent(api, "pothole outside and my bin was missed", service="pothole")
    referral_id = request["referrals"][0]["referral_id"]
    body = {
        "keep": "pothole outside",
        "parts": [{"text": "my bin was missed", "service": "missed-bin"}, {"text": "and something else"}],
        "reason": "two things",
    }
    path = f"/api/v1/referrals/{referral_id}/split"
    headers = {"If-Match": f'"{request["referrals"][0]["version"]}"', "Idempotency-Key": "split-1"}
    status, _, made = await api.call("POST", path, headers=headers, json=body)
    assert status == 201, made
    status, again, same = await api.call("POST", path, headers=headers, json=body)
    assert (status, again["Idempotency-Replayed"], same) == (201, "true", made)
    status, _, _ = await api.call("POST", path, headers=headers, json={**body, "keep": "other"})
    assert status == 422
    request = await read(api, request)
    found = [(each["part"], each["text"], each["service"], each["state"]) for each in request["referrals"]]
    assert [part[:3] for part in found] == [
        (1, "pothole outside", "pothole"),
        (2, "my bin was missed", "missed-bin"),
        (3, "and something else", None),
    ]
    assert found[2][3] == "triage"
    assert request["referrals"][1]["referral_id"] == made["referrals"][0]
    assert request["referrals"][1]["clock"]["resolve_by"]


async def test_a_need_that_the_door_did_not_see_is_added(api):
    """A danger that a person saw rings as one that the door saw; a service that there is not makes nothing."""
    request = await sent(api, service="pothole")
    path = f"{REQUESTS}/{request['reference']}/referrals"

    async def add(*parts):
        body = {"parts": list(parts), "reason": "she said so"}
        return await api.call("POST", path, headers={"If-Match": "*"}, json=body)

    status, _, problem = await add(
        {"text": "bin", "service": "missed-bin"}, {"text": "x", "service": "potole"}
    )
    assert (status, problem["errors"][0]["pointer"]) == (422, "/parts/1/service")
    assert len((await read(api, request))["referrals"]) == 1
    status, _, made = await add({"text": "he hits the children", "service": "child-protection"})
    assert status == 201
    _, _, alarms = await api.call("GET", "/api/v1/alarms")
    assert [alarm["referral_id"] for alarm in alarms] == made["referrals"]


async def test_every_change_wants_the_version_that_was_read(api):
    """428 without If-Match, 412 with an older one."""
    request = await sent(api, POLISH)
    referral_id = request["referrals"][0]["referral_id"]
    part = {"text": "x"}
    bodies = {
        "service": {"service": "pothole", "reason": "x"},
        "accept": {},
        "route": {"organisation": "council", "reason": "x"},
        "resolve": {"reason": "x"},
        "cancel": {"reason": "x"},
        "reopen": {"reason": "x"},
        "wait": {"reason": "x"},
        "go-on": {},
        "split": {"keep": "x", "parts": [part], "reason": "x"},
        "merge": {"into": "00000000-0000-0000-0000-000000000000", "reason": "x"},
    }
    paths = {f"/api/v1/referrals/{referral_id}/{what}": body for what, body in bodies.items()}
    paths[f"{REQUESTS}/{request['reference']}/referrals"] = {"parts": [part], "reason": "x"}
    paths[f"{REQUESTS}/{request['reference']}/messages"] = {"kind": "message", "text": "x"}
    paths[f"{REQUESTS}/{request['reference']}/link"] = {"other": request["reference"], "reason": "x"}
    for path, body in paths.items():
        status, _, problem = await api.call("POST", path, json=body)
        assert status == 428, (path, problem)
        if path.endswith(("/merge", "/link")):
            continue
        status, _, problem = await api.call("POST", path, json=body, headers={"If-Match": '"0"'})
        assert status == 412, (path, problem)
    request = await read(api, request)
    assert kinds(request) == ["received", "decided"]
