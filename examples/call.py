"""A call, from the first word to the last, by the API alone; standard library only.

    python examples/call.py http://127.0.0.1:8080 fd.barnet.…

Listens to the citizen with suggestions as the words come, sends the request, watches it being handed over, and puts it
right when the first organisation cannot do it: sends it to another, and says that it is done. Give `--wait-for rejected`
when the organisation is known to refuse; without it, the call-taker re-routes once it is handed over.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

PATIENCE = 60.0
"""Seconds to wait for what an organisation does."""


class Door:
    """The front door, as one member of staff's software sees it."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, str]:
        """The answer's JSON and its ETag. A problem ends the script, with what it says."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)  # noqa: S310  the caller's own address
        request.add_header("Authorization", f"Bearer {self._key}")
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer), answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def change(self, referral: str, what: str, body: Any) -> Any:
        """Change a referral as it is now; somebody else's change in between is seen first."""
        path = f"/api/v1/referrals/{referral}"
        for _ in range(5):
            _, etag = self.call("GET", path)
            try:
                return self.call("POST", f"{path}/{what}", body, If_Match=etag)[0]
            except SystemExit as error:
                if ": 412 " not in str(error):
                    raise
        raise SystemExit("it changes faster than it can be read")

    def wait(self, reference: str, until: Any) -> Any:
        """Read the request until `until(request)`."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            request, _ = self.call("GET", f"/api/v1/requests/{reference}")
            if until(request):
                return request
            time.sleep(0.2)
        raise SystemExit(f"{reference} did not get there in {PATIENCE:.0f} s")


def take_call(door: Door, words: str, *, wait_for: str, send_to: str) -> str:
    """The whole journey; the request's reference."""
    for end in range(8, len(words) + 8, 8):  # as they are typed
        preview, _ = door.call("POST", "/api/v1/decide", {"text": words[:end]})
        best = preview["parts"][0]
        print(f"  … {words[:end]!r}: {best['service_name'] or 'not sure yet'}")
    known, _ = door.call("POST", "/api/v1/context", {"phone": "020 7946 0000", "postcode": "N12 0AB"})
    print(f"earlier requests of this caller: {len(known['earlier'])}")

    body = {"text": words, "citizen": {"name": "Ann Smith", "phone": "020 7946 0000"}, "postcode": "N12 0AB"}
    answer, _ = door.call("POST", "/api/v1/requests", body, Idempotency_Key=str(uuid.uuid4()))
    reference = answer["reference"]
    print(f"sent: {reference}, to {answer['parts'][0]['organisation_name']}")

    def happened(request: Any) -> bool:
        return any(event["kind"] == wait_for for event in request["events"])

    request = door.wait(reference, happened)
    referral = request["referrals"][0]
    print(f"{wait_for}: now {referral['state']} with {referral['organisation']}")

    elsewhere = {"organisation": send_to, "reason": "agreed with them on the phone"}
    if referral["state"] in {"resolved", "cancelled"}:  # quicker than we are
        routed = door.change(referral["referral_id"], "reopen", elsewhere)
    else:
        door.change(referral["referral_id"], "claim", {})
        routed = door.change(referral["referral_id"], "route", elsewhere)
    print(f"re-routed to {routed['organisation_name']}")
    door.wait(
        reference, lambda found: found["referrals"][0]["state"] in {"delivered", "in_progress", "resolved"}
    )
    request, _ = door.call("GET", f"/api/v1/requests/{reference}")
    if request["referrals"][0]["state"] != "resolved":
        message = "Hello Ann, it is done. If it is not, tell us and we open it again."
        door.change(
            referral["referral_id"], "resolve", {"reason": "they called back: done", "message": message}
        )
    request, _ = door.call("GET", f"/api/v1/requests/{reference}")
    print(
        f"{request['referrals'][0]['state']}; what happened: {', '.join(e['kind'] for e in request['events'])}"
    )
    return reference


def main(arguments: list[str]) -> None:
    """Read the command line and take the call."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--words", default="please send my council tax bill again, I never got it")
    parser.add_argument(
        "--wait-for", default="delivered", help="the kind of event after which it is re-routed"
    )
    parser.add_argument("--send-to", default="council", help="the organisation that gets it then")
    given = parser.parse_args(arguments)
    take_call(Door(given.url, given.key), given.words, wait_for=given.wait_for, send_to=given.send_to)


if __name__ == "__main__":
    main(sys.argv[1:])
