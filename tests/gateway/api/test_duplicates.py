"""The same need twice: suggested, linked, merged, and never in a circle."""

from __future__ import annotations

import asyncio

from tests.gateway.api.desk import REQUESTS, act, sent

HOLE = "there is a huge hole in the road outside the school on Nether Street"


async def hole(api, text=HOLE, *, service="pothole", postcode="N12 0AB", **citizen):
    """A request whose only need is this; it can be searched for."""
    request = await sent(api, text, service=service, postcode=postcode, citizen=citizen)
    async with asyncio.timeout(10):
        while not (await read(api, request))["referrals"][0]["clock"]:
            await asyncio.sleep(0.05)
    return request


async def read(api, request):
    _, _, request = await api.call("GET", f"{REQUESTS}/{request['reference']}")
    return request


def need(request):
    return request["referrals"][0]["referral_id"]


async def merge(api, request, into):
    return await act(api, need(request), "merge", into=need(into), reason="the same hole")


async def test_what_may_be_the_same_is_suggested_likest_first(api):
    """The same service nearby, or from the same person; not elsewhere, not another service, never safeguarding."""
    first = await hole(api, "a big hole in the road by the school in Nether Street", postcode="N12 0AD")
    await hole(api, "the pavement is cracked", postcode="N12 0AB")
    await hole(api, HOLE, postcode="HA8 7AA")
    await hole(api, HOLE, service="street-light")
    mine = await hole(api, "hole", postcode="HA8 7AB", phone="+44 7700 900123")
    this = await hole(api, phone="07700 900123")
    _, _, found = await api.call("GET", f"/api/v1/referrals/{need(this)}/duplicates")
    assert found[0]["reference"] == first["reference"]
    assert {each["reference"]: each["same_person"] for each in found}[mine["reference"]] is True
    assert len(found) == 3
    child = await hole(api, service="child-protection")
    _, _, found = await api.call("GET", f"/api/v1/referrals/{need(child)}/duplicates")
    assert found == []


async def test_two_become_one_and_the_earlier_promise_is_kept(api, pool):
    """The one that is merged ends and says into which; nothing of it is handed over any more; reopening takes it out."""
    first, second = await hole(api), await hole(api)
    await pool.execute(
        "UPDATE clocks SET started_at = started_at - interval '30 days' WHERE referral_id = $1", need(first)
    )
    before = (await read(api, second))["referrals"][0]["clock"]["resolve_by"]
    status, _, item = await merge(api, first, second)
    assert (status, item["state"], item["merged_into"]) == (200, "cancelled", need(second))
    there = await read(api, second)
    assert there["same"][0]["reference"] == first["reference"]
    assert there["referrals"][0]["clock"]["resolve_by"] < before
    assert {each["state"] for each in (await read(api, first))["referrals"][0]["deliveries"]} <= {
        "withdrawn",
        "delivered",
    }
    status, _, answer = await act(api, need(first), "reopen", reason="another hole")
    assert (status, answer["state"]) == (200, "routed")
    assert (await read(api, second))["same"] == []


async def test_there_is_no_circle_and_nothing_two_merges_away(api):
    """Into itself, back, or into one that is merged: refused. What was merged goes along with its own."""
    one, two, three = [await hole(api) for _ in range(3)]
    assert (await merge(api, one, one))[0] == 422
    assert (await merge(api, one, two))[0] == 200
    assert (await merge(api, one, three))[0] == 409
    assert (await merge(api, two, one))[0] == 409
    assert (await merge(api, three, one))[0] == 409
    assert (await merge(api, two, three))[0] == 200
    merged = {each["reference"] for each in (await read(api, three))["same"]}
    assert merged == {one["reference"], two["reference"]}


async def test_two_who_merge_crosswise_at_once_make_no_circle(api):
    """One gets through."""
    for _ in range(5):
        one, two = await hole(api), await hole(api)
        answers = await asyncio.gather(merge(api, one, two), merge(api, two, one))
        assert sorted(status for status, _, _ in answers) == [200, 409]


async def test_safeguarding_is_never_merged(api):
    """Neither into another nor another into it; and only what is the same service is."""
    child, other, lamp = (
        await hole(api, service="child-protection"),
        await hole(api, service="child-protection"),
        await hole(api, service="street-light"),
    )
    assert (await merge(api, child, other))[0] == 409
    hole_ = await hole(api)
    assert (await merge(api, hole_, child))[0] == 409
    assert (await merge(api, hole_, lamp))[0] == 409


async def test_requests_are_linked_once_and_seen_from_both(api):
    """And unlinked."""
    one, two = await hole(api), await hole(api, service="street-light")
    path, body = f"{REQUESTS}/{one['reference']}", {"other": two["reference"], "reason": "one storm"}
    status, headers, _ = await api.call("POST", f"{path}/link", headers={"If-Match": "*"}, json=body)
    assert (status, headers["ETag"]) == (200, f'"{(await read(api, one))["version"]}"')
    status, _, _ = await api.call("POST", f"{path}/link", headers={"If-Match": "*"}, json=body)
    assert status == 409
    assert [each["reference"] for each in (await read(api, two))["links"]] == [one["reference"]]
    assert [each["reason"] for each in (await read(api, one))["links"]] == ["one storm"]
    body.pop("reason")
    status, _, _ = await api.call("POST", f"{path}/unlink", headers={"If-Match": "*"}, json=body)
    assert status == 200
    assert (await read(api, two))["links"] == []
