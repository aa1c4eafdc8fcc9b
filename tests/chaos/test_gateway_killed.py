"""kill -9 of the gateway, and with it of its embedded PostgreSQL."""

from __future__ import annotations

from tests.chaos.harness import world


async def test_a_gateway_killed_under_load_loses_nothing(chaos_folder):
    """What was acknowledged before is delivered after, once; callers whose answer was lost get it on their next try."""
    async with world(chaos_folder) as here:
        gateway = await here.add_gateway()
        async with here.load().running(rate=60) as load:
            for _ in range(2):
                await load.more(40)
                await gateway.kill()
                await gateway.start()
            await load.more(20)
        report = await here.end()
    assert report.figures["requests acknowledged"] >= 100
