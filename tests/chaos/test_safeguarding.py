"""A child in danger, and the organisation that answers for children is dead: a person has it within a minute."""

from __future__ import annotations

from tests.chaos.alarm import WITHIN, ring
from tests.chaos.harness import world


async def test_a_person_has_it_within_a_minute_and_it_rings_until_answered(chaos_folder, database_url):
    """Every way out is dead: it stands on a person's worklist, and is raised again until a named person answers."""
    async with world(chaos_folder, database_url, proxies=True, quick_ladder=True) as here:
        gateway = await here.add_gateway()
        rung = await ring(here, gateway, times=2, then=0)
        assert rung.at_a_person <= WITHIN
        assert len(rung.raised) >= 2
        print(f"with a person after {rung.at_a_person:.1f} s; raised again: {rung.raised}")
        await here.town.heal()
        await here.end()
