"""The API describes itself, and the pages stand alone."""

from __future__ import annotations

import re

from openapi_spec_validator import validate

from gateway.api.docs import PROBLEMS
from gateway.api.endpoint import ENDPOINTS


async def test_the_document_is_valid_openapi_3_1_and_names_every_route(api):
    """What the router has, the document has."""
    _, _, document = await api.bare("GET", "/api/openapi.json")
    assert document["openapi"].startswith("3.1")
    validate(document)
    described = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    routes = {
        (endpoint.method, re.sub(r"\{(\w+):[^}]*\}", r"{\1}", endpoint.path))
        for endpoint in api.app[ENDPOINTS].values()
    }
    assert described == routes


async def test_types_carry_their_limits(api):
    """A client can check before it sends."""
    _, _, document = await api.bare("GET", "/api/openapi.json")
    new = document["components"]["schemas"]["NewRequest"]
    assert new["properties"]["text"]["maxLength"] == 10_000
    assert new["additionalProperties"] is False


async def test_pages_ask_no_outside_host_and_run_no_script_but_their_own_file(api):
    """They work in a closed network and under a strict policy."""
    for path in ("/", "/contact/barnet", "/track", "/api/docs"):
        status, headers, page = await api.bare("GET", path)
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert re.findall("<script[^>]*>", page) == (
            ['<script src="/web/front-door-chat.js" defer>'] if path == "/" else []
        )
        assert " style=" not in page
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


async def test_every_problem_type_leads_to_its_explanation(api):
    """The `type` of a problem is a place on the page."""
    _, _, page = await api.bare("GET", "/api/docs")
    for kind in PROBLEMS:
        assert f"id='{kind}'" in page
