"""`[chat]` of an authority's file: which web pages may hold its chat, and how much citizens may attach."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_ORIGIN: Final = re.compile(r"https://[a-z0-9.-]+(:\d+)?|http://(localhost|127\.0\.0\.1)(:\d+)?")


class ChatTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing in it must be given."""

    origins: tuple[str, ...] = ()
    """Web origins whose pages may call the chat, such as `https://www.barnet.gov.uk`; the front door's own always may."""
    attachments_megabytes: int = 2048
    """The most that citizens' files may take in the store."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for what is no origin."""
        for origin in self.origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise ValueError(
                    f"origins are like https://www.example.gov.uk, without a path, not {origin!r}"
                )
