"""Optimistic concurrency: whoever changes something says which version they looked at."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.errors import Stale


class Seen(msgspec.Struct, frozen=True):
    """The versions that a change may be based on; `None`: whichever it is now (`If-Match: *`)."""

    versions: frozenset[int] | None = None

    def check(self, version: int) -> None:
        """Raise `Stale` if it has changed since."""
        if self.versions is not None and version not in self.versions:
            raise Stale("it has changed since you read it; read it again", version=version)


ANY: Final = Seen()


def only(version: int) -> Seen:
    """This version and no other."""
    return Seen(frozenset({version}))
