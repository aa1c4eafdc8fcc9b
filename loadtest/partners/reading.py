"""The body of a request as the partners read it."""

from __future__ import annotations

from typing import Any

import msgspec


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a citizen needs."""

    text: str
    channel: str = "phone"
    citizen: dict[str, Any] = {}
    postcode: str | None = None
    service: str | None = None


READER = msgspec.json.Decoder(NewRequest)
