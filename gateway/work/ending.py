"""The end of a need, as staff say it: done, or not needed any more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from gateway.model import State
from gateway.store import corrections, links, work
from gateway.store.work import Item
from gateway.work import writing
from gateway.work.desk import Desk, check_moves
from gateway.work.seen import Seen


async def end(
    desk: Desk,
    authority: str,
    referral_id: UUID,
    *,
    state: State,
    actor: str,
    seen: Seen,
    reason: str,
    message: str | None = None,
) -> Item:
    """Resolve or cancel it; what waits to be handed over is withdrawn, and `message` tells the citizen.

    Raises `Conflict` where it has ended already, a colleague works on it, or its safeguarding alarm rings.
    """
    async with desk.change(authority) as connection:
        now = desk.clock.now()
        item = await desk.take(connection, authority, referral_id, seen=seen, actor=actor, deliveries=True)
        check_moves(item, state)
        stood = await corrections.call_back(connection, authority, referral_id, now)
        await work.write(
            connection,
            authority,
            referral_id,
            state=state.value,
            updated_at=now,
            claimed_by=None,
            claimed_until=None,
            assigned_to=None,
            skill=None,
            offered_to=None,
            offered_by=None,
            offered_until=None,
        )
        detail: dict[str, Any] = {
            "reason": reason,
            "state_before": item.state.value,
            "organisation": item.organisation,
        }
        if stood:
            detail["handed_over_before"] = stood
        await desk.tell(connection, authority, item, state.value, actor, detail, now=now)
        if state is State.RESOLVED:
            await links.end_together(connection, authority, referral_id, actor, now)
        if message is not None:
            await writing.note(
                connection,
                desk,
                authority,
                item.request_id,
                kind="message",
                text=message,
                actor=actor,
                referral_id=referral_id,
            )
        after = await work.look(connection, authority, referral_id)
        return after or replace(item, state=state)
