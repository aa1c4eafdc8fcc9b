"""Who works on what: a claim is a lease, so that nothing stays with somebody who went home."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from gateway.errors import Conflict, Forbidden, InvalidInput
from gateway.model import ENDED
from gateway.store import clocks, work
from gateway.store.pool import Connection
from gateway.store.work import Item
from gateway.work.desk import Desk
from gateway.work.seen import Seen
from routing_rules.authority import Authority
from routing_rules.catalogue import Catalogue
from routing_rules.errors import nearest

LEASE: Final = timedelta(minutes=15)
OFFER: Final = timedelta(minutes=2)
"""How long a colleague has to answer a warm transfer."""

_NO_OFFER: Final[dict[str, Any]] = {"offered_to": None, "offered_by": None, "offered_until": None}


async def claim(
    desk: Desk,
    authority: str,
    referral_id: UUID,
    *,
    actor: str,
    seen: Seen,
    lease: timedelta = LEASE,
    take_over: str | None = None,
    leads: bool = False,
) -> Item:
    """Work on it until the lease runs out. `take_over`: why it is taken from a colleague who works on it.

    Raises `NotFound`, `Stale`, `Forbidden` for who takes over without leading, and `Conflict` where a colleague has it or it
    has ended.
    """
    async with desk.change(authority) as connection:
        now = desk.clock.now()
        item = await desk.take(
            connection, authority, referral_id, seen=seen, actor=None if take_over else actor
        )
        if item.state in ENDED:
            raise Conflict(f"it has ended: it is {item.state}")
        before = item.holder(now)
        if before not in {None, actor} and not leads:
            raise Forbidden(f"{before} works on it: a supervisor may take it over")
        await work.write(
            connection,
            authority,
            referral_id,
            claimed_by=actor,
            claimed_until=now + lease,
            assigned_to=None,
            **_NO_OFFER,
        )
        await clocks.taken_up(connection, authority, referral_id, now)
        if before != actor:
            taken = take_over is not None and before is not None
            detail = {"from": before, "reason": take_over} if taken else {}
            await desk.tell(
                connection, authority, item, "taken_over" if taken else "claimed", actor, detail, now=now
            )
        return await _after(connection, authority, referral_id)


async def renew(
    desk: Desk, authority: str, referral_id: UUID, *, actor: str, lease: timedelta = LEASE
) -> Item:
    """Go on working on it. Raises `Conflict` for who does not hold it any more."""
    async with desk.change(authority) as connection:
        item = await desk.take(connection, authority, referral_id)
        _check_holds(desk, item, actor)
        until = desk.clock.now() + lease
        await work.write(connection, authority, referral_id, claimed_until=until)
        return await _after(connection, authority, referral_id)


async def release(desk: Desk, authority: str, referral_id: UUID, *, actor: str, seen: Seen) -> Item:
    """Let go of it: it is everybody's again."""
    async with desk.change(authority) as connection:
        item = await desk.take(connection, authority, referral_id, seen=seen)
        _check_holds(desk, item, actor)
        await work.write(connection, authority, referral_id, claimed_by=None, claimed_until=None, **_NO_OFFER)
        await desk.tell(connection, authority, item, "released", actor)
        return await _after(connection, authority, referral_id)


async def hand_over(
    desk: Desk,
    authority: str,
    referral_id: UUID,
    *,
    actor: str,
    seen: Seen,
    to: str | None,
    skill: str | None,
    note: str,
) -> Item:
    """Give it to a named colleague, or to whoever has a skill. It waits there and nobody holds it.

    Raises `InvalidInput` for a skill that is none, and `Conflict` where a colleague works on it or it has ended.
    """
    door = desk.understanding.door
    if skill is not None:
        check_skill(skill, door.catalogue, door.authority(authority))
    async with desk.change(authority) as connection:
        item = await desk.take(connection, authority, referral_id, seen=seen, actor=actor)
        if item.state in ENDED:
            raise Conflict(f"it has ended: it is {item.state}")
        await work.write(
            connection,
            authority,
            referral_id,
            claimed_by=None,
            claimed_until=None,
            assigned_to=to,
            skill=skill,
            **_NO_OFFER,
        )
        detail = {"to": to, "skill": skill, "note": note}
        await desk.tell(connection, authority, item, "handed_over", actor, detail)
        return await _after(connection, authority, referral_id)


async def offer(
    desk: Desk, authority: str, referral_id: UUID, *, actor: str, seen: Seen, to: str, note: str
) -> Item:
    """A warm transfer: the colleague is asked, and until they accept it stays with who asks.

    Raises `Conflict` for who does not hold it, and `InvalidInput` for who asks themselves.
    """
    if to == actor:
        raise InvalidInput("is yourself", pointer="/to")
    async with desk.change(authority) as connection:
        now = desk.clock.now()
        item = await desk.take(connection, authority, referral_id, seen=seen)
        _check_holds(desk, item, actor)
        until = now + OFFER
        await work.write(
            connection,
            authority,
            referral_id,
            offered_to=to,
            offered_by=actor,
            offered_until=until,
            # It must not come loose while the colleague makes up their mind.
            claimed_until=max(until, item.claimed_until or until),
        )
        await desk.tell(
            connection, authority, item, "transfer_offered", actor, {"to": to, "note": note}, now=now
        )
        return await _after(connection, authority, referral_id)


async def answer_offer(
    desk: Desk,
    authority: str,
    referral_id: UUID,
    *,
    actor: str,
    seen: Seen,
    accept: bool,
    lease: timedelta = LEASE,
) -> Item:
    """Accept a warm transfer, or decline it. Raises `Conflict` where none waits for this person."""
    async with desk.change(authority) as connection:
        now = desk.clock.now()
        item = await desk.take(connection, authority, referral_id, seen=seen)
        if item.offer(now) != actor:
            raise Conflict("no transfer of it waits for you: it was not offered, or the offer has run out")
        held = {"claimed_by": actor, "claimed_until": now + lease, "assigned_to": None} if accept else {}
        await work.write(connection, authority, referral_id, **held, **_NO_OFFER)
        kind = "transfer_accepted" if accept else "transfer_declined"
        await desk.tell(connection, authority, item, kind, actor, {"from": item.offered_by}, now=now)
        return await _after(connection, authority, referral_id)


def check_skill(skill: str, catalogue: Catalogue, authority: Authority) -> None:
    """Raise `InvalidInput` unless it is `group:…`, `organisation:…` or `service:…` of something that is there."""
    kind, _, name = skill.partition(":")
    known: dict[str, Collection[str]] = {
        "group": catalogue.groups,
        "organisation": authority.organisations,
        "service": catalogue.services,
    }
    if kind not in known:
        raise InvalidInput("a skill is group:…, organisation:… or service:…", pointer="/skill")
    if name not in known[kind]:
        near = nearest(name, known[kind])
        hint = f"; did you mean {near!r}?" if near else ""
        raise InvalidInput(f"there is no {kind} {name!r}{hint}", pointer="/skill")


def _check_holds(desk: Desk, item: Item, actor: str) -> None:
    holder = item.holder(desk.clock.now())
    if holder != actor:
        raise Conflict(f"{holder} works on it" if holder else "you do not work on it: claim it first")


async def _after(connection: Connection, authority: str, referral_id: UUID) -> Item:
    item = await work.look(connection, authority, referral_id)
    assert item is not None
    return item
