"""Bad input gets a clear answer, and nothing is stored."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.store.pool import open_pool
from tests.conftest import migrated
from tests.gateway.api.house import gateway

REQUESTS = "/api/v1/requests"


@pytest.fixture(scope="module")
async def place(door, server_url):
    """One gateway for all of these: what is refused leaves nothing that another would trip over."""
    async with migrated(server_url) as url, gateway(door, url, courier_poll=30) as api:
        yield api, url


@pytest.fixture
def api(place, no_blocking):
    with no_blocking():
        yield place[0]


@pytest.fixture
def database_url(place):
    return place[1]


async def stored(database_url):
    async with open_pool(database_url, size=1) as pool:
        return await pool.fetchval("SELECT count(*) FROM requests")


@pytest.mark.parametrize(
    ("body", "status", "kind", "says", "pointer"),
    [
        (b"hello", 400, "not-json", "malformed", None),
        (b"", 400, "not-json", "truncated", None),
        (b'{"text": "a", "text', 400, "not-json", "truncated", None),
        (b"\xff\xfe", 400, "not-json", "", None),
        (b'{"text": "\\ud800"}', 400, "not-json", "surrogate", None),
        (b"[]", 422, "invalid", "Expected `object`, got `array`", ""),
        (b"{}", 422, "invalid", "missing required field `text`", ""),
        (b'{"text": 7}', 422, "invalid", "Expected `str`, got `int`", "/text"),
        (b'{"text": "a", "txet": "b"}', 422, "invalid", "unknown field `txet`", ""),
        (b'{"text": ""}', 422, "invalid", "length >= 1", "/text"),
        (b'{"text": " \\n\\t "}', 422, "invalid", "is empty", "/text"),
        (b'{"text": "a\\u0000b"}', 422, "invalid", "U+0000 at position 1", "/text"),
        (b'{"text": "a\\u001bb"}', 422, "invalid", "U+001B at position 1", "/text"),
        (b'{"text": "a", "citizen": {"name": "a\\u0000"}}', 422, "invalid", "U+0000", "/citizen/name"),
        (b'{"text": "a", "citizen": {"email": "nobody"}}', 422, "invalid", "regex", "/citizen/email"),
        (
            b'{"text": "a", "citizen": {"shoe_size": 9}}',
            422,
            "invalid",
            "unknown field `shoe_size`",
            "/citizen",
        ),
        (b'{"text": "a", "channel": "pigeon"}', 422, "invalid", "pigeon", "/channel"),
        (b'{"text": "a", "postcode": "ZZ99"}', 422, "invalid", "is no UK postcode", "/postcode"),
        (b'{"text": "a", "service": "mised-bin"}', 422, "invalid", "did you mean 'missed-bin'", "/service"),
        (b'{"text": "a", "age": -1}', 422, "invalid", ">= 0", "/age"),
        (json.dumps({"text": "x" * 100_000}).encode(), 422, "invalid", "length <= 10000", "/text"),
        (json.dumps({"text": "x" * 1_000_000}).encode(), 413, "request-entity-too-large", "larger", None),
    ],
)
async def test_what_is_wrong_and_where_is_said(api, database_url, body, status, kind, says, pointer):
    """The status, the kind of problem, the reason, and a pointer to the place."""
    before = await stored(database_url)
    got, headers, problem = await api.call(
        "POST", REQUESTS, data=body, headers={"Content-Type": "application/json"}
    )
    assert (got, headers["Content-Type"]) == (status, "application/problem+json"), problem
    assert problem["type"] == f"/api/docs#{kind}"
    assert problem["status"] == status
    assert says in problem["detail"], problem
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer
    assert await stored(database_url) == before


async def test_every_naughty_string_is_stored_to_the_letter_or_refused_clearly(api, shared):
    """515 strings that break software: none is half-stored, none makes a fault."""
    strings = [
        each for each in json.loads((shared / "data" / "blns.json").read_text()) if isinstance(each, str)
    ]
    assert len(strings) > 400

    async def accepted(text):
        status, _, body = await api.call("POST", REQUESTS, json={"text": text, "service": "pothole"})
        assert status in {201, 422}, (text, body)
        if status == 201:
            _, _, back = await api.call("GET", f"{REQUESTS}/{body['reference']}")
            assert back["text"] == text.strip()
            return True
        assert body["errors"][0]["pointer"] == "/text"
        return False

    kept = 0
    for start in range(0, len(strings), 16):
        kept += sum(await asyncio.gather(*map(accepted, strings[start : start + 16])))
    assert kept > 400


async def test_naughty_strings_are_harmless_where_they_are_understood(api, shared):
    """The engine takes them too."""
    strings = [
        each for each in json.loads((shared / "data" / "blns.json").read_text()) if isinstance(each, str)
    ]
    for text in strings[::7]:
        status, _, _ = await api.call("POST", REQUESTS, json={"text": text})
        assert status in {201, 422}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=x", "?limit"),
        ("limit=1&limit=2", "?limit"),
        ("cursor=%00", "?cursor"),
        ("cursor=abc", "?cursor"),
        ("state=lost", "?state"),
        ("limti=5", "?"),
    ],
)
async def test_a_wrong_query_is_said(api, query, pointer):
    """Unknown, repeated and malformed parameters."""
    status, _, problem = await api.call("GET", f"{REQUESTS}?{query}")
    assert status == 422
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("reference", ["BAR-AAAA-AAAA", "x", "BAR-7K3M-9QXE", "%00", "a" * 500])
async def test_a_wrong_reference_is_not_found(api, reference):
    """A slip in a reference never shows another person's request."""
    status, _, problem = await api.call("GET", f"{REQUESTS}/{reference}")
    assert status == 404
    assert problem["type"] == "/api/docs#not-found"


async def test_a_wrong_address_or_method_is_a_problem_too(api):
    """Every error is problem+json."""
    status, headers, problem = await api.call("GET", "/api/v2/nothing")
    assert (status, headers["Content-Type"], problem["status"]) == (404, "application/problem+json", 404)
    status, headers, problem = await api.call("DELETE", REQUESTS)
    assert (status, problem["status"]) == (405, 405)
    assert "POST" in headers["Allow"]


async def test_a_body_that_is_not_called_json_is_refused(api):
    """A form is not JSON."""
    status, _, problem = await api.call("POST", REQUESTS, data={"text": "a"})
    assert (status, problem["type"]) == (415, "/api/docs#not-json")


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "a\tb", "é"])
async def test_a_wrong_idempotency_key_is_said(api, key):
    """Empty, too long, or not printable ASCII."""
    status, _, problem = await api.call(
        "POST", REQUESTS, json={"text": "a"}, headers={"Idempotency-Key": key.encode().decode("latin-1")}
    )
    assert (status, problem["type"]) == (400, "/api/docs#bad-key")


async def test_a_callback_for_nobody_is_not_found(api):
    """An unknown authority or organisation."""
    for path in ("/callbacks/atlantis/council", "/callbacks/barnet/nobody", "/callbacks/barnet/nobody/x/y"):
        status, _, problem = await api.bare("POST", path, data=b"{}")
        assert (status, problem["type"]) == (404, "/api/docs#not-found")
