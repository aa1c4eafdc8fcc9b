"""The wall clock of the machine jumps while the gateway runs."""

from __future__ import annotations

from tests.chaos.harness import world


async def test_a_jump_of_the_clock_neither_expires_leases_nor_puts_deliveries_off(chaos_folder, database_url):
    """A day forwards, two days back: what is claimed stays claimed, what is due is delivered."""
    async with world(chaos_folder, database_url) as here:
        await here.add_gateway()
        wrong = here.embedded / "clock"
        async with here.load().running(rate=40) as load:
            for seconds in (0, 86_400, -86_400, 0):
                wrong.write_text(str(seconds))
                await load.more(20)
        await here.end()
        connection = await here.connect()
        assert not await connection.fetchval("SELECT count(*) FROM attempts WHERE outcome = 'expired'")
        await connection.close()
