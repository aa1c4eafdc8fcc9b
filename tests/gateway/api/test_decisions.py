"""Why it was decided so; and what would be done with words that nobody has sent yet."""

from __future__ import annotations

import asyncio

from gateway.api.decisions import MOST_AT_ONCE, SUGGESTING

REQUESTS = "/api/v1/requests"
DECIDE = "/api/v1/decide"


async def test_a_decision_is_explained_in_sentences(api):
    """What spoke for it, what fired, and which engine it was."""
    _, headers, _ = await api.call("POST", REQUESTS, json={"text": "they never emptied my bin this week"})
    status, _, why = await api.call("GET", headers["Location"] + "/explanation")
    assert status == 200
    said = " ".join(why["sentences"])
    assert "spoke for" in said
    assert "answers for this" in said
    assert why["engine"] in said
    assert why["changes"] == []


async def test_what_people_changed_is_part_of_the_explanation(api):
    """Who, when, from what to what, and why."""
    _, headers, _ = await api.call(
        "POST", REQUESTS, json={"text": "Proszę o pomoc, śmieciarka nie zabrała moich śmieci"}
    )
    _, _, request = await api.call("GET", headers["Location"])
    path = f"/api/v1/referrals/{request['referrals'][0]['referral_id']}/service"
    await api.call(
        "POST", path, json={"service": "missed-bin", "reason": "It was his bin."}, headers={"If-Match": "*"}
    )
    _, _, why = await api.call("GET", headers["Location"] + "/explanation")
    assert why["sentences"][-1].startswith("Need 1 was changed by key:tests on ")
    assert why["sentences"][-1].endswith("from undecided to Missed bin collection → council: It was his bin.")
    assert why["changes"][0]["detail"]["reason"] == "It was his bin."


async def test_only_ones_own_requests_are_explained(api):
    """Nor is what is no reference."""
    _, headers, _ = await api.call("POST", REQUESTS, json={"text": "a pothole", "service": "pothole"})
    path = headers["Location"] + "/explanation"
    assert (await api.call("GET", path, authority="northamptonshire"))[0] == 404
    assert (await api.call("GET", f"{REQUESTS}/BAR-0000-0000/explanation"))[0] == 404


async def test_typed_words_are_understood_and_nothing_is_kept(api, pool):
    """As it would be decided, with names for people, and no trace of it."""
    words = {"text": "the bin lorry missed us again", "postcode": "EN5 4NA"}
    status, _, seen = await api.call("POST", DECIDE, json=words)
    assert status == 200
    (need,) = seen["parts"]
    assert (need["action"], need["service"], need["organisation"]) == ("route", "missed-bin", "council")
    assert need["service_name"] == "Missed bin collection"
    assert need["organisation_name"]
    assert need["reasons"]
    assert seen["explanation"]
    for table in ("requests", "referrals", "deliveries", "events"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_the_same_comes_of_it_when_it_is_sent(api):
    """A suggestion is what will be done."""
    words = {"text": "there is a mattress dumped in the alley", "channel": "chat", "postcode": "N12 0AB"}
    _, _, seen = await api.call("POST", DECIDE, json=words)
    _, _, answer = await api.call("POST", REQUESTS, json=words)
    (before,), (after,) = seen["parts"], answer["parts"]
    for name in ("action", "service", "organisation"):
        assert before[name] == after[name]


async def test_danger_is_said_while_they_type(api):
    """With the words to say at once."""
    _, _, seen = await api.call("POST", DECIDE, json={"text": "I can smell gas in my kitchen"})
    assert seen["emergency"]["words"]
    assert seen["parts"][0]["action"] == "emergency"


async def test_a_postcode_half_typed_is_left_aside(api):
    """No error for somebody who is still typing."""
    status, _, _ = await api.call("POST", DECIDE, json={"text": "a pothole", "postcode": "N12 0"})
    assert status == 200


async def test_what_cannot_be_taken_is_named(api):
    """An unknown service, nothing at all, too much."""
    for body in ({"text": "x", "service": "potole"}, {"text": " "}, {"text": "x" * 10_001}):
        assert (await api.call("POST", DECIDE, json=body))[0] == 422


async def test_more_than_it_can_do_is_put_off_and_intake_is_not(api):
    """503 with Retry-After for suggestions; a request still gets in."""
    suggesting = api.app[SUGGESTING]
    async with asyncio.timeout(5):
        for _ in range(MOST_AT_ONCE):
            await suggesting.acquire()
    status, headers, _ = await api.call("POST", DECIDE, json={"text": "a pothole"})
    assert (status, headers["Retry-After"]) == (503, "1")
    assert (await api.call("POST", REQUESTS, json={"text": "a pothole"}))[0] == 201
    for _ in range(MOST_AT_ONCE):
        suggesting.release()
    assert (await api.call("POST", DECIDE, json={"text": "a pothole"}))[0] == 200


async def test_facts_that_decided_stand_with_the_request(api):
    """So that it can be decided again as it was."""
    body = {"text": "a carer please", "age": 81, "service": "home-care", "citizen": {"language": "cy"}}
    _, headers, _ = await api.call("POST", REQUESTS, json=body)
    _, _, request = await api.call("GET", headers["Location"])
    assert request["decision"]["given"] == {"age": 81, "language": "cy", "service": "home-care"}
