"""The same need twice: linked, or merged into one that is done once.

A need is merged only into one that is merged into none, and what was merged into it goes along: nothing is ever two merges
away from what is being done, and nothing comes back to itself. What is about somebody's safety is never merged.
"""

from __future__ import annotations

from uuid import UUID

from gateway.errors import Conflict, InvalidInput
from gateway.model import ENDED, State
from gateway.store import corrections, links, versions, work
from gateway.store.pool import Connection
from gateway.store.work import Item
from gateway.work import clocks
from gateway.work.desk import Desk, check_moves
from gateway.work.seen import Seen


async def merge(
    desk: Desk, authority: str, referral_id: UUID, into: UUID, *, actor: str, seen: Seen, reason: str
) -> Item:
    """Make one need of two: `referral_id` ends, and is done when `into` is; its citizen's promise is kept with that.

    Raises `NotFound`; `InvalidInput` for itself; `Conflict` for safeguarding, for what was merged already, for what has
    ended, and where a colleague works on it.
    """
    if referral_id == into:
        raise InvalidInput("cannot be merged into itself", pointer="/into")
    async with desk.change(authority) as connection:
        now = desk.clock.now()
        # Always in the same order, so that two who merge crosswise wait for each other and not for ever.
        locked = {
            each: await desk.take(
                connection, authority, each, actor=actor if each == referral_id else None, deliveries=True
            )
            for each in sorted((referral_id, into))
        }
        item, kept = locked[referral_id], locked[into]
        seen.check(item.version)
        _check(item, kept)
        check_moves(item, State.CANCELLED)
        stood = await corrections.call_back(connection, authority, referral_id, now)
        await work.write(
            connection,
            authority,
            referral_id,
            state=State.CANCELLED.value,
            merged_into=into,
            updated_at=now,
            claimed_by=None,
            claimed_until=None,
            assigned_to=None,
            skill=None,
        )
        await links.merge_into(connection, authority, referral_id, into)
        await clocks.earliest(connection, desk.authority(authority), kept, item)
        detail = {"into": kept.reference, "reason": reason}
        if stood:
            detail["handed_over_before"] = ", ".join(f"{name}: {state}" for name, state in stood.items())
        await desk.tell(connection, authority, item, "merged", actor, detail, now=now)
        await desk.tell(
            connection, authority, kept, "took_in", actor, {"from": item.reference, "reason": reason}, now=now
        )
        await versions.touch(connection, authority, kept.request_id)
        after = await work.look(connection, authority, referral_id)
        assert after is not None
        return after


def _check(item: Item, kept: Item) -> None:
    for each in (item, kept):
        if each.priority == "safeguarding" or each.has_alarm:
            raise Conflict(f"{each.reference} is about somebody's safety: that is never merged")
    if item.merged_into is not None:
        raise Conflict("it was merged already: reopen it first")
    if kept.merged_into is not None:
        raise Conflict(f"{kept.reference} was itself merged into another: merge into that one")
    if item.service != kept.service:
        raise Conflict("they are for different services: say what it really is first, or link them")
    if kept.state in ENDED:
        raise Conflict(f"{kept.reference} has ended: it is {kept.state}")


async def link(
    desk: Desk, authority: str, reference: str, other: str, *, actor: str, seen: Seen, reason: str
) -> int:
    """Say that two requests belong together; the version of the first. Raises `NotFound`, `InvalidInput`, `Conflict`."""
    async with desk.change(authority) as connection:
        one, two = await _both(desk, connection, authority, reference, other, seen)
        if not await links.link(
            connection, authority, one, two, by=actor, reason=reason, now=desk.clock.now()
        ):
            raise Conflict("they are linked already")
        await versions.touch(connection, authority, one)
        await versions.touch(connection, authority, two)
        return await versions.version_of(connection, authority, one)


async def unlink(desk: Desk, authority: str, reference: str, other: str, *, seen: Seen) -> int:
    """They do not belong together after all."""
    async with desk.change(authority) as connection:
        one, two = await _both(desk, connection, authority, reference, other, seen)
        if not await links.unlink(connection, authority, one, two):
            raise Conflict("they are not linked")
        await versions.touch(connection, authority, one)
        await versions.touch(connection, authority, two)
        return await versions.version_of(connection, authority, one)


async def _both(
    desk: Desk, connection: Connection, authority: str, reference: str, other: str, seen: Seen
) -> tuple[UUID, UUID]:
    if reference == other:
        raise InvalidInput("is the same request", pointer="/other")
    found = {
        each: await desk.take_request(connection, authority, each) for each in sorted((reference, other))
    }
    seen.check(found[reference].version)
    return found[reference].request_id, found[other].request_id
