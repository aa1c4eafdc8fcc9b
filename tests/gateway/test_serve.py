"""The running gateway: an orderly way out, and a clear line when it cannot start."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.store.keys import create_key


@pytest.fixture
def port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def key(pool):
    async with pool.acquire() as connection:
        return await create_key(connection, "testshire", "tests", SystemClock().now())


async def hang_up(writer):
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def until_ready(process, port):
    """Wait until it says that it may be sent work; fails with its last words if it ends."""
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            if process.returncode is not None:
                raise AssertionError((await process.stderr.read()).decode())
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


async def test_on_sigterm_it_says_not_ready_answers_what_is_in_flight_and_ends(front_door, port, key, pool):
    """A request that was half-sent when the order came is taken, stored and answered; exit code 0."""
    serve = ("serve", "--port", str(port), "--unready-for", "1")
    body = json.dumps({"text": "bin men drove past"}).encode()
    head = (
        f"POST /api/v1/requests HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    async with (
        AsyncExitStack() as stack,
        front_door.begin(*serve) as process,
        aiohttp.ClientSession() as session,
    ):
        await until_ready(process, port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.push_async_callback(hang_up, writer)
        writer.write(head + body[:5])
        await writer.drain()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            while True:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 503:
                        checks = await answer.json()
                        break
        assert checks["checks"]["process"] == "shutting down"
        await session.close()
        async with asyncio.timeout(30):
            while True:  # until it listens no more
                try:
                    _, probe = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    break
                await hang_up(probe)
                await asyncio.sleep(0.05)
            writer.write(body[5:])
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 201 "), answer
            await process.wait()
        assert process.returncode == 0
    assert await pool.fetchval("SELECT text FROM requests") == "bin men drove past"


async def test_a_port_in_use_is_one_clear_line(front_door):
    """Who has it is the operator's to find out; how to choose another is said. Exit code 2."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, out, error = await front_door("serve", "--port", str(port))
    assert (code, out) == (2, "")
    (line,) = [line for line in error.splitlines() if not line.startswith("{")]
    assert (
        line
        == f"front-door: port {port} on 127.0.0.1 is in use; choose another with --port or FRONT_DOOR_PORT"
    )


async def test_an_address_that_is_not_ours_is_one_clear_line(front_door, port):
    """Another machine's address."""
    code, _, error = await front_door("serve", "--host", "192.0.2.1", "--port", str(port))
    (line,) = [line for line in error.splitlines() if not line.startswith("{")]
    assert code == 2
    assert line.startswith(f"front-door: cannot listen on 192.0.2.1:{port}: ")


async def test_a_database_that_is_not_there_is_one_clear_line(front_door, port):
    """It does not start half; the URL, which may hold a password, is not repeated."""
    code, _, error = await front_door(
        "serve", "--port", str(port), DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none"
    )
    (line,) = [line for line in error.splitlines() if not line.startswith("{")]
    assert code == 2
    assert line.startswith("front-door: the database cannot be reached")
    assert "secret" not in error


async def test_a_wrong_setting_is_named_before_anything_starts(front_door):
    """With the nearest right one."""
    code, _, error = await front_door("serve", FRONT_DOOR_PROT="1")
    assert code == 2
    assert error == "front-door: FRONT_DOOR_PROT: there is no setting 'prot'; did you mean 'port'?\n"
