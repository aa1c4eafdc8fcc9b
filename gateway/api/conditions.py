"""ETag and If-Match: whoever changes something says which version of it they looked at."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from gateway.api.problems import problem
from gateway.work.seen import ANY, Seen

IF_MATCH: Final = {
    "If-Match": "The ETag you read (a referral's or a call-back's `version` in quotes). 428 without it, 412 if it has "
    "changed since. `*` takes whatever it is now."
}
KEYED: Final = {
    "Idempotency-Key": "Names what is made; the same key and body give the first answer again for 48 hours."
}

_ONE: Final = re.compile(r'\s*"(\d{1,18})"\s*')


def etag(version: int) -> dict[str, str]:
    """The header that names a version."""
    return {"ETag": f'"{version}"'}


def if_match(request: web.Request) -> Seen:
    """Which versions the change may be based on. 428 if the caller does not say; what is no ETag of ours matches none."""
    given = request.headers.getall("If-Match", [])
    if not given:
        raise problem(
            428,
            "precondition-required",
            "Say which version you read",
            "send If-Match with the ETag you read, so that nobody else's change is overwritten",
        )
    text = ",".join(given)
    if text.strip() == "*":
        return ANY
    found = (_ONE.fullmatch(each) for each in text.split(","))
    return Seen(frozenset(int(each[1]) for each in found if each))
