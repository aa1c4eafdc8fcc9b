"""What tests of staff's work share: referrals to work on, and how to change them."""

from __future__ import annotations

import asyncio

from gateway.api.desk import DESK

REQUESTS = "/api/v1/requests"
POLISH = "Proszę o pomoc, śmieciarka nie zabrała moich śmieci, co mam zrobić"
"""What the door leaves to people, whatever it has learnt."""


async def sent(api, text=POLISH, *, authority="barnet", **body):
    """Send a request and return it as it is kept once it has been handed over."""
    status, headers, answer = await api.call(
        "POST", REQUESTS, authority=authority, json={"text": text, **body}
    )
    assert status == 201, answer
    return await handed_over(api, headers["Location"], authority=authority)


async def handed_over(api, location, *, authority="barnet"):
    """The request once the courier has nothing of it in hand: it changes the version when it hands over."""
    while True:
        _, _, request = await api.call("GET", location, authority=authority)
        handed = [one["state"] for need in request["referrals"] for one in need["deliveries"]]
        if not {"waiting", "claimed"} & set(handed):
            return request
        await asyncio.sleep(0.02)


async def triage(api, text=POLISH, **body):
    """A referral in triage: its id."""
    _, headers, _ = await api.call("POST", REQUESTS, json={"text": text, **body})
    _, _, request = await api.call("GET", headers["Location"])
    return request["referrals"][0]["referral_id"]


async def act(api, referral_id, what, *, key=None, seen="*", **body):
    path = f"/api/v1/referrals/{referral_id}/{what}"
    return await api.call("POST", path, key=key, headers={"If-Match": seen}, json=body)


async def fill(pool, count, *, state="triage", organisation=None, service=None):
    """Referrals of three priorities, one a minute, the newest with the lowest number."""
    await pool.execute(
        "WITH n AS (SELECT number, gen_random_uuid() AS id FROM generate_series(1, $1) AS number), q AS ("
        " INSERT INTO requests (authority_id, request_id, reference, channel, text, decision, created_at, created_by,"
        " trace_id) SELECT 'barnet', id, 'BAR-' || number || $2, 'phone', 'text', '{}',"
        " now() - number * interval '1 minute', '', '' FROM n) INSERT INTO referrals (authority_id, referral_id,"
        " request_id, part, text, service, organisation, state,"
        " priority, created_at, updated_at) SELECT 'barnet', id, id, 1, number::text, $4, $3, $2,"
        " (ARRAY['normal', 'urgent', 'safeguarding'])[number % 3 + 1], now() - number * interval '1 minute', now() FROM n",
        *(count, state, organisation, service),
    )


async def until_found(api):
    """Wait until search and clocks have taken in what was sent."""
    desk = api.app[DESK]
    async with asyncio.timeout(20):
        for authority in desk.understanding.door.authorities:
            while await _fresh(desk, authority):
                await asyncio.sleep(0.05)


async def _fresh(desk, authority):
    async with desk.view(authority) as connection:
        return await connection.fetchval("SELECT true FROM fresh_requests LIMIT 1")
