"""Who works on what: claims that exactly one gets, that come back by themselves, and that can be handed over."""

from __future__ import annotations

import asyncio

import pytest

from gateway.api.desk import DESK
from gateway.errors import Conflict
from gateway.work.claims import claim
from gateway.work.seen import ANY
from tests.gateway.api.desk import REQUESTS, act, fill, triage


async def test_of_two_who_claim_at_once_exactly_one_gets_it(api, people, pool, clock):
    """A thousand times, a hundred at the same moment: never both, never neither."""
    await fill(pool, 50)
    referrals = [row["referral_id"] for row in await pool.fetch("SELECT referral_id FROM referrals")]
    desk = api.app[DESK]
    for _ in range(20):
        answers = await asyncio.gather(
            *(
                claim(desk, "barnet", referral_id, actor=name, seen=ANY)
                for referral_id in referrals
                for name in ("key:ann", "key:bob")
            ),
            return_exceptions=True,
        )
        held = dict(await pool.fetch("SELECT referral_id, claimed_by FROM referrals"))
        for number, referral_id in enumerate(referrals):
            two = answers[2 * number : 2 * number + 2]
            won = [answer.claimed_by for answer in two if not isinstance(answer, BaseException)]
            lost = [answer for answer in two if isinstance(answer, Conflict)]
            assert (len(won), len(lost)) == (1, 1), two
            assert held[referral_id] == won[0]
        await pool.execute("UPDATE referrals SET claimed_by = NULL, claimed_until = NULL")


async def test_over_http_the_one_who_loses_is_told_who_has_it(api, people):
    """And of twenty with the same ETag one gets it."""
    referral_id = await triage(api)
    _, headers, _ = await api.call("GET", f"/api/v1/referrals/{referral_id}")
    keys = [people["ann"], people["bob"]] * 10
    answers = await asyncio.gather(
        *(act(api, referral_id, "claim", key=key, seen=headers["ETag"]) for key in keys)
    )
    assert sorted({status for status, _, _ in answers}) == [200, 412]
    assert [status for status, _, _ in answers].count(200) == 1
    (winner,) = [item["claimed_by"] for status, _, item in answers if status == 200]
    other = people["bob" if winner == "key:ann" else "ann"]
    status, _, problem = await act(api, referral_id, "claim", key=other)
    assert status == 409
    assert winner in problem["detail"]


async def test_a_lease_that_ran_out_holds_nothing(api, people, pool):
    """Whoever went home holds nobody up: it is in the list as free, and the next one may have it."""
    referral_id = await triage(api)
    await act(api, referral_id, "claim", key=people["ann"])
    _, _, page = await api.call("GET", "/api/v1/worklist?free=true")
    assert page["items"] == []
    _, _, page = await api.call("GET", "/api/v1/worklist?queue=claimed")
    assert [item["claimed_by"] for item in page["items"]] == ["key:ann"]
    await pool.execute("UPDATE referrals SET claimed_until = now() - interval '1 second'")
    _, _, page = await api.call("GET", "/api/v1/worklist?free=true")
    assert [item["claimed_by"] for item in page["items"]] == [None]
    status, _, item = await act(api, referral_id, "claim", key=people["bob"])
    assert (status, item["claimed_by"]) == (200, "key:bob")
    status, _, _ = await api.call(
        "POST", f"/api/v1/referrals/{referral_id}/renew", key=people["ann"], json={}
    )
    assert status == 409


async def test_renewing_makes_it_longer_and_no_other_version(api, people):
    """What colleagues have read of it is as good as before."""
    referral_id = await triage(api)
    _, headers, item = await act(api, referral_id, "claim", key=people["ann"], minutes=1)
    path = f"/api/v1/referrals/{referral_id}/renew"
    status, renewed, later = await api.call("POST", path, key=people["ann"], json={"minutes": 60})
    assert (status, renewed["ETag"]) == (200, headers["ETag"])
    assert later["claimed_until"] > item["claimed_until"]
    status, released, item = await act(api, referral_id, "release", key=people["ann"], seen=renewed["ETag"])
    assert (status, item["claimed_by"]) == (200, None)
    assert released["ETag"] != headers["ETag"]


async def test_a_supervisor_takes_over_with_a_reason_that_is_kept(api, people):
    """The history names from whom and why."""
    referral_id = await triage(api)
    _, _, item = await act(api, referral_id, "claim", key=people["ann"])
    status, _, item = await act(api, referral_id, "claim", key=people["bob"], take_over="she is ill")
    assert (status, item["claimed_by"]) == (200, "key:bob")
    _, _, request = await api.call("GET", f"{REQUESTS}/{item['reference']}")
    event = next(event for event in request["events"] if event["kind"] == "taken_over")
    assert (event["actor"], event["detail"]) == ("key:bob", {"from": "key:ann", "reason": "she is ill"})


