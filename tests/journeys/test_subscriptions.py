"""An authority's own systems are told what happens: each event once, nothing of any citizen, and never at their cost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.postgres_cluster import die_with_parent
from gateway.store.keys import create_key
from tests.journeys.conftest import free_port, running_front
from tests.journeys.listener import listening

BIN = "the bin lorry missed us again and it is overflowing, says Quentin Thistlewaite"
PLANTED = {
    "name": "Quentin Thistlewaite",
    "email": "quentin@thistlewaite.example",
    "phone": "020 7946 0999",
    "address": "17 Zanzibar Mews",
    "notes": "keeps a wolfhound",
    "date_of_birth": "1931-04-09",
}
WORDS = [
    "Thistlewaite",
    "overflowing",
    "7946 0999",
    "Zanzibar",
    "wolfhound",
    "1931-04-09",
    "N12 0AB",
    "N120AB",
    "bin lorry",
]


@pytest.fixture
async def front(door, database_url, tmp_path):
    """The whole product; subscribers may be on this machine."""
    async with running_front(door, database_url, tmp_path, private_subscribers=True) as front:
        yield front


@pytest.fixture
async def listener():
    async with listening() as listener:
        yield listener


async def subscribe(front, listener, *, authority="barnet", **body):
    """Subscribe and give the subscription."""
    made = await front.call(
        "POST",
        "/api/v1/subscriptions",
        authority=authority,
        status=201,
        json={"url": listener.url, **body},
    )
    listener.secret = made["secret"]
    return made["subscription"]


def ended(request):
    return all(referral["state"] == "resolved" for referral in request["referrals"])


async def make_due(pool):
    """What waits for its next try, or for the lease of a courier that is gone, is due now: tests do not sleep."""
    await pool.execute("UPDATE deliveries SET due_at = least(due_at, now()) WHERE state = 'waiting'")
    await pool.execute("UPDATE deliveries SET lease_until = now() - interval '1 s' WHERE state = 'claimed'")


async def expected(pool):
    """How many notices of each type the events so far make."""
    rows = await pool.fetch(
        "SELECT notice_kind(kind, referral_id) AS type, count(*) AS n FROM events GROUP BY 1"
    )
    return {row["type"]: row["n"] for row in rows}


async def test_a_request_is_told_from_its_coming_to_its_end(front, pool, listener):
    """Signed as the public library wants it, with reference, ids, states and organisations."""
    await subscribe(front, listener)
    answer = await front.send(BIN, service="missed-bin", citizen=PLANTED, postcode="N12 0AB")
    request = await front.until(answer["reference"], ended)
    await listener.until(lambda it: len(it.told) >= len(request["events"]))
    assert listener.types() == await expected(pool)
    events = sorted((event["data"]["event_id"], event) for event in listener.told.values())
    created, decided, *_, last = [event for _, event in events]
    assert created["type"] == "request.created"
    assert decided["data"] == {
        "event": "decided",
        "event_id": decided["data"]["event_id"],
        "authority": "barnet",
        "request_id": created["data"]["request_id"],
        "reference": answer["reference"],
        "referral_id": request["referrals"][0]["referral_id"],
        "state": "routed",
        "organisation": "council",
        "by": "council",
    }
    assert (last["type"], last["data"]["event"], last["data"]["state"]) == (
        "referral.changed",
        "resolved",
        "resolved",
    )


async def test_nothing_of_a_citizen_is_told(front, listener):
    """Not their words, not their details, not what an organisation wrote about them."""
    await subscribe(front, listener)
    front.backend("csg").faults.set("refuse")
    first = await front.send(BIN, service="missed-bin", citizen=PLANTED, postcode="N12 0AB")
    second = await front.send(BIN, service="council-tax-bill", citizen=PLANTED, postcode="N12 0AB")
    alarm = await front.send(
        "Quentin Thistlewaite's little boy has bruises all over and says his stepdad hits him with a belt, overflowing",
        citizen=PLANTED,
        postcode="N12 0AB",
    )
    (ringing,) = await front.call("GET", "/api/v1/alarms")
    path = f"/api/v1/alarms/{ringing['referral_id']}/acknowledge"
    await front.call("POST", path, json={"name": "Zanzibar Thistlewaite"}, status=204)
    await front.until(first["reference"], ended)
    await front.until(second["reference"], lambda request: len(request["referrals"][0]["deliveries"]) > 1)
    await listener.until(lambda it: it.types()["alarm.acknowledged"] and "rejected" in str(it.told))
    references = {event["data"]["reference"] for event in listener.told.values()}
    assert {first["reference"], second["reference"], alarm["reference"]} == references
    everything = " ".join(f"{dict(headers)} {body.decode()}" for headers, body in listener.raw)
    assert [word for word in WORDS if word.lower() in everything.lower()] == []


async def test_another_authoritys_events_never_arrive(front, pool, listener):
    """Each authority is told of its own."""
    await subscribe(front, listener, authority="northamptonshire")
    theirs = await front.send("my bin was missed", service="missed-bin")
    ours = await front.send("a pothole", service="pothole", authority="northamptonshire")
    await front.until(theirs["reference"], ended)
    await listener.until(lambda it: it.types()["referral.created"])
    assert {event["data"]["reference"] for event in listener.told.values()} == {ours["reference"]}
    assert (
        await pool.fetchval(
            "SELECT count(*) FROM deliveries WHERE role = 'notice' AND authority_id = 'barnet'"
        )
        == 0
    )


async def test_only_the_kinds_asked_for_are_told(front, listener):
    """Who asks for new requests is not told of the rest."""
    await subscribe(front, listener, kinds=["request.created"])
    for _ in range(3):
        answer = await front.send("my bin was missed", service="missed-bin")
        await front.until(answer["reference"], ended)
    await listener.until(lambda it: len(it.told) >= 3)
    assert listener.types() == {"request.created": 3}


async def test_a_lost_answer_is_told_again_under_the_same_id(front, pool, listener):
    """It was told, and we do not know: the same webhook-id and body come again, with a fresh signature."""
    await subscribe(front, listener)
    listener.lose = 2
    answer = await front.send("my bin was missed", service="missed-bin")
    request = await front.until(answer["reference"], ended)
    async with asyncio.timeout(20):
        while len(listener.told) < len(request["events"]) or max(listener.times().values()) < 2:
            await make_due(pool)
            await asyncio.sleep(0.05)
    assert listener.types() == await expected(pool)
    again = [id_ for id_, times in listener.times().items() if times > 1]
    assert again
    for id_ in again:
        bodies = {body for headers, body in listener.raw if headers["webhook-id"] == id_}
        assert len(bodies) == 1


async def test_a_dead_subscriber_does_not_hold_up_a_citizen(front, pool, listener):
    """It hangs or refuses everything; requests are delivered and resolved all the same, and nothing is lost for it."""
    await subscribe(front, listener)
    listener.hang = asyncio.Event()
    answers = [await front.send("my bin was missed", service="missed-bin") for _ in range(20)]
    requests = [await front.until(answer["reference"], ended) for answer in answers]
    hanging = len(listener.raw)
    assert hanging <= 16  # its own slots, and no more
    assert (
        await pool.fetchval("SELECT count(*) FROM deliveries WHERE role = 'notice' AND state = 'delivered'")
        == 0
    )
    listener.hang.set()
    total = sum(len(request["events"]) for request in requests)
    await listener.until(lambda it: len(it.told) >= total)
    assert set(listener.times().values()) == {1}


async def test_gone_means_gone(front, pool, listener):
    """410 disables it: it is told nothing more, the list says why, and no event waits for it for ever."""
    subscription = await subscribe(front, listener)
    listener.status = 410
    answer = await front.send("my bin was missed", service="missed-bin")
    await front.until(answer["reference"], ended)
    async with asyncio.timeout(20):
        while True:
            listed = await front.call("GET", "/api/v1/subscriptions")
            if listed[0]["disabled_at"] is not None:
                break
            await asyncio.sleep(0.05)
    assert listed[0]["disabled_because"] == "it answered 410 Gone"
    said = len(listener.raw)
    listener.status = 200
    await front.send("my bin was missed", service="missed-bin")
    path = f"/api/v1/subscriptions/{subscription['subscription_id']}"
    await front.call("POST", f"{path}/test", status=409)
    assert len(listener.raw) - said <= 16  # what was under way
    await front.call("POST", f"{path}/enable", status=200)
    await front.call("POST", f"{path}/test", status=202)
    await listener.until(lambda it: it.types()["test"])


async def test_a_notice_that_was_given_up_is_listed_and_sent_again_by_a_person(front, pool, listener):
    """Ten attempts over three days, then a person decides; the same id comes again."""
    subscription = await subscribe(front, listener, kinds=["request.created"])
    listener.status = 500
    answer = await front.send("my bin was missed", service="missed-bin")
    await pool.execute("UPDATE deliveries SET attempt = 9 WHERE role = 'notice' AND state = 'waiting'")
    async with asyncio.timeout(20):
        while not (letters := (await front.call("GET", "/api/v1/deliveries?state=dead"))["items"]):
            await pool.execute(
                "UPDATE deliveries SET attempt = 9 WHERE role = 'notice' AND state = 'waiting'"
            )
            await make_due(pool)
            await asyncio.sleep(0.05)
    (letter,) = letters
    assert (letter["role"], letter["reference"], letter["detail"]) == (
        "notice",
        answer["reference"],
        "HTTP 500",
    )
    listener.status = 204
    path = f"/api/v1/subscriptions/{subscription['subscription_id']}/replay"
    assert await front.call("POST", path, json={"reason": "mended"}) == {"replayed": 1}
    await listener.until(lambda it: it.times()[letter["delivery_id"]] > 1)
    request = await front.until(
        answer["reference"],
        lambda request: "notice_replayed" in [event["kind"] for event in request["events"]],
    )
    assert all(each["role"] != "notice" for each in request["referrals"][0]["deliveries"])
    assert listener.types() == {"request.created": 1}  # the replay itself is no news


async def test_a_changed_secret_is_signed_with_beside_the_old_one(front, listener):
    """A receiver that has not changed yet understands, and one that has too."""
    subscription = await subscribe(front, listener)
    old, path = listener.secret, f"/api/v1/subscriptions/{subscription['subscription_id']}"
    new = (await front.call("POST", f"{path}/rotate-secret"))["secret"]
    await front.call("POST", f"{path}/test", status=202)
    await listener.until(lambda it: it.raw)
    for secret in (old, new):
        listener.secret = secret
        assert listener.types() == {"test": 1}


@asynccontextmanager
async def serving(database_url, folder):
    """The gateway as a process of its own; gives its URL and a way to kill and start it."""
    port = free_port()
    environ = {
        **os.environ,
        "DATABASE_URL": database_url,
        "FRONT_DOOR_PORT": str(port),
        "FRONT_DOOR_PRIVATE_SUBSCRIBERS": "true",
        "FRONT_DOOR_COURIER_POLL": "0.05",
        "FRONT_DOOR_DATA_DIR": str(folder),
    }
    running = []

    async def start():
        with (folder / "gateway.log").open("ab") as log:
            running.append(
                subprocess.Popen(  # noqa: ASYNC220  the kernel ends it with the thread that started it
                    [sys.executable, "-m", "gateway", "serve"],
                    env=environ,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,  # noqa: PLW1509
                )
            )
        async with asyncio.timeout(45), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                assert running[-1].poll() is None, (folder / "gateway.log").read_text()[-2000:]
                await asyncio.sleep(0.05)

    async def kill():
        process = running.pop()
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)

    await start()
    try:
        yield f"http://127.0.0.1:{port}", kill, start
    finally:
        for _ in running:
            await kill()


@pytest.mark.timeout(180)
async def test_a_killed_gateway_tells_every_event_once_it_is_back(database_url, pool, listener, tmp_path):
    """Kill -9 while notices are on their way, twice: each event of each accepted request arrives, under one id each."""
    async with pool.acquire() as connection:
        key = await create_key(connection, "barnet", "tests", SystemClock().now())
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        serving(database_url, tmp_path) as (url, kill, start),
        aiohttp.ClientSession(headers=headers) as session,
    ):
        async with session.post(f"{url}/api/v1/subscriptions", json={"url": listener.url}) as answer:
            listener.secret = (await answer.json())["secret"]

        async def send():
            body = {"text": "my bin was missed", "service": "missed-bin"}
            try:
                async with session.post(f"{url}/api/v1/requests", json=body) as answer:
                    return (await answer.json())["reference"] if answer.status == 201 else None
            except aiohttp.ClientError:
                return None

        references = []
        for _ in range(2):
            sending = [asyncio.create_task(send()) for _ in range(40)]
            said = len(listener.raw)
            await listener.until(lambda it, said=said: len(it.raw) > said + 5)
            await kill()
            references += [reference for reference in await asyncio.gather(*sending) if reference]
            await start()
        assert references
        async with asyncio.timeout(60):
            while await pool.fetchval(
                "SELECT EXISTS (SELECT FROM deliveries WHERE state IN ('waiting', 'claimed'))"
            ):
                await make_due(pool)
                await asyncio.sleep(0.2)
    assert listener.types() == await expected(pool)
    told = {event["data"]["reference"] for event in listener.told.values()}
    assert told >= set(references)
    ids = [event["data"]["event_id"] for event in listener.told.values()]
    assert len(ids) == len(set(ids)) == await pool.fetchval("SELECT count(*) FROM events")
