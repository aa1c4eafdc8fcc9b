"""The long run's question about safety: the organisation is dead, and still a person has it, and it rings until answered."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from gateway.store.pool import Connection
from tests.chaos.acts import STAGES, Act, finish, say
from tests.chaos.gateways import Gateway
from tests.chaos.harness import World, world
from tests.chaos.proxy import Fault, Kind

WITHIN: Final = 60.0
"""Seconds in which a person must have it."""


class Rung(msgspec.Struct, kw_only=True):
    """What became of one safeguarding referral."""

    at_a_person: float
    """Seconds from the call until it stood on a person's worklist."""
    raised: list[tuple[float, str]]
    """When it was raised again, and who was told, before anybody answered."""
    after_the_answer: int
    """How often it was raised after a named person had answered."""


async def safeguarding(folder: Path) -> Act:
    """The organisation that answers for children is dead: a person's worklist has it at once, and the alarm rings on."""
    async with world(folder, proxies=True, stages=STAGES, quick_ladder=True) as here:
        gateway = await here.add_gateway()
        rung = await ring(here, gateway, times=3, then=15)
        when = ", ".join(f"{seconds:.0f} s ({told})" for seconds, told in rung.raised)
        say(f"with every other way dead, it is on a person's worklist after {rung.at_a_person:.1f} s")
        say(f"unanswered (quarters of an hour last 9 s here), it was raised again after {when}")
        say(f"answered by a named person: raised {rung.after_the_answer} times in the 15 s after that")
        await here.town.heal()
        act = await finish(here)
        if rung.at_a_person > WITHIN:
            act.report.found("late", "safeguarding", f"a person had it after {rung.at_a_person:.0f} s")
        if rung.after_the_answer:
            act.report.found("rings on", "safeguarding", "an alarm that was answered was raised again")
        act.shown = {
            "safeguarding with its primary way dead: on a person's worklist after": f"{rung.at_a_person:.1f} s",
            "safeguarding, unanswered: raised again": f"{len(rung.raised)} times",
            "safeguarding, answered: raised again": f"{rung.after_the_answer} times",
        }
        return act


async def ring(here: World, gateway: Gateway, *, times: int, then: float) -> Rung:
    """Tell of a child in danger while every way out is dead; answer the alarm once it rang so many times; wait and see.

    `then`: seconds to wait after the answer for a ring that must not come.
    """
    place, need = next(
        (place, need)
        for place, needs in here.needs.items()
        for need in needs
        if need.service == "child-protection"
    )
    here.needs = {place: [need]}
    await here.town.cut(Fault(kind=Kind.DOWN))
    began = time.monotonic()
    await here.load().send(1)
    connection = await here.connect()
    try:
        async with asyncio.timeout(WITHIN + 60):
            while not (row := await connection.fetchrow(_AT_A_PERSON)):
                await asyncio.sleep(0.05)
        at_a_person = time.monotonic() - began
        raised: list[tuple[float, str]] = []
        while len(raised) < times:
            told = await _told(connection)
            raised += [(time.monotonic() - began, each) for each in told[len(raised) :]]
            await asyncio.sleep(0.2)
        await _answer(here, gateway, place[0], str(row["referral_id"]))
        rung = len(await _told(connection))
        await asyncio.sleep(then)
        after = len(await _told(connection)) - rung
    finally:
        await connection.close()
    return Rung(at_a_person=at_a_person, raised=raised, after_the_answer=after)


async def _told(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT detail ->> 'told' AS told FROM events WHERE kind = 'alarm_raised' ORDER BY event_id"
    )
    return [row["told"] for row in rows]


async def _answer(here: World, gateway: Gateway, authority: str, referral_id: str) -> None:
    headers = {"Authorization": f"Bearer {here.keys[authority]}"}
    url = f"{gateway.url}/api/v1/alarms/{referral_id}/acknowledge"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={"name": "Ruth Ellis"}) as answer,
    ):
        answer.raise_for_status()


_AT_A_PERSON = (
    "SELECT referral_id FROM deliveries WHERE organisation = 'worklist' AND state = 'delivered' LIMIT 1"
)
