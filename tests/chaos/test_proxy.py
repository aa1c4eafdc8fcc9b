"""The fault proxy itself: each fault does what it says, and healing ends it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.chaos.proxy import Fault, FaultProxy, Kind


@pytest.fixture
async def proxy():
    """A proxy in front of a server that answers each line with the same line."""

    async def echo(reader, writer):
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[:2]).running() as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


@contextlib.asynccontextmanager
async def connected(proxy):
    """A connection through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def say(connection, line=b"a line of twenty-six bytes\n"):
    """What comes back for a line."""
    reader, writer = connection
    writer.write(line)
    return await reader.readline()


@pytest.mark.parametrize(
    "fault", [Fault(), Fault(kind=Kind.LATENCY, seconds=0.01), Fault(kind=Kind.SLICE, size=1)]
)
async def test_slow_and_sliced_bytes_all_arrive(proxy, fault):
    """Nothing is changed or lost."""
    await proxy.set(fault)
    async with connected(proxy) as connection:
        assert await say(connection) == b"a line of twenty-six bytes\n"


async def test_latency_takes_its_time(proxy):
    """Each way once."""
    await proxy.set(Fault(kind=Kind.LATENCY, seconds=0.1))
    loop = asyncio.get_running_loop()
    async with connected(proxy) as connection:
        began = loop.time()
        await say(connection)
        assert loop.time() - began >= 0.2


async def test_down_refuses_and_cuts_and_comes_back_on_the_same_port(proxy):
    """As if nobody listened."""
    async with connected(proxy) as connection:
        await say(connection)
        await proxy.set(Fault(kind=Kind.DOWN))
        with pytest.raises(ConnectionError):
            assert await connection[0].read() != b""
            raise ConnectionResetError
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.heal()
    async with connected(proxy) as connection:
        assert await say(connection) == b"a line of twenty-six bytes\n"


async def test_a_black_hole_swallows_until_it_is_mended(proxy):
    """Open and new connections alike stay open and silent."""
    async with connected(proxy) as old:
        await say(old)
        await proxy.set(Fault(kind=Kind.TIMEOUT))
        async with connected(proxy) as new:
            silent = [asyncio.create_task(say(each)) for each in (old, new)]
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in silent)
            await proxy.heal()
            assert await asyncio.gather(*silent) == [b"a line of twenty-six bytes\n"] * 2


async def test_reset_ends_a_connection_at_its_first_byte(proxy):
    """With RST, not in order."""
    await proxy.set(Fault(kind=Kind.RESET))
    async with connected(proxy) as connection:
        with pytest.raises(ConnectionResetError):
            await say(connection)


async def test_truncate_ends_the_answer_early(proxy):
    """So many bytes and no more."""
    await proxy.set(Fault(kind=Kind.TRUNCATE, size=6))
    async with connected(proxy) as connection:
        assert await say(connection) == b"a line"
