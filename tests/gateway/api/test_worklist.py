"""Lists of work: who is first, pages without gaps, and filters."""

from __future__ import annotations

import pytest

from gateway.store import worklist
from tests.gateway.api.desk import POLISH, fill, triage

WORK = "/api/v1/worklist"


async def read_all(api, path, limit):
    found, cursor = [], ""
    while True:
        status, _, page = await api.call("GET", f"{path}&limit={limit}{cursor}")
        assert status == 200, page
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


async def test_safeguarding_first_then_urgent_then_the_oldest_page_by_page(api, pool):
    """Every item once, in one order, however long the pages are."""
    await fill(pool, 50)
    await fill(pool, 30, state="delivered", organisation="worklist")
    whole = await read_all(api, f"{WORK}?queue=people", 200)
    order = {"safeguarding": 0, "urgent": 1, "normal": 2}
    assert len(whole) == 80
    assert whole == sorted(whole, key=lambda item: (order[item["priority"]], item["created_at"]))
    paged = await read_all(api, f"{WORK}?queue=people", 7)
    assert [item["referral_id"] for item in paged] == [item["referral_id"] for item in whole]


async def test_the_queues_hold_what_their_names_say(api, pool):
    """What has an organisation with a system is none of the people's, unless it is asked for."""
    await fill(pool, 3)
    await fill(pool, 4, state="undeliverable", organisation="worklist", service="pothole")
    await fill(pool, 5, state="in_progress", organisation="csg", service="council-tax-bill")
    await fill(pool, 6, state="resolved", organisation="worklist")

    async def count(query):
        status, _, page = await api.call("GET", f"{WORK}?{query}")
        assert status == 200, page
        return len(page["items"])

    assert await count("queue=triage") == 3
    assert await count("queue=people") == 7
    assert await count("queue=people&state=undeliverable") == 4
    assert await count("queue=organisation&organisation=csg") == 5
    assert await count("skill=service:pothole") == 4
    assert await count("skill=organisation:csg") == 5
    assert await count("priority=urgent") == 3
    assert await count("queue=people&service=pothole&priority=normal") == 1
    assert await count("queue=mine") == 0


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("queue=all", "?queue"),
        ("organisation=csg", "?organisation"),
        ("queue=organisation", "?organisation"),
        ("queue=organisation&organisation=cgs", "?organisation"),
        ("cursor=x", "?cursor"),
        ("cursor=YWJj", "?cursor"),
        ("limit=0", "?limit"),
        ("skil=x", "?"),
    ],
)
async def test_a_list_that_there_is_not_is_named(api, query, pointer):
    """422 with the parameter."""
    status, _, problem = await api.call("GET", f"{WORK}?{query}")
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


async def test_an_item_says_what_a_screen_needs(api):
    """Words, reference, age, priority, who has it, and the version to change it by."""
    referral_id = await triage(api)
    _, _, page = await api.call("GET", WORK)
    (item,) = page["items"]
    assert (item["referral_id"], item["text"], item["channel"]) == (referral_id, POLISH, "phone")
    assert (item["version"], item["claimed_by"], item["breached"], item["tags"]) == (1, None, False, [])


async def test_the_lists_are_read_by_their_indexes(pool, clock):
    """With thousands of referrals that somebody else has, no table is read from end to end."""
    await fill(pool, 20_000, state="delivered", organisation="re")
    await fill(pool, 500)
    await pool.execute("ANALYZE")
    plans = []

    class Explaining:
        def __init__(self, connection):
            self.connection = connection

        async def fetch(self, sql, *values):
            rows = await self.connection.fetch("EXPLAIN " + sql, *values)
            plans.append("\n".join(row[0] for row in rows))
            return []

    async with pool.acquire() as connection:
        for wanted in (
            worklist.Wanted(stuck=True, organisations=["worklist"], free=True),
            worklist.Wanted(organisations=["re"]),
            worklist.Wanted(person="key:ann"),
            worklist.Wanted(due_before=clock.now()),
        ):
            await worklist.listing(
                Explaining(connection), "barnet", wanted, now=clock.now(), after=None, limit=50
            )
    for plan in plans:
        assert "Seq Scan on referrals" not in plan, plan
        assert "Seq Scan on requests" not in plan, plan
