"""What citizens are promised, and how that stands."""

from __future__ import annotations

from gateway.app import KEEPER
from tests.gateway.api.desk import REQUESTS, act, handed_over, until_found
from tests.gateway.api.desk import sent as send


async def read(api, request):
    _, _, request = await api.call("GET", f"{REQUESTS}/{request['reference']}")
    return request


async def sent(api, **body):
    """A request whose clock runs."""
    request = await send(api, "please help with my enquiry, number 12", **body)
    await until_found(api)
    return await read(api, request)


def clock(request):
    return request["referrals"][0]["clock"]


def need(request):
    return request["referrals"][0]["referral_id"]


async def test_a_request_is_promised_something_a_moment_after_it_came(api):
    """By the targets of its service."""
    bin_, lamp = await sent(api, service="missed-bin"), await sent(api, service="street-light")
    assert clock(bin_)["resolve_by"] < clock(lamp)["resolve_by"]
    assert clock(bin_)["next_due"] == clock(bin_)["acknowledge_by"]
    assert clock(bin_)["started_at"] == bin_["created_at"]


async def test_taking_it_up_answering_and_ending_it_meet_what_was_promised(api):
    """The first claim, the first message, the end; reopened it runs again, from when the citizen sent it."""
    request = await sent(api, service="pothole")
    await act(api, need(request), "claim")
    one = clock(await read(api, request))
    assert one["acknowledged_at"]
    assert one["next_due"] == one["respond_by"]
    path = f"{REQUESTS}/{request['reference']}/messages"
    await api.call("POST", path, headers={"If-Match": "*"}, json={"kind": "message", "text": "soon"})
    two = clock(await read(api, request))
    assert two["responded_at"]
    assert two["next_due"] == two["resolve_by"]
    await act(api, need(request), "resolve", reason="done")
    three = clock(await read(api, request))
    assert three["ended_at"]
    assert three["next_due"] is None
    await act(api, need(request), "reopen", reason="it is not")
    four = clock(await read(api, request))
    assert (four["ended_at"], four["next_due"]) == (None, two["resolve_by"])


async def test_a_transfer_changes_nothing_and_another_service_its_targets(api):
    """From the same beginning."""
    request = await sent(api, service="street-light")
    before = clock(request)
    status, _, answer = await act(api, need(request), "route", organisation="council", reason="theirs")
    assert status == 200, answer
    transferred = await handed_over(api, f"{REQUESTS}/{request['reference']}")
    assert clock(transferred)["resolve_by"] == before["resolve_by"]
    status, _, answer = await act(api, need(request), "service", service="missed-bin", reason="a bin")
    assert status == 200, answer
    after = clock(await read(api, request))
    assert after["resolve_by"] < before["resolve_by"]
    assert after["started_at"] == before["started_at"]


async def test_rules_that_change_later_break_no_promise(api, pool):
    """What was promised is kept with it; going on after a pause counts in the hours of then."""
    request = await sent(api, service="pothole")
    promise = await pool.fetchval("SELECT promise FROM clocks")
    assert promise["target"]["resolve"]["working_days"] == 5
    assert promise["hours"]["weekdays"]
    await pool.execute(
        "UPDATE clocks SET promise = jsonb_set(promise, '{target,resolve}', '{\"working_days\": 1}')"
    )
    await act(api, need(request), "wait", reason="which hole?")
    await act(api, need(request), "go-on")
    assert clock(await read(api, request))["resolve_by"] < clock(request)["resolve_by"]


async def test_while_the_citizen_is_waited_for_nothing_is_due(api, pool):
    """It is in no list of what is due; when they have answered, what was left is left."""
    request = await sent(api, service="pothole")
    status, headers, _ = await act(api, need(request), "wait", reason="which hole?")
    assert status == 200
    waiting = clock(await read(api, request))
    assert waiting["paused_at"]
    assert waiting["next_due"] is None
    assert (await act(api, need(request), "wait", reason="again"))[0] == 409
    await pool.execute("UPDATE clocks SET paused_at = paused_at - interval '1 second'")
    status, _, _ = await act(api, need(request), "go-on", seen=headers["ETag"])
    assert status == 200
    after = clock(await read(api, request))
    assert (after["paused_at"], len(after["pauses"])) == (None, 1)
    assert after["resolve_by"] >= waiting["resolve_by"]
    assert (await act(api, need(request), "go-on"))[0] == 409


async def test_what_is_due_soon_is_listed_before_it_is_late(api, pool):
    """Soonest first, and counted for ops."""
    near, far, late = [await sent(api, service="pothole") for _ in range(3)]
    for request, by in ((near, "20 minutes"), (far, "5 days"), (late, "-3 minutes")):
        await pool.execute(
            "UPDATE clocks SET acknowledge_by = now() + $2::text::interval WHERE referral_id = $1",
            need(request),
            by,
        )
    _, _, page = await api.call("GET", "/api/v1/worklist?queue=due&due_within=60")
    found = [(item["reference"], item["breached"]) for item in page["items"]]
    assert found == [(late["reference"], True), (near["reference"], False)]
    _, _, page = await api.call("GET", "/api/v1/worklist?queue=due&due_within=60&limit=1")
    _, _, rest = await api.call(
        "GET", f"/api/v1/worklist?queue=due&due_within=60&limit=1&cursor={page['next']}"
    )
    assert [item["reference"] for item in page["items"] + rest["items"]] == [
        late["reference"],
        near["reference"],
    ]
    await api.app[KEEPER].show()
    _, _, metrics = await api.bare("GET", "/metrics")
    assert 'front_door_promises{authority="barnet",standing="breached"} 1.0' in metrics
    assert 'front_door_promises{authority="barnet",standing="soon"} 1.0' in metrics
    assert 'front_door_promises{authority="barnet",standing="running"} 3.0' in metrics
