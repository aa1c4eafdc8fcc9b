"""Subscribing by API: clear refusals, a secret that is told once, and nothing across authorities."""

from __future__ import annotations

import uuid

import pytest

from gateway.store.subscriptions import KINDS

PATH = "/api/v1/subscriptions"
HOOK = "https://hooks.example/front-door"


async def create(api, url=HOOK, *, authority="barnet", **body):
    status, _, made = await api.call("POST", PATH, authority=authority, json={"url": url, **body})
    assert status == 201, made
    return made


async def test_a_secret_is_told_once(api):
    """At creation; afterwards nothing shows it."""
    made = await create(api)
    assert made["secret"].startswith("whsec_")
    assert made["subscription"]["kinds"] == list(KINDS)
    status, _, listed = await api.call("GET", PATH)
    assert (status, listed) == (200, [made["subscription"]])
    assert "whsec_" not in str(listed)


async def test_an_unknown_kind_is_refused_with_those_there_are(api):
    """And says which of them it was."""
    status, _, problem = await api.call(
        "POST", PATH, json={"url": HOOK, "kinds": ["request.created", "request.made"]}
    )
    assert status == 422
    (error,) = problem["errors"]
    assert error["pointer"] == "/kinds/1"
    assert "'request.made'" in error["detail"]
    assert all(kind in error["detail"] for kind in KINDS)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://hooks.example/"}, "/url"),
        ({"url": "https://127.0.0.1/"}, "/url"),
        ({"url": "https://[::1]:8080/"}, "/url"),
        ({"url": "https://localhost/"}, "/url"),
        ({"url": "https://a:b@hooks.example/"}, "/url"),
        ({"url": "https://hooks.example/\u0000"}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": 1}, "/url"),
        ({"url": HOOK, "kinds": []}, "/kinds"),
        ({"url": HOOK, "kinds": "request.created"}, "/kinds"),
        ({"url": HOOK, "secret": "mine"}, ""),
        ({}, ""),
    ],
)
async def test_what_cannot_be_taken_is_said_with_where(api, body, pointer):
    """And nothing is stored."""
    status, _, problem = await api.call("POST", PATH, json=body)
    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.call("GET", PATH))[2] == []


async def test_an_address_is_subscribed_once(api):
    """Sending it again after a lost answer does not tell everything twice; another authority may use the same."""
    await create(api)
    status, _, problem = await api.call("POST", PATH, json={"url": HOOK})
    assert (status, problem["type"]) == (409, "/api/docs#conflict")
    await create(api, authority="northamptonshire")


async def test_an_authority_has_so_many(api):
    """Each event is stored once for each, so there is an end to it."""
    for number in range(20):
        await create(api, f"{HOOK}/{number}")
    status, _, problem = await api.call("POST", PATH, json={"url": f"{HOOK}/20"})
    assert (status, "at most 20" in problem["detail"]) == (409, True)


async def test_a_deleted_one_is_gone(api):
    """From the list, and from every address under it."""
    one = f"{PATH}/{(await create(api))['subscription']['subscription_id']}"
    assert (await api.call("DELETE", one))[0] == 204
    assert (await api.call("GET", PATH))[2] == []
    assert (await api.call("DELETE", one))[0] == 404
    for what in ("rotate-secret", "test", "enable"):
        assert (await api.call("POST", f"{one}/{what}"))[0] == 404
    assert (await api.call("POST", f"{one}/replay", json={"reason": "x"}))[0] == 404
    await create(api)


@pytest.mark.parametrize("name", [str(uuid.UUID(int=1)), "x", "%00", "subscription:x"])
async def test_one_that_is_not_there_is_not_found(api, name):
    """Whatever the id looks like."""
    assert (await api.call("DELETE", f"{PATH}/{name}"))[0] == 404
    assert (await api.call("POST", f"{PATH}/{name}/test"))[0] == 404


async def test_another_authority_neither_sees_nor_changes_it(api):
    """A key is good for its own authority alone."""
    made = await create(api)
    one = f"{PATH}/{made['subscription']['subscription_id']}"
    other = {"authority": "northamptonshire"}
    assert (await api.call("GET", PATH, **other))[2] == []
    assert (await api.call("DELETE", one, **other))[0] == 404
    assert (await api.call("POST", f"{one}/replay", json={"reason": "x"}, **other))[0] == 404
    for what in ("rotate-secret", "test", "enable"):
        assert (await api.call("POST", f"{one}/{what}", **other))[0] == 404
    assert (await api.call("GET", PATH))[2] == [made["subscription"]]


async def test_a_changed_secret_is_another_and_the_old_one_holds_a_day(api):
    """Time enough to change it at the other side."""
    made = await create(api)
    one = f"{PATH}/{made['subscription']['subscription_id']}"
    status, _, rotated = await api.call("POST", f"{one}/rotate-secret")
    assert status == 200
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert rotated["old_secret_until"] > made["subscription"]["created_at"]


async def test_nobody_reports_in_a_subscribers_name(api):
    """The callbacks' address knows organisations alone."""
    code = f"subscription:{(await create(api))['subscription']['subscription_id']}"
    status, _, _ = await api.bare("POST", f"/callbacks/barnet/{code}", data=b"{}")
    assert status == 404


async def test_the_kinds_are_documented(api):
    """Where a caller looks for them."""
    _, _, document = await api.bare("GET", "/api/openapi.json")
    description = document["paths"][PATH]["post"]["description"]
    assert all(f"`{kind}`" in description for kind in KINDS)
