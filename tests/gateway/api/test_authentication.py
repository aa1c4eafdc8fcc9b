"""Nothing of a citizen is told to anyone without a key of that authority."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import gateway.api
from gateway.api.endpoint import ENDPOINTS, Auth, Endpoint
from gateway.store.pool import open_pool

OPEN = {
    "/",
    "/api/docs",
    "/api/openapi.json",
    "/livez",
    "/metrics",
    "/readyz",
    "/sign-in",
    "/console",
    "/console/{view}",
    "/console/{view}/{name}",
    "/web/console/{version}/{name}",
    "/sign-in/callback",
    "/web/style.css",
    "/contact/{authority}",
    "/track",
    "/web/front-door-chat.js",
    "/web/pages.css",
    "/chat/v1/{authority}/about",
    "/chat/v1/{authority}/conversations",
    "/chat/v1/{authority}/track",
    "/chat/v1/{authority}/track/survey",
}
CONVERSATION = "/chat/v1/{authority}/conversation"
"""Here and below: the citizen's own conversation, opened by its token."""
SIGNED = {"/callbacks/{authority}/{organisation}", "/callbacks/{authority}/{organisation}/{tail}"}


async def test_every_route_wants_a_key_but_the_ones_listed_here(api):
    """Walks the router: a new route is closed until somebody decides otherwise, here."""
    walked = 0
    for route in api.app.router.routes():
        endpoint = api.app[ENDPOINTS].get(id(route))
        path = route.resource.canonical
        if endpoint is None:
            assert route.method == "HEAD", f"{route.method} {path} has no description"
            continue
        walked += 1
        expected = Auth.PUBLIC if path in OPEN else Auth.SIGNED if path in SIGNED else Auth.KEY
        if path == CONVERSATION or path.startswith(f"{CONVERSATION}/"):
            expected = Auth.CONVERSATION
            status, _, body = await api.bare(
                route.method, path.format(authority="barnet", attachment_id="x"), json={}
            )
            assert (status, body["type"]) == (401, "/api/docs#conversation-token"), path
        assert endpoint.auth is expected, path
        if endpoint.auth is Auth.KEY:
            status, headers, body = await api.bare(route.method, re.sub(r"\{\w+\}", "x", path))
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer"), path
            assert body["type"] == "/api/docs#unauthorised"
    assert walked >= 12


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "fd.barnet.0.x",
        "fd.barnet.00000000000000000000000000000000.x",
        "fd.barnet.zz.é",
        "fd.%00.00000000000000000000000000000000.\udcff",
        "." * 4000,
    ],
)
async def test_a_wrong_key_is_refused_alike(api, key):
    """Whatever is wrong with it, the answer is the same."""
    headers = {"Authorization": f"Bearer {key}".encode("utf-8", "surrogateescape").decode("latin-1")}
    status, _, body = await api.bare("GET", "/api/v1/requests", headers=headers)
    assert status == 401
    assert key not in body["detail"] or not key


async def test_a_key_with_one_letter_wrong_is_refused(api):
    """The secret counts, all of it."""
    key = api.keys["barnet"]
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    status, _, _ = await api.call("GET", "/api/v1/requests", key=wrong)
    assert status == 401


async def test_a_key_of_another_authority_cannot_be_renamed(api):
    """Writing another authority's name into a key does not open its door."""
    key = api.keys["northamptonshire"].replace("northamptonshire", "barnet")
    status, _, _ = await api.call("GET", "/api/v1/requests", key=key)
    assert status == 401


async def test_secrets_are_not_in_the_database(api, database_url):
    """What is kept cannot be used to call."""
    async with open_pool(database_url, size=1) as pool:
        rows = await pool.fetch("SELECT secret_hash FROM api_keys")
    secrets = [key.split(".")[3].encode() for key in api.keys.values()]
    assert all(secret not in row["secret_hash"] for row in rows for secret in secrets)
    assert all(len(row["secret_hash"]) == 32 for row in rows)


async def test_every_endpoint_that_is_described_is_served(api):
    """A module whose endpoints nobody registers answers nothing, however well it is written."""
    served = {(each.method, each.path) for each in api.app[ENDPOINTS].values()}
    described = set()
    for module in pkgutil.iter_modules(gateway.api.__path__):
        for value in vars(importlib.import_module(f"gateway.api.{module.name}")).values():
            listed = value if isinstance(value, list) else [value]
            described |= {(each.method, each.path) for each in listed if isinstance(each, Endpoint)}
    assert len(described) > 60
    assert described - served == set()
    for path in ("/api/v1/services", "/api/v1/organisations"):
        status, _, answer = await api.call("GET", path)
        assert (status, len(answer) > 10) == (200, True)