async def test_it_is_handed_over_to_a_colleague_or_to_a_skill(api, people):
    """It waits in their list, and nobody holds it."""
    referral_id = await triage(api)
    await act(api, referral_id, "claim", key=people["ann"])
    status, _, item = await act(
        api, referral_id, "hand-over", key=people["ann"], to="key:bob", note="bins are his"
    )
    assert (status, item["claimed_by"], item["assigned_to"]) == (200, None, "key:bob")
    _, _, page = await api.call("GET", "/api/v1/worklist?queue=mine", key=people["bob"])
    assert [item["referral_id"] for item in page["items"]] == [referral_id]
    status, _, item = await act(api, referral_id, "hand-over", key=people["bob"], skill="organisation:csg")
    assert (status, item["assigned_to"], item["skill"]) == (200, None, "organisation:csg")
    _, _, page = await api.call("GET", "/api/v1/worklist?skill=organisation:csg")
    assert [item["referral_id"] for item in page["items"]] == [referral_id]
    _, _, found = await api.call("GET", "/api/v1/queues")
    counts = {each["queue"]: each["count"] for each in found["queues"]}
    assert (counts["triage"], counts["organisation:csg"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/to"),
        ({"to": "key:bob", "skill": "group:waste"}, "/to"),
        ({"skill": "waste"}, "/skill"),
        ({"skill": "organisation:cgs"}, "/skill"),
    ],
)
async def test_handing_over_to_nobody_that_there_is_is_refused(api, body, pointer):
    """422 with the place, and the nearest right name."""
    status, _, problem = await act(api, await triage(api), "hand-over", **body)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    if body.get("skill") == "organisation:cgs":
        assert "did you mean 'csg'" in problem["detail"]


async def test_a_warm_transfer_stays_with_who_asks_until_it_is_accepted(api, people):
    """Declined: it stays. Accepted: it is the colleague's. Only the one who was asked may answer."""
    referral_id = await triage(api)
    ann, bob = people["ann"], people["bob"]
    await act(api, referral_id, "claim", key=ann)
    status, _, item = await act(api, referral_id, "offer", key=ann, to="key:bob")
    assert (status, item["claimed_by"], item["offered_to"]) == (200, "key:ann", "key:bob")
    _, _, page = await api.call("GET", "/api/v1/worklist?queue=mine", key=bob)
    assert [item["offered_to"] for item in page["items"]] == ["key:bob"]
    status, _, _ = await act(api, referral_id, "offer/accept", key=ann)
    assert status == 409
    status, _, item = await act(api, referral_id, "offer/decline", key=bob)
    assert (status, item["claimed_by"], item["offered_to"]) == (200, "key:ann", None)
    status, _, _ = await act(api, referral_id, "offer/accept", key=bob)
    assert status == 409
    await act(api, referral_id, "offer", key=ann, to="key:bob")
    status, _, item = await act(api, referral_id, "offer/accept", key=bob)
    assert (status, item["claimed_by"], item["offered_to"]) == (200, "key:bob", None)


async def test_an_offer_that_nobody_answers_runs_out(api, people, pool):
    """It stays with who asked."""
    referral_id = await triage(api)
    await act(api, referral_id, "claim", key=people["ann"])
    await act(api, referral_id, "offer", key=people["ann"], to="key:bob")
    await pool.execute("UPDATE referrals SET offered_until = now() - interval '1 second'")
    status, _, _ = await act(api, referral_id, "offer/accept", key=people["bob"])
    assert status == 409
    _, _, item = await api.call("GET", f"/api/v1/referrals/{referral_id}")
    assert item["claimed_by"] == "key:ann"


async def test_what_others_change_needs_the_version_they_read(api):
    """428 without If-Match, 412 with an older one; on every change of a referral."""
    referral_id = await triage(api)
    _, headers, _ = await api.call("GET", f"/api/v1/referrals/{referral_id}")
    for what in ("claim", "release", "hand-over", "offer", "offer/accept", "offer/decline"):
        body = {"to": "key:bob"} if what in {"hand-over", "offer"} else {}
        path = f"/api/v1/referrals/{referral_id}/{what}"
        status, _, _ = await api.call("POST", path, json=body)
        assert status == 428, what
        for wrong in ('"0"', 'W/"1"', "nonsense"):
            status, answer, _ = await api.call("POST", path, json=body, headers={"If-Match": wrong})
            assert (status, answer["ETag"]) == (412, headers["ETag"]), (what, wrong)


async def test_another_authoritys_work_is_none(api):
    """404, and an empty list."""
    referral_id = await triage(api)
    for what in ("claim", "release"):
        path = f"/api/v1/referrals/{referral_id}/{what}"
        status, _, _ = await api.call(
            "POST", path, authority="northamptonshire", headers={"If-Match": "*"}, json={}
        )
        assert status == 404
    _, _, page = await api.call("GET", "/api/v1/worklist", authority="northamptonshire")
    assert page == {"items": [], "call_backs": [], "next": None}
