"""Notes, messages, replies, tags and call-backs."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gateway.api.desk import DESK
from tests.gateway.api.desk import REQUESTS, sent


async def read(api, request):
    _, _, request = await api.call("GET", f"{REQUESTS}/{request['reference']}")
    return request


async def test_a_note_is_for_staff_and_a_message_for_the_citizen(api):
    """Both stand with the request, with who wrote them; the same key writes once; the words are in no event."""
    request = await sent(api, service="pothole")
    path = f"{REQUESTS}/{request['reference']}/messages"
    headers = {"Idempotency-Key": "n1"}
    status, _, note = await api.call("POST", path, headers=headers, json={"text": "she cannot walk far"})
    assert (status, note["kind"], note["by"]) == (201, "note", "key:tests")
    status, again, same = await api.call("POST", path, headers=headers, json={"text": "she cannot walk far"})
    assert (status, again["Idempotency-Replayed"], same) == (201, "true", note)
    version = (await read(api, request))["version"]
    headers = {"If-Match": f'"{version}"'}
    body = {"kind": "message", "text": "We come tomorrow."}
    status, answer, _ = await api.call("POST", path, headers=headers, json=body)
    assert status == 201
    status, _, _ = await api.call("POST", path, headers=headers, json=body)
    assert status == 412, "somebody has answered since"
    request = await read(api, request)
    assert answer["ETag"] == f'"{request["version"]}"'
    assert [each["kind"] for each in request["messages"]] == ["note", "message"]
    assert "cannot walk" not in str(request["events"])


async def test_replies_are_offered_filled_in(api):
    """The authority's own words; one in which something is missing cannot be sent like that."""
    request = await sent(api, service="pothole", citizen={"name": "Ann Smith"})
    path = f"{REQUESTS}/{request['reference']}"
    _, _, drafts = await api.call("GET", f"{path}/replies")
    draft = next(draft for draft in drafts if draft["id"] == "where-it-stands")
    assert draft["missing"] == []
    assert "Ann Smith" in draft["text"]
    assert request["reference"] in draft["text"]
    body = {"kind": "message", "reply": "where-it-stands"}
    status, _, message = await api.call("POST", f"{path}/messages", headers={"If-Match": "*"}, json=body)
    assert (status, message["reply"], "Ann Smith" in message["text"]) == (201, "where-it-stands", True)
    nameless = f"{REQUESTS}/{(await sent(api, service='pothole'))['reference']}"
    _, _, drafts = await api.call("GET", f"{nameless}/replies")
    assert "name" in next(draft for draft in drafts if draft["id"] == "where-it-stands")["missing"]
    status, _, problem = await api.call("POST", f"{nameless}/messages", headers={"If-Match": "*"}, json=body)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/reply")


async def test_tags_are_set_as_a_whole_and_found_by(api):
    """What is not among them goes; the list of work can be narrowed by one."""
    request = await sent(api, "Proszę o pomoc, śmieciarka nie zabrała moich śmieci, co mam zrobić")
    path = f"{REQUESTS}/{request['reference']}/tags"
    for tags in (["vip", "flood"], ["flood", "ward: childs hill"]):
        status, _, answer = await api.call("PUT", path, headers={"If-Match": "*"}, json={"tags": tags})
        assert (status, answer["tags"]) == (200, sorted(tags))
    assert (await read(api, request))["tags"] == ["flood", "ward: childs hill"]
    for tag, count in (("flood", 1), ("vip", 0)):
        _, _, page = await api.call("GET", f"/api/v1/worklist?tag={tag}")
        assert len(page["items"]) == count
    _, _, tags = await api.call("GET", "/api/v1/tags")
    assert tags[0]["count"] == 1
    status, _, _ = await api.call("PUT", path, headers={"If-Match": "*"}, json={"tags": ["<b>"]})
    assert status == 422


def opening(api):
    """A time at which somebody is there, within the next days."""
    desk = api.app[DESK]
    hours = desk.authority("barnet").clocks.of("worklist")
    return hours.next_opening(desk.clock.now() + timedelta(hours=1)) + timedelta(minutes=1)


async def test_a_call_back_is_in_the_worklist_when_it_is_due(api, pool):
    """With the number to call; nobody there, it is tried again; reached, it is gone."""
    request = await sent(api, service="pothole", citizen={"phone": "020 7946 0000"})
    path = f"{REQUESTS}/{request['reference']}/call-backs"
    at = opening(api)
    headers = {"Idempotency-Key": "c"}
    for _ in range(2):
        status, _, booked = await api.call(
            "POST", path, headers=headers, json={"due_at": at.isoformat(), "note": "about the hole"}
        )
        assert (status, booked["phone"]) == (201, "020 7946 0000")
    _, _, page = await api.call("GET", "/api/v1/worklist")
    assert page["call_backs"] == []
    await pool.execute("UPDATE call_backs SET due_at = now() - interval '1 minute'")
    _, _, page = await api.call("GET", "/api/v1/worklist")
    assert [each["note"] for each in page["call_backs"]] == ["about the hole"]
    finish = f"/api/v1/call-backs/{booked['call_back_id']}/finish"
    status, _, _ = await api.call("POST", finish, json={"outcome": "reached"})
    assert status == 428
    body = {"outcome": "no-answer", "again_at": (at + timedelta(minutes=5)).isoformat()}
    status, headers, later = await api.call("POST", finish, headers={"If-Match": "*"}, json=body)
    assert (status, later["done_at"]) == (200, None)
    status, _, done = await api.call(
        "POST", finish, headers={"If-Match": headers["ETag"]}, json={"outcome": "reached"}
    )
    assert (status, done["outcome"], done["done_by"]) == (200, "reached", "key:tests")
    status, _, _ = await api.call("POST", finish, headers={"If-Match": "*"}, json={"outcome": "reached"})
    assert status == 409
    assert [each["outcome"] for each in (await read(api, request))["call_backs"]] == ["reached"]


@pytest.mark.parametrize("at", ["2027-12-25T10:00:00Z", "2027-03-06T10:00:00Z", "2027-03-03T03:00:00Z"])
async def test_nobody_is_called_back_when_nobody_is_there(api, at):
    """Christmas, a Saturday, the night: refused with the next time that somebody is."""
    assert datetime.fromisoformat(at) > api.app[DESK].clock.now()
    request = await sent(api, service="pothole")
    path = f"{REQUESTS}/{request['reference']}/call-backs"
    status, _, problem = await api.call("POST", path, json={"due_at": at})
    assert (status, problem["errors"][0]["pointer"]) == (422, "/due_at")
    assert "from" in problem["detail"]


async def test_a_call_back_in_the_past_is_refused(api):
    """422."""
    request = await sent(api, service="pothole")
    path = f"{REQUESTS}/{request['reference']}/call-backs"
    status, _, _ = await api.call("POST", path, json={"due_at": "2020-03-02T10:00:00Z"})
    assert status == 422
