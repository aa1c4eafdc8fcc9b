"""Clocks: begun when a request is new, changed with its service, stopped while the citizen is waited for."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec.structs import replace

from gateway.errors import Conflict
from gateway.model import ENDED
from gateway.store import clocks, work
from gateway.store.pool import Connection
from gateway.store.work import Item
from gateway.work.desk import Desk
from gateway.work.promises import Pause, due, promised
from gateway.work.seen import Seen
from routing_rules.authority import Authority


async def begin(
    connection: Connection,
    authority: Authority,
    referral_id: UUID,
    request_id: UUID,
    service: str | None,
    started_at: datetime,
    *,
    again: bool = False,
) -> None:
    """Promise what the authority promises today, from `started_at` on; unless `again`, an older promise stands."""
    what = promised(authority, service)
    await clocks.promise(
        connection,
        authority.code,
        referral_id,
        request_id,
        service=service,
        started_at=started_at,
        what=what,
        due=due(what, started_at),
        again=again,
    )


class Need(Protocol):
    """A referral, however it was read."""

    @property
    def referral_id(self) -> UUID:
        """Which."""
        ...

    @property
    def request_id(self) -> UUID:
        """Whose part it is."""
        ...

    @property
    def created_at(self) -> datetime:
        """When the citizen sent it."""
        ...


async def change_service(connection: Connection, authority: Authority, item: Need, service: str) -> None:
    """Another service, other targets; the beginning and the pauses stay. The same service: the promise stands."""
    kept = await clocks.lock(connection, authority.code, item.referral_id)
    if kept is not None and kept.promise is not None and kept.service == service:
        return
    started_at = (kept.started_at if kept else None) or item.created_at
    what = promised(authority, service)
    await clocks.promise(
        connection,
        authority.code,
        item.referral_id,
        item.request_id,
        service=service,
        started_at=started_at,
        what=what,
        due=due(what, started_at, kept.pauses if kept else ()),
    )


async def earliest(connection: Connection, authority: Authority, kept_item: Item, other: Item) -> None:
    """Two needs become one: it began when the earlier of the two did."""
    one = await clocks.lock(connection, authority.code, kept_item.referral_id)
    two = await clocks.lock(connection, authority.code, other.referral_id)
    began = (two.started_at if two else None) or other.created_at
    if one is None or one.promise is None or one.started_at is None or began >= one.started_at:
        return
    await clocks.promise(
        connection,
        authority.code,
        kept_item.referral_id,
        kept_item.request_id,
        service=one.service,
        started_at=began,
        what=one.promise,
        due=due(one.promise, began, one.pauses),
    )


async def wait(desk: Desk, authority: str, referral_id: UUID, *, actor: str, seen: Seen, reason: str) -> Item:
    """The citizen is waited for: the clock stands still. Raises `Conflict` where it does already, or it has ended."""
    async with desk.change(authority) as connection:
        now = desk.clock.now()
        item = await desk.take(connection, authority, referral_id, seen=seen, actor=actor)
        if item.state in ENDED:
            raise Conflict(f"it has ended: it is {item.state}")
        kept = await clocks.lock(connection, authority, referral_id)
        if kept is None or kept.promise is None:
            await begin(
                connection,
                desk.authority(authority),
                referral_id,
                item.request_id,
                item.service,
                item.created_at,
            )
        elif kept.paused_at is not None:
            raise Conflict(f"the citizen is waited for since {kept.paused_at:%Y-%m-%d %H:%M} UTC")
        await clocks.pause(connection, authority, referral_id, now)
        await desk.tell(connection, authority, item, "waits_for_citizen", actor, {"reason": reason}, now=now)
        return replace(item, version=await _touch(connection, authority, item))


async def go_on(desk: Desk, authority: str, referral_id: UUID, *, actor: str, seen: Seen) -> Item:
    """The citizen has answered: what was left of the time is left. Raises `Conflict` where nobody is waited for."""
    async with desk.change(authority) as connection:
        item = await desk.take(connection, authority, referral_id, seen=seen, actor=actor)
        if not await resume(connection, authority, referral_id, desk.clock.now()):
            raise Conflict("the citizen is not waited for")
        await desk.tell(connection, authority, item, "goes_on", actor)
        return replace(item, version=await _touch(connection, authority, item))


async def resume(connection: Connection, authority: str, referral_id: UUID, now: datetime) -> bool:
    """End a pause; whether there was one. For whoever takes in what the citizen answers."""
    kept = await clocks.lock(connection, authority, referral_id)
    if kept is None or kept.paused_at is None:
        return False
    pauses = [*kept.pauses, Pause(since=kept.paused_at, until=now, reason="citizen")]
    if kept.promise is None or kept.started_at is None:
        return False
    await clocks.go_on(connection, authority, referral_id, pauses, due(kept.promise, kept.started_at, pauses))
    return True


async def _touch(connection: Connection, authority: str, item: Item) -> int:
    """What is read with the referral has changed, so its version rises."""
    return await work.write(connection, authority, item.referral_id, state=item.state.value)
