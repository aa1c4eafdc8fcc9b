"""The worklist: for whoever has no back end, and the last resort of everyone else.

Nothing leaves the front door. The hand-over is done as soon as the courier records it: from then on the
case stands in the front door's own staff API, as an item that a person takes on and moves along there. So
there is no network here, no status to poll for and no callback to read. All that can fail is the store, and
that is the courier's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Connection,
    Deduplication,
    Handover,
    Poll,
    Receipt,
    StatusUpdate,
)

WAITING: Final = "waiting_for_staff"
"""The one status word of this protocol; everything after it is done by staff in the front door itself."""


class WorklistAdapter:
    """Puts a referral where staff see it. Accepts everything, at once."""

    protocol: ClassVar[str] = "worklist"
    polls: bool = False
    # The reference is made from the delivery id, and the item is the referral itself: twice is the same as
    # once.
    deduplication = Deduplication.KEY

    @classmethod
    def from_connection(cls, connection: Connection) -> WorklistAdapter:
        """Build it from an organisation's `connection`, which must be empty. Raises `ConfigurationError`."""
        if connection:
            names = ", ".join(sorted(connection))
            raise ConfigurationError(f"a worklist has no connection to configure; remove: {names}")
        return cls()

    async def deliver(self, handover: Handover) -> Receipt:
        """Answer that it now waits for staff."""
        return Receipt(
            external_reference=short_reference(handover.delivery_id),
            status=WAITING,
            duplicate=handover.attempt > 1,
            detail="on the worklist",
        )

    async def lookup(self, delivery_id: str) -> Receipt | None:
        """Answer as `deliver` did: the front door itself holds every item."""
        return Receipt(
            external_reference=short_reference(delivery_id),
            status=WAITING,
            duplicate=True,
            detail="on the worklist",
        )

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:  # noqa: ARG002  the contract's
        """Bring nothing: staff change the status in the front door itself."""
        return Poll(updates=[], cursor=cursor)

    def read_callback(
        self,
        headers: Mapping[str, str],  # noqa: ARG002  the contract's
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> list[StatusUpdate]:
        """Refuse: nobody outside has anything to report."""
        raise CallbackRejected("a worklist takes no callbacks", status=404)

    async def close(self) -> None:
        """Do nothing; nothing is held."""


def short_reference(delivery_id: str) -> str:
    """Make the reference that staff read out: the last twelve characters of the delivery id, in capitals."""
    return f"WL-{delivery_id[-12:].upper()}"
