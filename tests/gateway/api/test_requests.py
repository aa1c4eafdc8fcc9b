"""Taking a request, reading it back, listing."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import asyncpg
from structlog.testing import capture_logs

REQUESTS = "/api/v1/requests"


async def send(api, text="a pothole on the High Street", *, headers=None, **body):
    return await api.call("POST", REQUESTS, json={"text": text, **body}, headers=headers or {})


async def test_what_was_sent_can_be_read_back(api):
    """With its decision, referral and events."""
    citizen = {"name": "Ann Smith", "email": "ann@example.org", "lat": 51.6, "long": -0.2}
    status, headers, answer = await send(
        api, citizen=citizen, postcode="n120ab", channel="chat", service="pothole"
    )
    assert status == 201
    assert headers["Location"] == f"{REQUESTS}/{answer['reference']}"
    _, _, request = await api.call("GET", headers["Location"])
    assert request["citizen"] == citizen
    assert (request["postcode"], request["channel"], request["created_by"]) == (
        "N12 0AB",
        "chat",
        "key:tests",
    )
    assert request["decision"]["parts"][0]["service"] == "pothole"
    assert request["referrals"][0]["organisation"] == "re"
    assert [event["kind"] for event in request["events"]][:2] == ["received", "decided"]


async def test_a_reference_may_be_read_however_it_was_spoken(api):
    """Lower case, no hyphens."""
    _, _, answer = await send(api)
    spoken = answer["reference"].lower().replace("-", "")
    status, _, request = await api.call("GET", f"{REQUESTS}/{spoken}")
    assert (status, request["reference"]) == (200, answer["reference"])


async def test_pages_hold_every_request_once_newest_first(api):
    """Following the cursor to the end."""
    sent = [(await send(api, f"pothole number {n}", service="pothole"))[2]["reference"] for n in range(23)]
    seen, path = [], f"{REQUESTS}?limit=5"
    while path:
        _, _, page = await api.call("GET", path)
        seen += [item["reference"] for item in page["items"]]
        path = page["next"] and f"{REQUESTS}?limit=5&cursor={page['next']}"
    assert seen == sent[::-1]


async def test_a_list_can_be_narrowed_to_a_state(api):
    """Triage is where staff look first."""
    await send(api, service="pothole")
    _, _, unclear = await send(
        api, "Dzień dobry, nie wiem gdzie mam zapisać moją córkę do szkoły, proszę o pomoc"
    )
    _, _, page = await api.call("GET", f"{REQUESTS}?state=triage")
    assert [item["reference"] for item in page["items"]] == [unclear["reference"]]


async def test_the_same_key_and_body_give_the_first_answer(api):
    """A lost answer is asked for again without harm."""
    first = await send(api, headers={"Idempotency-Key": '"k1"'})
    again = await send(api, headers={"Idempotency-Key": "k1"})
    assert again[0] == 201
    assert again[2] == first[2]
    assert again[1]["Idempotency-Replayed"] == "true"
    _, _, page = await api.call("GET", REQUESTS)
    assert len(page["items"]) == 1


async def test_the_same_key_with_another_body_is_refused(api):
    """A key names one request."""
    await send(api, headers={"Idempotency-Key": "k1"})
    status, _, problem = await send(api, "something else", headers={"Idempotency-Key": "k1"})
    assert (status, problem["type"]) == (422, "/api/docs#key-reused")


async def test_the_same_key_at_the_same_moment_makes_one_request(api):
    """Each of twenty gets the answer or is told to wait; one is stored."""
    answers = await asyncio.gather(*(send(api, headers={"Idempotency-Key": "k"}) for _ in range(20)))
    statuses = {status for status, _, _ in answers}
    assert statuses <= {201, 409}
    assert len({body["reference"] for status, _, body in answers if status == 201}) == 1
    _, _, page = await api.call("GET", REQUESTS)
    assert len(page["items"]) == 1


async def test_a_trace_is_carried_on(api):
    """The caller's W3C trace id is kept with the request."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    _, _, answer = await send(api, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    _, _, request = await api.call("GET", f"{REQUESTS}/{answer['reference']}")
    assert request["trace_id"] == trace


async def test_a_database_that_is_away_is_said_with_when_to_come_back(api, database_url, server_url):
    """503 with Retry-After; and when it is back, the same key is stored once."""
    name = urlsplit(database_url).path[1:]
    admin = await asyncpg.connect(server_url)
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    status, headers, problem = await send(api, headers={"Idempotency-Key": "k"})
    assert (status, problem["type"]) == (503, "/api/docs#unavailable")
    assert int(headers["Retry-After"]) > 0
    status, _, readiness = await api.bare("GET", "/readyz")
    assert (status, readiness["checks"]["database"]) == (503, "away")
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await admin.close()
    status, _, _ = await send(api, headers={"Idempotency-Key": "k"})
    assert status == 201
    _, _, page = await api.call("GET", REQUESTS)
    assert len(page["items"]) == 1


async def test_metrics_count_what_happened_and_name_no_citizen(api):
    """Prometheus sees volumes, never words, names or postcodes."""
    await send(
        api,
        "the secret word is xylophone",
        postcode="N12 0AB",
        citizen={"name": "Zebedee"},
        service="pothole",
    )
    _, _, page = await api.bare("GET", "/metrics")
    assert 'front_door_requests_total{authority="barnet",channel="phone"} 1.0' in page
    for word in ("xylophone", "Zebedee", "N12"):
        assert word not in page


async def test_logs_name_no_citizen(api, caplog):
    """Whatever goes well or wrong, a citizen's words stay out of the logs."""
    with capture_logs() as entries:
        _, _, answer = await send(
            api, "the secret word is xylophone", citizen={"name": "Zebedee"}, service="pothole"
        )
        await send(api, "xylophone \x00", citizen={"name": "Zebedee"})
        await send(api, "xylophone", citizen={"name": "Zebedee"}, service="no-such-xylophone")
        while not any(entry["event"] == "delivery attempted" for entry in entries):
            await asyncio.sleep(0.05)
    assert answer["reference"] in str(entries)
    assert "xylophone" not in str(entries) + caplog.text
    assert "Zebedee" not in str(entries) + caplog.text


async def test_readiness_names_what_is_not_connected(api):
    """Without its variables an organisation is on the worklist, and that is visible."""
    status, _, readiness = await api.bare("GET", "/readyz")
    assert status == 200
    assert "barnet/re" in readiness["checks"]["organisations"]
