"""Finding requests however they were typed; what is known already of a person and a street; saved views."""

from __future__ import annotations

import pytest

from gateway.store import search as store
from gateway.store.scope import scoped, searching
from gateway.work.words import read_question
from tests.gateway.api.desk import REQUESTS, sent, until_found

ANN = {
    "name": "Zoë O'Brien-Okafor",
    "phone": "+44 20 7946 0000",
    "email": "Zoe@Example.org",
    "address": "12 High Street",
}


@pytest.fixture
async def town(api):
    """A few requests to find, newest last."""
    found = {
        "lamp": await sent(api, "the lamp post flickers all night", service="street-light", postcode="N12 0AB", citizen=ANN),
        "hole": await sent(api, "a huge pothole by the church", service="pothole", postcode="N12 0AD"),
        "bin": await sent(api, "my recycling bins were missed again", service="missed-bin", postcode="HA8 7AA",
                          citizen={"name": "Bob Smith", "phone": "07700 900123"}),
        "hole2": await sent(api, "pothole again", service="pothole", postcode="N12 0AB", citizen={"name": "Cy Smyth"}),
    }  # fmt: skip
    await until_found(api)
    return {request["reference"]: name for name, request in found.items()}


async def find(api, town, **body):
    """Names of what is found, newest first, and whether it is only spelt alike."""
    status, _, page = await api.call("POST", "/api/v1/search", json=body)
    assert status == 200, page
    return [town[item["reference"]] for item in page["items"]], page["alike"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("pothole", ["hole2", "hole"]),
        ("POTHOLES", ["hole2", "hole"]),
        ("recycling bin", ["bin"]),
        ("o'brien", ["lamp"]),
        ("zoe okafor", ["lamp"]),
        ("020 7946 0000", ["lamp"]),
        ("00442079460000", ["lamp"]),
        ("zoe@example.org", ["lamp"]),
        ("N12 0AB", ["hole2", "lamp"]),
        ("n12", ["hole2", "hole", "lamp"]),
        ("N12 0", ["hole2", "hole", "lamp"]),
        ("pothole n120ab", ["hole2"]),
        ("the church", ["hole"]),
        ("my recycling", ["bin"]),  # its check character would be right, were it a reference
        ("smit", ["bin"]),
        ("high street", ["lamp"]),
        ("nobody knows this", []),
        ("", ["hole2", "bin", "hole", "lamp"]),
    ],
)
async def test_it_is_found_as_it_was_typed(api, town, typed, found):
    """By words, name, phone, e-mail, postcode or its beginning; together all must fit."""
    assert await find(api, town, q=typed) == (found, False)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("pothoel", ["hole2", "hole"]),
        ("recycing", ["bin"]),
        ("flikers", ["lamp"]),
        ("okafro", ["lamp"]),
        ("smiht", ["bin"]),
        ("churhc pothloe", ["hole"]),
    ],
)
async def test_a_slip_of_the_finger_finds_what_is_spelt_alike(api, town, typed, found):
    """When nothing fits as typed; and the answer says so."""
    assert await find(api, town, q=typed) == (found, True)


async def test_what_fits_as_typed_comes_before_what_is_spelt_alike(api, town):
    """Page by page, each once."""
    _, _, page = await api.call("POST", "/api/v1/search", json={"q": "smith"})
    assert [town[item["reference"]] for item in page["items"]] == ["bin"]
    _, _, rest = await api.call("POST", "/api/v1/search", json={"q": "smith", "cursor": page["next"]})
    assert (rest["alike"], [town[item["reference"]] for item in rest["items"]]) == (True, ["hole2"])
    assert rest["next"] is None


async def test_a_reference_finds_the_one(api, town):
    """However it is written."""
    reference = next(iter(town))
    for typed in (reference, reference.lower(), reference.replace("-", " "), reference.replace("-", "")):
        assert await find(api, town, q=typed) == ([town[reference]], False)


