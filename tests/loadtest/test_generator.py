"""The generator measures what citizens would feel, counts everything once, and is bounded."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

import pytest

from loadtest.errors import TargetError
from loadtest.generator import Generator, Target
from tests.loadtest.servers import Same, created, http, serving


def even(count: int, every: float):
    return iter([number * every for number in range(count)])


async def test_a_stall_shows_in_everything_that_was_meant_to_start_behind_it():
    """One stall of 0.2 s on one connection delays the 40 requests due meanwhile, not only the one that met it."""

    async def answer(number: int) -> bytes:
        if number == 50:
            await asyncio.sleep(0.2)
        return created(number)

    async with serving(answer) as server:
        generator = Generator(Target.of(server.url), Same(), connections=1, timeout=10)
        tally = await generator.open_loop(even(200, 0.005))
    assert tally.accepted == 200
    # 40 of 200 were due in the stall, evenly; half of them waited 0.1 s and more, a quarter 0.15 s and more.
    assert tally.latency.at(91)[0] > 0.1
    assert tally.latency.at(96)[0] > 0.15
    stalled = sum(len(each) for each in tally.timeline._latencies.values())
    assert stalled == 200
    slow = [seconds for each in tally.timeline._latencies.values() for seconds in each if seconds > 0.05]
    assert len(slow) >= 30


async def test_without_a_free_connection_latency_still_counts_from_the_intended_start():
    """A server that takes 20 ms for each, over one connection, at 100 a second: the last of 50 waits half a second."""

    async def answer(number: int) -> bytes:
        await asyncio.sleep(0.02)
        return created(number)

    async with serving(answer) as server:
        tally = await Generator(Target.of(server.url), Same(), connections=1, timeout=10).open_loop(
            even(50, 0.01)
        )
    assert tally.accepted == 50
    assert tally.latency.summary().most >= 0.5
    assert tally.latency.summary().p50 >= 0.2


async def test_counts_each_status_and_keeps_each_reference():
    """Acknowledged, shed, refused by the gateway and failed are four different things."""
    answers = [
        created(0),
        http(503, b"{}", "Retry-After: 1"),
        http(503),
        http(422),
        http(201, b'{"parts":[]}'),
    ]

    async def answer(number: int) -> bytes:
        return answers[number % 5]

    async with serving(answer) as server:
        tally = await Generator(Target.of(server.url), Same(), connections=4, timeout=5).open_loop(
            even(100, 0.001)
        )
    assert tally.statuses == Counter({201: 40, 503: 40, 422: 20})
    assert (tally.offered, tally.accepted, tally.shed, tally.failed) == (100, 40, 20, 40)
    assert list(tally.references[0]) == ["BAR-00000000"] * 20
    assert tally.unreadable == 20
    assert len(tally.other_latency) == 60


async def test_never_opens_more_connections_than_allowed():
    """However far the server falls behind."""

    async def answer(number: int) -> bytes:
        await asyncio.sleep(0.05)
        return created(number)

    async with serving(answer) as server:
        generator = Generator(Target.of(server.url), Same(), connections=3, timeout=10)
        tally = await generator.open_loop(even(60, 0.001))
        assert server.most_open <= 3
    assert generator.most_open == 3
    assert tally.accepted == 60


async def test_what_waits_is_bounded_and_what_is_not_sent_is_told():
    """Past the bound a request counts as unsent; none is dropped silently."""

    async def answer(number: int) -> bytes:
        await asyncio.sleep(0.5)
        return created(number)

    async with serving(answer) as server:
        generator = Generator(Target.of(server.url), Same(), connections=1, timeout=1.2, most_waiting=5)
        tally = await generator.open_loop(even(50, 0.0))
    assert tally.offered == 50
    assert tally.failures["unsent"] == 45
    assert tally.accepted + tally.failures["timeout"] == 5


async def test_a_server_that_never_answers_ends_in_time_outs():
    """Each request is given up after its time limit, whether it was sent or still waited, and the run ends."""

    async def answer(number: int) -> bytes:
        await asyncio.sleep(3600)
        return b""

    async with serving(answer) as server:
        async with asyncio.timeout(20):
            tally = await Generator(Target.of(server.url), Same(), connections=2, timeout=0.3).open_loop(
                even(10, 0.001)
            )
    assert tally.failures == Counter({"timeout": 10})
    assert tally.failed == 10
    assert tally.other_latency.summary().p50 >= 0.29


async def test_connections_that_are_cut_count_as_lost_and_are_opened_again():
    """A server that hangs up after each answer, or instead of one, is served by new connections."""

    async def answer(number: int) -> bytes:
        if number % 4 == 0:
            raise ConnectionResetError
        return http(201, b'{"reference":"BAR-1"}', "Connection: close")

    async with serving(answer) as server:
        tally = await Generator(Target.of(server.url), Same(), connections=2, timeout=5).open_loop(
            even(40, 0.002)
        )
    assert tally.failures == Counter({"lost": 10})
    assert tally.accepted == 30


async def test_an_answer_that_is_no_http_counts_as_lost():
    """Nonsense is not an acknowledgement."""

    async def answer(number: int) -> bytes:
        return b"\x00nonsense\r\n\r\n"

    async with serving(answer) as server:
        tally = await Generator(Target.of(server.url), Same(), connections=1, timeout=5).open_loop(
            even(3, 0.01)
        )
    assert tally.failures == Counter({"lost": 3})


async def test_nobody_listening_counts_every_request_as_failed():
    """And the run ends."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", nobody.getsockname()[1])
        tally = await Generator(target, Same(), connections=2, timeout=0.5).open_loop(even(10, 0.001))
    assert tally.failed == tally.offered == 10


async def test_closed_loop_keeps_every_connection_busy_and_ends():
    """What is under way at the end is waited for, so that nothing acknowledged goes uncounted."""

    async def answer(number: int) -> bytes:
        await asyncio.sleep(0.01)
        return created(number)

    async with serving(answer) as server:
        tally = await Generator(Target.of(server.url), Same(), connections=8, timeout=5).closed_loop(0.3)
        assert tally.accepted == len(server.requests)
        assert server.most_open == 8
    assert tally.accepted >= 16
    assert tally.failed == 0
    assert len(tally.references[0]) == tally.accepted


@pytest.mark.parametrize("url", ["https://example.org", "127.0.0.1:8080", "http://", "http://x:y"])
def test_an_address_that_cannot_be_used_is_named(url: str):
    """Only plain HTTP to a host is spoken."""
    with pytest.raises(TargetError, match="is no address"):
        Target.of(url)


async def test_after_an_overload_the_generator_itself_recovers():
    """It keeps no dead connection and no stale request: once the server has caught up, everything is answered again."""
    one_at_a_time = asyncio.Lock()
    quick = asyncio.Event()

    async def answer(number: int) -> bytes:
        if not quick.is_set():
            async with one_at_a_time:
                await asyncio.sleep(0.01)
        return created(number)

    async with serving(answer) as server:
        generator = Generator(Target.of(server.url), Same(), connections=30, timeout=0.4)
        asyncio.get_running_loop().call_later(1.0, quick.set)
        storm = [number / 1000 for number in range(1000)]
        calm = [2 + number / 50 for number in range(50)]
        tally = await generator.open_loop(iter(storm + calm))
    seconds = tally.timeline.seconds()
    assert seconds[0].failed > 0
    assert (seconds[2].accepted, seconds[2].failed) == (50, 0)
