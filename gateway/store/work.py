"""A referral as those who work on it see it, locked while it is changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.model import Event, State
from gateway.store.outcomes import add_event
from gateway.store.pool import Connection


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One need, and who works on it."""

    referral_id: UUID
    request_id: UUID
    reference: str
    part: int
    text: str
    service: str | None
    organisation: str | None
    state: State
    priority: str
    chain: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
    claimed_by: str | None
    claimed_until: datetime | None
    assigned_to: str | None
    skill: str | None
    offered_to: str | None
    offered_by: str | None
    offered_until: datetime | None
    merged_into: UUID | None
    channel: str
    postcode: str | None
    trace_id: str
    has_alarm: bool
    ringing: bool

    def holder(self, now: datetime) -> str | None:
        """Who works on it now: a lease that ran out holds nothing."""
        held = self.claimed_until is not None and self.claimed_until > now
        return self.claimed_by if held else None

    def offer(self, now: datetime) -> str | None:
        """To whom it is offered, if that has not run out."""
        lasts = self.offered_until is not None and self.offered_until > now
        return self.offered_to if lasts else None


_ITEM: Final = """
SELECT r.referral_id, r.request_id, q.reference, r.part, r.text, r.service, r.organisation, r.state, r.priority, r.chain,
       r.version, r.created_at, r.updated_at, r.claimed_by, r.claimed_until, r.assigned_to, r.skill, r.offered_to,
       r.offered_by, r.offered_until, r.merged_into, q.channel, q.postcode, q.trace_id,
       a.referral_id IS NOT NULL AS has_alarm, a.referral_id IS NOT NULL AND a.acknowledged_at IS NULL AS ringing
FROM referrals AS r JOIN requests AS q USING (authority_id, request_id)
LEFT JOIN alarms AS a ON a.authority_id = r.authority_id AND a.referral_id = r.referral_id
WHERE r.authority_id = $1 AND r.referral_id = $2
"""


async def look(connection: Connection, authority: str, referral_id: UUID) -> Item | None:
    """How it stands; `None` if there is none."""
    row = await connection.fetchrow(_ITEM, authority, referral_id)
    return None if row is None else msgspec.convert(dict(row), Item)


async def lock(
    connection: Connection, authority: str, referral_id: UUID, *, deliveries: bool = False
) -> Item | None:
    """How it stands, locked; with `deliveries` those too, and first, as everybody does who locks both."""
    if deliveries:
        await connection.execute(
            "SELECT FROM deliveries WHERE authority_id = $1 AND referral_id = $2 ORDER BY delivery_id FOR UPDATE",
            *(authority, referral_id),
        )
    row = await connection.fetchrow(_ITEM + " FOR UPDATE OF r", authority, referral_id)
    return None if row is None else msgspec.convert(dict(row), Item)


async def write(connection: Connection, authority: str, referral_id: UUID, **columns: Any) -> int:
    """Set columns of a referral; its new version. Names come from our own code, never from a caller."""
    names = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, start=3))
    version: int = await connection.fetchval(
        f"UPDATE referrals SET {names} WHERE authority_id = $1 AND referral_id = $2 RETURNING version",  # noqa: S608  names are ours, values are parameters
        *(authority, referral_id, *columns.values()),
    )
    return version


async def tell(
    connection: Connection,
    authority: str,
    item: Item,
    kind: str,
    actor: str,
    detail: dict[str, Any],
    event_id: UUID,
    now: datetime,
) -> None:
    """Write down what a person did."""
    event = Event(
        authority_id=authority,
        event_id=event_id,
        request_id=item.request_id,
        referral_id=item.referral_id,
        at=now,
        kind=kind,
        actor=actor,
        detail=detail,
    )
    await add_event(connection, event)
