"""The console's files, and how the organisations are."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gateway.api.callbacks import LINES
from gateway.callers import Role
from gateway.store.keys import create_key


async def test_the_page_is_strict_and_kept_by_its_version(api):
    """No script but our own files, no outside host, no inline style; 304 to who has it; files are kept for good."""
    for path in ("/console", "/console/work", "/console/request/BAR-7K3M-9QXD"):
        status, headers, page = await api.bare("GET", path)
        assert status == 200
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", page)
    assert (await api.bare("GET", "/console", headers={"If-None-Match": headers["ETag"]}))[0] == 304
    files = re.findall(r'(?:src|href)="(/web/console/[^"]+)"', page)
    assert len(files) > 10
    for file in files:
        status, headers, _ = await api.bare("GET", file)
        assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    other = re.sub(r"/console/[0-9a-f]+/", "/console/older/", files[0])
    assert (await api.bare("GET", other))[1]["Cache-Control"] == "no-cache"
    for wrong in ("index.html", "nothing.js", "..%2Fpages.css"):
        assert (await api.bare("GET", f"/web/console/x/{wrong}"))[0] == 404


async def test_no_script_of_the_console_makes_markup_of_text(api):
    """Beside the policy, which no old browser keeps: none of the ways from a string to markup is written anywhere."""
    _, _, page = await api.bare("GET", "/console")
    for file in re.findall(r'modulepreload" href="([^"]+)"', page):
        _, _, text = await api.bare("GET", file)
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        )


async def test_health_says_what_waits_and_who_does_not_answer(api, pool):
    """Counts and the oldest from the store, the breaker from the line; another authority's are not there."""
    line = api.app[LINES]["barnet", "csg"]
    await api.call("POST", "/api/v1/requests", json={"text": "please send my council tax bill again"})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await pool.execute(
        "UPDATE deliveries SET state = 'dead', organisation = 'csg', created_at = $1 WHERE authority_id = 'barnet'",
        at,
    )
    for _ in range(10):
        line.breaker.failed()
    status, _, found = await api.call("GET", "/api/v1/organisations/health")
    csg = next(each for each in found if each["code"] == "csg")
    assert (status, csg["breaker"], csg["dead"], csg["waiting"]) == (200, "open", 1, 0)
    assert csg["next_try"] > 0
    await pool.execute("UPDATE deliveries SET state = 'waiting', due_at = now() + interval '1 day'")
    _, _, found = await api.call("GET", "/api/v1/organisations/health")
    csg = next(each for each in found if each["code"] == "csg")
    assert (csg["waiting"], csg["oldest"], csg["dead"]) == (1, "2026-01-01T00:00:00Z", 0)
    _, _, others = await api.call("GET", "/api/v1/organisations/health", authority="northamptonshire")
    assert sum(each["waiting"] for each in others) == 0
    async with pool.acquire() as connection:
        own = await create_key(connection, "barnet", "pct", at, role=Role.AGENT, organisation="pct")
    _, _, theirs = await api.call("GET", "/api/v1/organisations/health", key=own)
    assert [each["code"] for each in theirs] == ["pct"]