async def test_filters_narrow_and_pages_have_no_gaps(api, town):
    """By what the needs are, and by time."""
    assert await find(api, town, service="pothole", q="church") == (["hole"], False)
    assert await find(api, town, organisation="re") == (["hole2", "hole", "lamp"], False)
    assert await find(api, town, state="resolved") == ([], False)
    assert await find(api, town, until="2020-01-01T00:00:00Z") == ([], False)
    assert await find(api, town, channel="phone", since="2020-01-01T00:00:00Z", limit=1) == (["hole2"], False)
    seen, cursor = [], {}
    for _ in range(5):
        _, _, page = await api.call("POST", "/api/v1/search", json={"limit": 1, **cursor})
        seen += [town[item["reference"]] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == ["hole2", "bin", "hole", "lamp"]


async def test_other_authorities_and_citizens_details_are_not_shown(api, town):
    """Nothing of another's; no name, no number in a list."""
    status, _, page = await api.call(
        "POST", "/api/v1/search", json={"q": "pothole"}, authority="northamptonshire"
    )
    assert (status, page["items"]) == (200, [])
    _, _, page = await api.call("POST", "/api/v1/search", json={"q": "okafor"})
    assert "Okafor" not in str(page)
    assert "7946" not in str(page)


@pytest.mark.parametrize(
    "typed", ["'", "\\", "a & b | !c", "(((", "':*", "%_", "<->", "🙂", "x" * 300, "' OR 1=1 --"]
)
async def test_whatever_is_typed_is_no_fault(api, town, typed):
    """It is words, never a query of its own."""
    status, _, _ = await api.call("POST", "/api/v1/search", json={"q": typed})
    assert status == 200


async def test_a_request_that_is_forgotten_leaves_no_word_behind(api, town, pool):
    """For erasure: its names are in no table of search any more, but words that others have stay."""
    row = await pool.fetchrow("SELECT request_id FROM requests WHERE citizen ->> 'name' LIKE 'Zo%'")
    async with scoped(pool, "barnet") as connection:
        await store.forget(connection, "barnet", [row["request_id"]])
    words = {row["word"] for row in await pool.fetch("SELECT word FROM search_words")}
    assert not words & {"okafor", "flicker", "zoe"}
    assert {"pothol", "smith"} <= words
    assert await find(api, town, q="flickers") == ([], False)


async def test_what_is_known_of_the_person_and_the_street(api, town):
    """Before there is a request, and for one that is stored."""
    body = {
        "phone": "(020) 79460000",
        "email": "ZOE@example.org",
        "postcode": "N12 0AB",
        "services": ["pothole"],
    }
    _, _, found = await api.call(
        "POST", "/api/v1/context", json={**body, "address": "12 high street, Finchley"}
    )
    assert [(town[each["reference"]], each["by"]) for each in found["earlier"]] == [
        ("lamp", ["address", "email", "phone"])
    ]
    (nearby,) = found["nearby"]
    assert (nearby["in_postcode"], nearby["in_sector"], nearby["open"]) == (1, 2, 2)
    reference = next(reference for reference, name in town.items() if name == "hole")
    _, _, found = await api.call("GET", f"{REQUESTS}/{reference}/context")
    assert found["earlier"] == []
    assert [(each["service"], each["in_postcode"], each["in_sector"]) for each in found["nearby"]] == [
        ("pothole", 0, 1)
    ]
    status, _, _ = await api.call("GET", f"{REQUESTS}/{reference}/context", authority="northamptonshire")
    assert status == 404


async def test_what_is_about_safety_is_nobody_elses_to_know(api, town):
    """It is not counted among what others reported."""
    await sent(api, "please help", service="child-protection", postcode="N12 0AB")
    await until_found(api)
    body = {"postcode": "N12 0AB", "services": ["child-protection"]}
    _, _, found = await api.call("POST", "/api/v1/context", json=body)
    assert found["nearby"][0]["in_sector"] == 0


async def test_views_are_kept_and_shared(api, people):
    """Yours, and what colleagues share; only yours can be forgotten by you."""
    body = {
        "name": "Urgent bins",
        "list": "worklist",
        "query": {"skill": "group:waste", "priority": "urgent"},
    }
    for _ in range(2):
        status, _, view = await api.call("POST", "/api/v1/views", headers={"Idempotency-Key": "v"}, json=body)
        assert status == 201
    await api.call("POST", "/api/v1/views", json={**body, "shared": True, "name": "for all"})
    _, _, mine = await api.call("GET", "/api/v1/views")
    assert [each["name"] for each in mine] == ["Urgent bins", "for all"]
    _, _, others = await api.call("GET", "/api/v1/views", key=people["ann"])
    assert [each["name"] for each in others] == ["for all"]
    path = f"/api/v1/views/{view['view_id']}"
    assert (await api.call("DELETE", path, key=people["ann"]))[0] == 404
    assert (await api.call("DELETE", path))[0] == 204
    assert (await api.call("DELETE", path))[0] == 404


async def test_a_search_reads_no_table_from_end_to_end(pool):
    """Rare words by the words' index, numbers and postcodes by theirs, whatever else there is."""
    await pool.execute(
        "INSERT INTO requests (authority_id, request_id, reference, channel, text, decision, created_at, created_by,"
        " trace_id) SELECT 'barnet', gen_random_uuid(), 'BAR-' || n, 'phone', '', '{}', now(), '', ''"
        " FROM generate_series(1, 20000) AS n"
    )
    await pool.execute(
        "INSERT INTO request_search (authority_id, request_id, words, phone, postcode) SELECT 'barnet', request_id,"
        " to_tsvector('english', 'a word ' || md5(reference)), '0' || substr(reference, 5), 'N1' || substr(reference, 5)"
        " FROM requests"
    )
    await pool.execute("VACUUM ANALYZE")
    async with searching(pool, "barnet") as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        for typed, words, index in (
            ("rare", "'0cc175b9c0f1b6a831c399e269772661'", "request_search_words"),
            ("020 7946 0000", None, "request_search_phone"),
            ("N1 2AB", None, "request_search_postcode"),
        ):
            sql, values = store.statement(
                read_question(typed),
                store.Filters(),
                words=words,
                before=None,
                limit=20,
                lately=False,
            )
            plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + sql, *values))
            assert index in plan, plan
            assert "Seq Scan on request" not in plan, plan


async def test_a_search_that_takes_too_long_is_given_up_and_says_so(api, town, pool):
    """Whatever holds it up: the answer comes, and does not pretend that there is nothing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE request_search IN ACCESS EXCLUSIVE MODE")
        status, _, answer = await api.call("POST", "/api/v1/search", json={"q": "wheelie bin"})
        assert (status, answer["items"], answer["whole"]) == (200, [], False)
    _, _, answer = await api.call("POST", "/api/v1/search", json={"q": "bin"})
    assert answer["whole"] is True
