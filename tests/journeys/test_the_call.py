"""A call by the API alone, as the example in the documentation does it."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "call.py"


async def test_the_example_takes_a_call_that_a_provider_rejects(front):
    """Suggestions, sent, rejected, sent on by a person, resolved; and the history tells all of it."""
    front.backend("csg").faults.set("refuse")
    front.backend("council").faults.set("http_503")  # the next in line is down: a person sends it on
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), front.url, front.keys["barnet"], "--wait-for", "rejected"),
        *("--send-to", "worklist"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0, text
    reference = re.search(r"sent: (\S+),", text)[1]
    request = await front.read(reference)
    (referral,) = request["referrals"]
    assert (referral["state"], referral["organisation"]) == ("resolved", "worklist"), text
    kinds = [event["kind"] for event in request["events"]]
    order = [kinds.index(kind) for kind in ("received", "rejected", "claimed", "corrected", "resolved")]
    assert order == sorted(order), kinds
    assert not list(front.backend("council").ledger)
    assert [message["kind"] for message in request["messages"]] == ["message"]
