"""The same for many at once, each with its own result; and what happens, as it happens."""

from __future__ import annotations

import asyncio
import uuid

import aiohttp
import msgspec
import pytest

from gateway.api.desk import DESK
from gateway.api.live import LIVE
from gateway.work.live import BUFFER, Live, Lost
from tests.gateway.api.desk import act, sent, triage


async def bulk(api, action, items, **body):
    return await api.call("POST", "/api/v1/bulk", json={"action": action, "items": items, **body})


async def test_each_item_has_its_own_result(api, people):
    """What cannot be done to one keeps no other from it; the statuses are those of single calls."""
    free, held, old = [await triage(api) for _ in range(3)]
    await act(api, held, "claim", key=people["ann"])
    items = [
        {"referral_id": free, "version": 1},
        {"referral_id": held, "version": 2},
        {"referral_id": old, "version": 7},
        {"referral_id": str(uuid.uuid4()), "version": 1},
    ]
    status, _, answer = await bulk(api, "claim", items)
    assert (status, answer["done"]) == (200, 1)
    assert [each["status"] for each in answer["results"]] == [200, 409, 412, 404]
    assert answer["results"][0]["version"] == 2
    assert "key:ann" in answer["results"][1]["problem"]["detail"]
    items = [{"referral_id": free, "version": 2}, {"referral_id": old, "version": 1}]
    for action, body in (
        ("service", {"service": "pothole", "reason": "I asked"}),
        ("resolve", {"reason": "done"}),
    ):
        _, _, answer = await bulk(api, action, items, **body)
        assert [each["status"] for each in answer["results"]] == [200, 200], answer
        items = [await at_rest(api, each["referral_id"]) for each in answer["results"]]
    assert {(await read(api, each["referral_id"]))["state"] for each in items} == {"resolved"}


async def at_rest(api, referral_id):
    """The item as it is once the courier has handed it over."""
    async with asyncio.timeout(20):
        while (item := await read(api, referral_id))["state"] == "routed":
            await asyncio.sleep(0.05)
    return {"referral_id": referral_id, "version": item["version"]}


async def read(api, referral_id):
    _, _, item = await api.call("GET", f"/api/v1/referrals/{referral_id}")
    return item


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("resolve", {}, "/reason"),
        ("route", {"reason": "x"}, "/organisation"),
        ("service", {"reason": "x"}, "/service"),
        ("hand-over", {}, "/to"),
        ("explode", {}, "/action"),
    ],
)
async def test_what_is_missing_is_named_before_anything_is_done(api, action, body, pointer):
    """422 for the whole."""
    referral_id = await triage(api)
    status, _, problem = await bulk(api, action, [{"referral_id": referral_id, "version": 1}], **body)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    items = [{"referral_id": referral_id, "version": 1}] * 2
    assert (await bulk(api, "claim", items))[0] == 422
    assert (await read(api, referral_id))["version"] == 1


class Stream:
    """Reads server-sent events."""

    def __init__(self, answer):
        self.answer = answer

    async def next(self):
        """The next event: its id, kind and data."""
        found = {}
        async with asyncio.timeout(20):
            while True:
                line = (await self.answer.content.readline()).decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if line and name:
                    found[name] = value
                elif not line and "event" in found:
                    return found.get("id"), found["event"], msgspec.json.decode(found["data"])


def watch(api, query="", authority="barnet", last=None):
    headers = {"Authorization": f"Bearer {api.keys[authority]}"}
    if last:
        headers["Last-Event-ID"] = last
    timeout = aiohttp.ClientTimeout(total=None)
    return api.session.get(f"{api.url}/api/v1/events{query}", headers=headers, timeout=timeout)


async def test_who_watches_hears_what_happens_and_no_words_of_a_citizen(api):
    """In order, with how it stands; another authority's is not told."""
    async with watch(api) as one, watch(api, authority="northamptonshire") as other:
        assert one.content_type == "text/event-stream"
        request = await sent(api, "my very secret story about a pothole", service="pothole")
        stream, kinds = Stream(one), []
        while "delivered" not in kinds:
            _, event, data = await stream.next()
            assert (event, data["reference"]) == ("change", request["reference"])
            assert "secret" not in str(data)
            kinds.append(data["kind"])
        assert kinds[:2] == ["received", "decided"]
        await sent(api, "a hole", service="pothole", authority="northamptonshire")
        _, _, data = await Stream(other).next()
        assert data["reference"].startswith("NOR") or data["reference"] != request["reference"]


async def test_who_comes_back_hears_what_they_missed(api):
    """With the id of the last one they had: nothing is left out, though some may come twice."""
    async with watch(api) as answer:
        await sent(api, "a hole", service="pothole")
        last, _, _ = await Stream(answer).next()
    missed = await sent(api, "another hole", service="pothole")
    async with watch(api, f"?reference={missed['reference']}&kinds=received,claimed", last=last) as answer:
        stream = Stream(answer)
        assert (await stream.next())[2]["kind"] == "received"
        await act(api, missed["referrals"][0]["referral_id"], "claim")
        _, _, data = await stream.next()
        assert (data["kind"], data["claimed_by"]) == ("claimed", "key:tests")


async def test_who_was_away_too_long_is_told_to_read_again(api):
    """`reset`, and then what happens."""
    async with watch(api, last="01900000-0000-7000-8000-000000000000") as answer:
        assert (await Stream(answer).next())[1] == "reset"


async def test_one_who_does_not_read_loses_and_nobody_else(api, pool):
    """Their buffer is bounded; they are told that something is missing."""
    live = Live(api.app[DESK])
    async with live.watch("barnet") as slow, live.watch("barnet") as quick:
        request = await sent(api, "a hole", service="pothole")
        first = await quick.next(10)
        assert first.reference == request["reference"]
        for _ in range(BUFFER + 1):
            slow.tell(first)
        with pytest.raises(Lost):
            await slow.next(1)
        slow.tell(first)
        assert await slow.next(1) == first
        assert await quick.next(10) is not None
    await live.close()


async def test_two_processes_tell_the_same(api):
    """Each looks at the table by itself."""
    elsewhere = Live(api.app[DESK])
    async with elsewhere.watch("barnet") as there, api.app[LIVE].watch("barnet") as here:
        await sent(api, "a hole", service="pothole")
        assert (await there.next(10)).event_id == (await here.next(10)).event_id
    await elsewhere.close()
