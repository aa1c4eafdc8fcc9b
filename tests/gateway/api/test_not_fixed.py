"""A citizen says that it is not fixed: what was said to be done is open again; and what was merged goes along."""

from __future__ import annotations

from uuid import UUID

from gateway.api.corrections import NOT_FIXED
from gateway.model import State
from gateway.store import tracking
from gateway.store.scope import scoped
from tests.gateway.api.desk import act, sent
from tests.gateway.api.test_duplicates import merge, need, read


async def resolved(api, **body):
    """A request whose only need was said to be done."""
    request = await sent(api, "my bin was missed", **{"service": "missed-bin", "postcode": "N12 0AB", **body})
    status, _, _ = await act(api, need(request), "resolve", reason="done")
    assert status == 200
    return request


async def say(api, request, words="it is still full"):
    return await api.app[NOT_FIXED].say("barnet", UUID(request["request_id"]), words)


async def test_what_was_resolved_goes_back_with_what_the_citizen_says(api):
    """Once, however often it is said; whoever gets it is told what is still wrong."""
    request = await resolved(api)
    heard = await say(api, request)
    assert [str(each) for each in heard.reopened] == [need(request)]
    again = await say(api, request)
    assert (again.reopened, again.still_open, again.in_hand) == ([], True, True)
    there = await read(api, request)
    (referral,) = there["referrals"]
    assert (referral["organisation"], referral["text"]) == (
        request["referrals"][0]["organisation"],
        "my bin was missed\n\nNot fixed: it is still full",
    )
    assert referral["state"] in {"routed", "delivered", "undeliverable"}
    assert there["text"] == "my bin was missed"
    told = [(event["kind"], event["actor"]) for event in there["events"]]
    assert told.count(("reopened", "citizen")) == 1
    assert told.count(("reopen_asked", "citizen")) == 1


async def test_the_second_time_a_person_here_decides(api):
    """Nothing goes round for ever between a citizen and an organisation."""
    request = await resolved(api)
    await say(api, request)
    assert (await act(api, need(request), "resolve", reason="done again"))[0] == 200
    assert len((await say(api, request)).reopened) == 1
    (referral,) = (await read(api, request))["referrals"]
    assert (referral["state"], referral["organisation"], referral["service"]) == (
        "triage",
        None,
        "missed-bin",
    )


async def test_a_colleagues_lease_does_not_hold_the_citizen_back(api, pool, people):
    """It had been said to be done: nobody works on it."""
    request = await resolved(api)
    await pool.execute(
        "UPDATE referrals SET claimed_by = 'key:ann', claimed_until = now() + interval '1 hour'"
    )
    assert len((await say(api, request)).reopened) == 1


async def test_what_ended_in_another_way_stays_so(api):
    """What the citizen did not need any more was not said to be done."""
    request = await sent(api, "my bin was missed", service="missed-bin")
    await act(api, need(request), "cancel", reason="he found it")
    heard = await say(api, request)
    assert not heard.in_hand
    assert (await read(api, request))["referrals"][0]["state"] == "cancelled"


async def test_danger_in_the_words_is_heard(api):
    """As a request of its own, with all that belongs to one; once."""
    request = await resolved(api, citizen={"name": "Ann", "phone": "020 7946 0000"})
    words = "it is still not done and now i want to kill myself"
    first, second = [await say(api, request, words) for _ in range(2)]
    assert first.danger is not None
    assert second.danger == first.danger
    status, _, alarm = await api.call("GET", f"/api/v1/requests/{first.danger}")
    assert status == 200
    assert alarm["citizen"]["name"] == "Ann"
    assert alarm["referrals"][0]["priority"] == "safeguarding"


async def test_an_alarm_that_was_answered_rings_again(api):
    """The ladder begins anew."""
    request = await sent(api, "a child is being hurt next door", service="child-protection")
    for each in request["referrals"]:
        answer = {"json": {"name": "Sam Taylor"}}
        await api.call("POST", f"/api/v1/alarms/{each['referral_id']}/acknowledge", **answer)
        assert (await act(api, each["referral_id"], "resolve", reason="seen to"))[0] == 200
    assert (await api.call("GET", "/api/v1/alarms"))[2] == []
    await say(api, request)
    assert [alarm["reference"] for alarm in (await api.call("GET", "/api/v1/alarms"))[2]] == [
        request["reference"]
    ]


async def standing(api, pool, request):
    """How the citizen sees it, and how it is kept."""
    async with scoped(pool, "barnet") as connection:
        (seen,) = await tracking.parts(connection, "barnet", UUID(request["request_id"]))
    return seen["state"], (await read(api, request))["referrals"][0]["state"]


async def test_what_was_merged_ends_and_opens_with_what_is_being_done(api, pool):
    """Its citizen never reads that it was cancelled; each history says with which it went."""
    first, second = [await sent(api, "a hole", service="pothole", postcode="N12 0AB") for _ in range(2)]
    assert (await merge(api, first, second))[0] == 200
    there = (await read(api, second))["referrals"][0]["state"]
    assert await standing(api, pool, first) == (there, State.CANCELLED)
    assert (await act(api, need(second), "resolve", reason="filled"))[0] == 200
    assert await standing(api, pool, first) == (State.RESOLVED, State.RESOLVED)
    ended = [event for event in (await read(api, first))["events"] if event["kind"] == "resolved"]
    assert [event["detail"] for event in ended] == [{"with": need(second)}]
    assert (await act(api, need(second), "reopen", reason="it came up again"))[0] == 200
    seen, kept = await standing(api, pool, first)
    assert (seen != State.RESOLVED, kept) == (True, State.CANCELLED)


async def test_the_citizen_of_a_merged_need_gets_it_back_on_its_own(api, pool):
    """The other stays done."""
    first, second = [await sent(api, "a hole", service="pothole", postcode="N12 0AB") for _ in range(2)]
    await merge(api, first, second)
    await act(api, need(second), "resolve", reason="filled")
    assert len((await say(api, first)).reopened) == 1
    assert (await read(api, second))["referrals"][0]["state"] == "resolved"
    assert (await read(api, first))["same"] == []
