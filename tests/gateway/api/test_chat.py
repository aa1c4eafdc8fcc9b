"""The chat's API: one conversation opens to its own token alone, and what is sent twice, late or wrongly does no harm."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from PIL import Image

from gateway.api.chat_access import CHAT, LIMITS
from gateway.chat.limits import Buckets
from gateway.chat.model import Holder
from gateway.store.conversation_tokens import GRACE
from tests.conftest import HandClock

ONE = "/chat/v1/barnet/conversation"


class Talk:
    """A conversation, as a browser has it."""

    def __init__(self, api, token):
        self.api, self.token, self.sent = api, token, 0

    async def call(self, method, path="", *, token=None, **options):
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return await self.api.bare(method, ONE + path, headers=headers, **options)

    async def say(self, text=None, *, client_id=None, **body):
        self.sent += 1
        message = {
            "client_id": client_id or f"message-{self.sent}",
            **({"text": text} if text else {}),
            **body,
        }
        status, _, answer = await self.call("POST", "/messages", json=message)
        return status, answer

    async def read(self):
        return (await self.call("GET"))[2]


@pytest.fixture
async def talk(api):
    """A conversation that has just begun."""
    return await begin(api)


async def begin(api):
    status, _, opened = await api.bare("POST", "/chat/v1/barnet/conversations", json={})
    assert status == 201
    return Talk(api, opened["token"])


def texts(answer):
    return [(message["author"], message["kind"]) for message in answer["messages"]]


async def test_the_same_message_twice_is_one(talk):
    """The second time the same answer comes back; under the same id other words are refused."""
    first = await talk.say("the bin lorry missed us again", client_id="the-same-one")
    second = await talk.say("the bin lorry missed us again", client_id="the-same-one")
    assert (first[0], second[0]) == (201, 200)
    assert first[1]["messages"] == second[1]["messages"]
    assert second[1]["replayed"]
    status, problem = await talk.say("something else", client_id="the-same-one")
    assert (status, problem["type"]) == (422, "/api/docs#key-reused")


async def test_many_at_once_are_each_taken_once(talk):
    """The same message from several tabs at the same time is one message, and numbers have no gap."""
    await asyncio.gather(*(talk.say("my bin was missed", client_id="from-all-tabs") for _ in range(6)))
    messages = (await talk.read())["messages"]
    assert [message["number"] for message in messages] == list(range(1, len(messages) + 1))
    assert sum(message["author"] == "citizen" for message in messages) == 1


async def test_an_answer_to_a_question_that_does_not_stand_is_refused(talk):
    """A choice out of order changes nothing."""
    _, answer = await talk.say("the bin lorry missed us again and it is overflowing")
    question = answer["messages"][-1]
    await talk.say(choice="skip", question=question["number"])
    before = await talk.read()
    status, problem = await talk.say(choice="skip", question=question["number"])
    assert (status, problem["type"]) == (409, "/api/docs#out-of-order")
    status, problem = await talk.say(choice="service:missed-bin", question=before["question"])
    assert status == 409
    assert await talk.read() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"client_id": "x" * 10, "text": "a" * 4001}, 422),
        ({"client_id": "x" * 10, "text": "a\x00b"}, 422),
        ({"client_id": "x" * 10}, 422),
        ({"client_id": "x" * 10, "text": "a", "choice": "skip", "question": 1}, 422),
        ({"client_id": "short", "text": "a"}, 422),
        ({"client_id": "x" * 10, "text": "a", "holder": "agent"}, 422),
        ({"client_id": "x" * 10, "text": "a" * 300_000}, 413),
    ],
)
async def test_what_does_not_fit_is_refused_and_leaves_nothing(talk, body, status):
    """Oversized, with control characters, with too little or too much."""
    found, _, problem = await talk.call("POST", "/messages", json=body)
    assert found == status
    assert problem["status"] == status
    assert len((await talk.read())["messages"]) == 1


async def test_no_other_conversation_is_reached(api, talk):
    """A token is good for its own conversation, in its own authority, and for nothing else."""
    other = await begin(api)
    await other.say("my bin was missed")
    assert len((await talk.read())["messages"]) == 1
    for token in (other.token[:-4] + "AAAA", other.token[::-1], "x", "é" * 64, api.keys["barnet"]):
        headers = {"Authorization": f"Bearer {token}".encode("utf-8", "surrogateescape").decode("latin-1")}
        status, _, problem = await api.bare("GET", ONE, headers=headers)
        assert (status, problem["type"]) == (401, "/api/docs#conversation-token")
    path = ONE.replace("barnet", "northamptonshire")
    status, _, _ = await api.bare("GET", path, headers={"Authorization": f"Bearer {other.token}"})
    assert status == 401
    status, _, _ = await api.bare(
        "GET", "/api/v1/requests", headers={"Authorization": f"Bearer {other.token}"}
    )
    assert status == 401


async def test_tokens_rotate_and_an_old_one_ends(api, talk, pool):
    """Resuming gives a fresh token. The old one ends a minute after the fresh one was used, and only its hash is kept."""
    clock = api.app[CHAT].clock = HandClock()
    clock.wall = await pool.fetchval("SELECT max(created_at) FROM conversation_tokens")
    status, _, lost = await talk.call("POST", "/resume")  # the answer is lost on its way
    assert status == 200
    clock.pass_(3600)
    _, _, opened = await talk.call("POST", "/resume")
    fresh = opened["token"]
    assert len({talk.token, lost["token"], fresh}) == 3
    assert (await talk.call("GET", token=fresh))[0] == 200
    clock.pass_(GRACE.total_seconds() - 1)
    assert (await talk.call("GET"))[0] == 200
    clock.pass_(2)
    assert (await talk.call("GET"))[0] == 401
    assert (await talk.call("GET", token=fresh))[0] == 200
    rows = await pool.fetch("SELECT token_hash FROM conversation_tokens")
    assert all(len(row["token_hash"]) == 32 and row["token_hash"] not in fresh.encode() for row in rows)


async def test_pages_of_other_origins_are_refused(api, talk):
    """A page that the authority does not list gets nothing, and is told so; a listed one gets its answer, and no cookie."""
    for origin in (
        "https://evil.example",
        "http://www.barnet.gov.uk",
        "https://www.barnet.gov.uk.evil.example",
        "null",
    ):
        for method, path in (("POST", "/chat/v1/barnet/conversations"), ("GET", ONE), ("OPTIONS", ONE)):
            headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            status, found, problem = await api.bare(method, path, headers=headers)
            assert (status, problem["type"]) == (403, "/api/docs#foreign-origin")
            assert "Access-Control-Allow-Origin" not in found
    headers = {"Origin": "https://www.barnet.gov.uk", "Access-Control-Request-Method": "POST"}
    status, found, _ = await api.bare("OPTIONS", f"{ONE}/messages", headers=headers)
    assert (status, found["Access-Control-Allow-Origin"]) == (204, "https://www.barnet.gov.uk")
    status, found, _ = await talk.call("GET", headers={"Origin": "https://www.barnet.gov.uk"})
    assert (status, found["Access-Control-Allow-Origin"]) == (200, "https://www.barnet.gov.uk")
    assert "Access-Control-Allow-Credentials" not in found
    status, _, _ = await api.bare("GET", ONE.replace("barnet", "northamptonshire"), headers=headers)
    assert status == 403


async def events(answer, count):
    """The first so many events of a stream."""
    found, text = [], ""
    while len(found) < count:
        text += (await asyncio.wait_for(answer.content.readany(), 20)).decode()
        *blocks, text = text.split("\n\n")
        for block in blocks:
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in lines:
                found.append((lines["event"], lines.get("id"), json.loads(lines["data"])))
    return found


async def test_a_stream_replays_what_was_missed_and_goes_on(api, talk):
    """Everything behind Last-Event-ID, then what is new; an id that is none of ours resets."""
    await talk.say("the bin lorry missed us again")
    headers = {"Authorization": f"Bearer {talk.token}", "Last-Event-ID": "2"}
    async with api.session.get(f"{api.url}{ONE}/stream", headers=headers) as answer:
        first = await events(answer, 1)
        assert first[0][:2] == ("message", "3")
        last = (await talk.read())["messages"][-1]["number"]
        missed = first + (await events(answer, last - 3) if len(first) < last - 2 else [])
        assert [number for _, number, _ in missed] == [str(number) for number in range(3, last + 1)]
        await talk.say("nw4 4bg")
        (new, *_) = await events(answer, 1)
        assert (new[1], new[2]["said"]["text"]) == (str(last + 1), "nw4 4bg")
    for wrong in ("999", "-1", "x"):
        headers["Last-Event-ID"] = wrong
        async with api.session.get(f"{api.url}{ONE}/stream", headers=headers) as answer:
            found = await events(answer, 2)
            assert [kind for kind, _, _ in found[:2]] == ["reset", "message"]
            assert found[1][1] == "1"


async def test_another_process_is_heard(api, talk, pool):
    """A message that this process did not write reaches its listeners all the same."""
    headers = {"Authorization": f"Bearer {talk.token}", "Last-Event-ID": "1"}
    async with api.session.get(f"{api.url}{ONE}/stream", headers=headers) as answer:
        await asyncio.sleep(0.2)
        api.app[CHAT].hub.tell = lambda *_: None  # as if it had been written elsewhere
        await talk.say("my bin was missed")
        ((kind, number, message), *_) = await events(answer, 1)
        assert (kind, number, message["said"]["text"]) == ("message", "2", "my bin was missed")


async def test_too_much_is_stopped_but_never_an_emergency(api, talk):
    """A flood gets 429 with Retry-After; words of danger in it are taken and answered."""
    api.app[LIMITS].calls = Buckets(api.app[CHAT].clock, rate=0.001, burst=2)
    await talk.say("hello there")
    await talk.say("my bin was missed")
    status, headers, problem = await talk.call(
        "POST", "/messages", json={"client_id": "message-9", "text": "the bin lorry missed our road"}
    )
    assert (status, problem["type"]) == (429, "/api/docs#too-many")
    assert int(headers["Retry-After"]) > 0
    status, answer = await talk.say("I want to kill myself")
    assert status == 201
    assert ("door", "emergency") in texts(answer)


def picture(**options):
    """A small JPEG that tells where it was taken."""
    image = Image.new("RGB", (40, 30), "red")
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    written = io.BytesIO()
    image.save(written, options.pop("kind", "JPEG"), exif=exif, comment=b"SecretComment", **options)
    return written.getvalue()


async def test_a_picture_is_kept_without_what_it_tells(api, talk):
    """Type by its bytes, not its name; camera, place and comments are gone; only its own conversation can fetch it."""
    content = picture()
    assert b"SecretCamera" in content
    headers = {"X-File-Name": "..%2F..%2Fmy%20bin.exe", "Content-Type": "application/octet-stream"}
    status, _, answer = await talk.call("POST", "/attachments", data=content, headers=headers)
    assert status == 201
    said = answer["messages"][0]["said"]
    assert (said["name"], said["media_type"]) == ("my bin.jpg", "image/jpeg")
    path = f"{ONE}/attachments/{said['attachment']}"
    async with api.session.get(api.url + path, headers={"Authorization": f"Bearer {talk.token}"}) as found:
        kept = await found.read()
        assert found.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in found.headers["Content-Security-Policy"]
    assert b"Secret" not in kept
    assert not Image.open(io.BytesIO(kept)).getexif()
    other = await begin(api)
    assert (await other.call("GET", f"/attachments/{said['attachment']}"))[0] == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 415),
        (b"<html><script>alert(1)</script>", 415),
        (b"\x89PNG\r\n\x1a\n broken", 415),
        (b"", 415),
        (b"\xff" * (8 * 1024 * 1024 + 1), 413),
    ],
)
async def test_files_that_are_not_taken(talk, content, status):
    """Markup dressed as a picture, broken ones, and what is too large."""
    headers = {"Content-Type": "image/png"}
    found, _, problem = await talk.call("POST", "/attachments", data=io.BytesIO(content), headers=headers)
    assert (found, problem["type"]) == (status, "/api/docs#file-refused")


async def test_after_the_end_nothing_more_is_taken(talk):
    """A closed conversation says so; ending it twice is harmless, and the survey is taken once."""
    assert (await talk.call("POST", "/close"))[0] == 200
    assert (await talk.call("POST", "/close"))[0] == 200
    status, problem = await talk.say("one more thing")
    assert (status, problem["type"]) == (409, "/api/docs#conversation-closed")
    for score in (1, 5):
        assert (await talk.call("POST", "/survey", json={"score": score}))[0] == 201
    _, _, found = await talk.api.call("GET", "/api/v1/satisfaction")
    assert [(row["organisation"], row["answers"], row["mean"]) for row in found] == [(None, 1, 5.0)]


async def hold(api, talk):
    """Put the conversation into the queue, whatever the hour, and return its path in the staff API."""
    chat = api.app[CHAT]
    conversation, _ = await chat.enter("barnet", talk.token)

    async def think(turn):
        turn.change(holder=Holder.QUEUE, waiting_since=turn.around.now)

    await chat.turn(conversation, think)
    return f"/api/v1/conversations/{conversation.conversation_id}"


async def test_one_agent_gets_it(api, talk):
    """Of many who reach for a conversation at once exactly one has it."""
    path = await hold(api, talk)
    names = [f"Agent {number}" for number in range(8)]
    answers = await asyncio.gather(*(api.call("POST", f"{path}/take", json={"name": name}) for name in names))
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 7
    (mine,) = [body for status, _, body in answers if status == 200]
    status, _, _ = await api.call("POST", f"{path}/give-back", json={"hold": mine["hold"] - 1})
    assert status == 409
    _, _, whole = await api.call("GET", path)
    assert [m["kind"] for m in whole["messages"]].count("agent") == 1


async def test_an_agent_who_vanishes_lets_go(api, talk):
    """When the lease runs out the citizen is in the queue again, and the late agent can write no more."""
    path = await hold(api, talk)
    _, _, mine = await api.call("POST", f"{path}/take", json={"name": "Priya"})
    clock = api.app[CHAT].clock
    later = api.app[CHAT].clock = HandClock()
    later.wall = clock.now()
    later.pass_(121)
    _, _, theirs = await api.call("POST", f"{path}/take", json={"name": "Tom"})
    assert theirs["agent"] == "Tom"
    body = {"hold": mine["hold"], "client_id": "agent-0001", "text": "hello?"}
    status, _, problem = await api.call("POST", f"{path}/messages", json=body)
    assert (status, problem["type"]) == (409, "/api/docs#not-yours")
    body["hold"] = theirs["hold"]
    for _ in range(2):
        assert (await api.call("POST", f"{path}/messages", json=body))[0] == 201
    assert [m["said"]["text"] for m in (await talk.read())["messages"]].count("hello?") == 1


async def test_no_agent_of_another_authority_sees_it(api, talk):
    """Conversations belong to their authority."""
    path = await hold(api, talk)
    status, _, _ = await api.call("GET", path, authority="northamptonshire")
    assert status == 404
    _, _, listed = await api.call("GET", "/api/v1/conversations", authority="northamptonshire")
    assert listed == []


async def test_a_request_is_shown_to_who_can_prove_it_and_guessing_is_stopped(api):
    """A wrong proof and an unknown reference look alike; after a few tries the answer is 429, even to the right one."""
    body = {
        "text": "my bin was missed",
        "service": "missed-bin",
        "postcode": "NW4 4BG",
        "citizen": {"phone": "020 7946 0000"},
    }
    _, _, made = await api.call("POST", "/api/v1/requests", json=body)
    reference = made["reference"]
    path = "/chat/v1/barnet/track"
    for proof in ("nw44bg", "+44 20 7946 0000"):
        status, _, found = await api.bare("POST", path, json={"reference": reference, "proof": proof})
        assert (status, found["reference"], found["proved"]) == (200, reference, True)
    unknown = await api.bare("POST", path, json={"reference": "BAR-0000-0000", "proof": "NW4 4BG"})
    wrong = await api.bare("POST", path, json={"reference": reference, "proof": "NW4 4BH"})
    assert (unknown[0], unknown[2]) == (wrong[0], wrong[2])
    assert wrong[0] == 404
    for _ in range(5):
        await api.bare("POST", path, json={"reference": reference, "proof": "NW4 4BH"})
    status, _, _ = await api.bare("POST", path, json={"reference": reference, "proof": "NW4 4BG"})
    assert status == 429


@pytest.mark.parametrize("ended", ["resolve", "cancel"])
async def test_not_fixed_has_it_looked_at_again(api, ended):
    """The survey opens what was resolved once more; what ended otherwise is a report for people that names the first."""
    body = {"text": "my bin was missed", "service": "missed-bin", "postcode": "NW4 4BG"}
    _, _, made = await api.call("POST", "/api/v1/requests", json=body)
    _, _, first = await api.call("GET", f"/api/v1/requests/{made['reference']}")
    path = f"/api/v1/referrals/{first['referrals'][0]['referral_id']}/{ended}"
    assert (await api.call("POST", path, headers={"If-Match": "*"}, json={"reason": "done"}))[0] == 200
    opinion = {
        "reference": made["reference"],
        "proof": "NW4 4BG",
        "score": 2,
        "words": "still full",
        "fixed": False,
    }
    answers = [await api.bare("POST", "/chat/v1/barnet/track/survey", json=opinion) for _ in range(2)]
    new = {answer["reference"] for _, _, answer in answers}
    assert len(new) == 1
    if ended == "resolve":
        assert new == {None}
        _, _, first = await api.call("GET", f"/api/v1/requests/{made['reference']}")
        assert first["referrals"][0]["text"].endswith("Not fixed: still full")
        assert [event["kind"] for event in first["events"]].count("reopen_asked") == 1
        return
    _, _, again = await api.call("GET", f"/api/v1/requests/{new.pop()}")
    assert made["reference"] in again["text"]
    assert [referral["state"] for referral in again["referrals"]] == ["triage"]
    _, _, first = await api.call("GET", f"/api/v1/requests/{made['reference']}")
    assert [event["kind"] for event in first["events"]].count("reopen_asked") == 1


async def test_a_crash_between_agreeing_and_sending_loses_nothing(api, talk):
    """What was agreed is sent by whoever comes by next, once."""
    chat = api.app[CHAT]
    settle = chat.settle
    chat.settle = lambda _: asyncio.sleep(0, [])
    _, answer = await talk.say("the bin lorry missed us again and it is overflowing")
    for _ in range(8):
        view = await talk.read()
        if view["stage"] == "sending":
            break
        await talk.say(choice="skip", question=view["question"])
    chat.settle = settle
    assert (await talk.read())["stage"] == "sending"
    await asyncio.gather(*(talk.call("POST", "/resume") for _ in range(3)))
    view = await talk.read()
    assert [message["kind"] for message in view["messages"]].count("sent") == 1
    _, _, page = await api.call("GET", "/api/v1/requests")
    assert len(page["items"]) == 1
    assert answer["messages"]
