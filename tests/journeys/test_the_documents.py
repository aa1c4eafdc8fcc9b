"""What the documents tell people to type, typed against a real gateway."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from gateway.demo.run import line_to_try
from tests.gateway.api.house import gateway

PROJECT = Path(__file__).resolve().parents[2]
FAILING = 'curl() { command curl --fail-with-body "$@" || { echo "FAILED: $*" >&2; exit 1; }; }\n'
"""So that a refusal ends the script, with what it says."""

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not there"
)


def blocks(file, heading):
    """The shell lines of one chapter."""
    text = (PROJECT / file).read_text(encoding="utf-8")
    chapter = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)


async def typed(script, **environ):
    """Run it in a shell; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", FAILING + script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environ},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_the_readmes_lines_for_the_contact_centre_work(door, database_url):
    """Each as it stands there, with this gateway's address and key, and a reference and version that are there."""
    first, second = blocks("README.md", "Use it: contact-centre software")
    lines = [line for line in first.splitlines() if not line.startswith(("front-door ", "export "))]
    async with gateway(door, database_url) as api:
        given = {"URL": api.url, "KEY": api.keys["barnet"]}
        made = await typed("\n".join(lines), **given)
        reference = re.search(r"BAR-\w{4}-\w{4}", made)[0]
        _, _, whole = await api.call("GET", f"/api/v1/requests/{reference}")
        need = whole["referrals"][0]
        given |= {"REF": reference, "REFERRAL": need["referral_id"]}
        helper = next(line for line in lines if line.startswith("api()"))
        lines = [line for line in second.splitlines() if not line.startswith("REF=")]
        assert sum(line.startswith("api ") for line in lines) >= 9
        # The version of this moment: the courier may have changed it since.
        now = r"""$(api $URL/api/v1/referrals/$REFERRAL | jq -r .version)"""
        rest = "\n".join(lines).replace("""'If-Match: "7"'""", f'"If-Match: \\"{now}\\""')
        out = await typed(f"{helper}\n{rest}", **given)
        assert "bulky-waste" in out


def _bounded(line):
    """A line of the guide; but watching ends after a second, and the courier, which may be quicker, is waited for."""
    if line.startswith("api -N"):
        watch = 'command curl -sN --max-time 1 -H "Authorization: Bearer $KEY"'
        return line.replace("api -N", watch) + " || true"
    if "/claim" in line or "/resolve" in line:
        state = '"$(api $URL/api/v1/referrals/$ID | jq -r .state)"'
        return f"for try in $(seq 100); do [ {state} = delivered ] && break; sleep 0.1; done\n{line}"
    return line


async def test_the_guides_call_works_line_by_line(door, database_url):
    """A call from the first word to its end, as the guide for staff types it."""
    (script,) = blocks("docs/staff.md", "A call, with curl")
    lines = [line for line in script.splitlines() if not line.startswith("URL=")]
    assert any(line.startswith("api -N") for line in lines)
    script = "\n".join(_bounded(line) for line in lines)
    async with gateway(door, database_url) as api:
        await typed(script, URL=api.url, KEY=api.keys["barnet"])
        _, _, page = await api.call("GET", "/api/v1/requests")
        (request,) = page["items"]
        assert [need["state"] for need in request["referrals"]] == ["resolved"]


async def test_the_demos_line_to_try_works(door, database_url):
    """What it prints once everything is delivered."""
    async with gateway(door, database_url) as api:
        assert "BAR-" in await typed(line_to_try(api.url, api.keys["barnet"]))
