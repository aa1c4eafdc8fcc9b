"""The embedded PostgreSQL: keeps what was committed, comes back when killed, and never outlives its gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from gateway import postgres, postgres_cluster
from gateway.errors import StartError

ALONE = """
import asyncio, sys
from pathlib import Path
from gateway import postgres

async def main():
    async with postgres.running(Path(sys.argv[1])):
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
"""Another process that runs the server until its input ends."""


async def until(true, within=30.0):
    """Wait until `true()`."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.02)


async def ask(url, question, *arguments):
    """One question on a connection of its own, asked again while the server comes up."""
    async with asyncio.timeout(30):
        while True:
            try:
                connection = await asyncpg.connect(url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
                continue
            try:
                return await connection.fetchval(question, *arguments)
            finally:
                await connection.close()


@contextlib.asynccontextmanager
async def another(folder):
    """Another process that runs on the same folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ALONE, str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        assert await process.stdout.readline() == b"up\n"
        yield process
    finally:
        if process.returncode is None:
            process.stdin.close()
            await process.wait()


def server_pid(folder):
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture(scope="module")
async def folder(open_folder):
    """A data folder in which a database was made, holding one row."""
    folder = open_folder / "embedded"
    folder.mkdir()
    async with postgres.running(folder) as url:
        await ask(url, "CREATE TABLE kept (n int)")
        await ask(url, "INSERT INTO kept VALUES (42)")
    return folder


async def test_what_was_committed_is_there_after_a_restart(folder):
    """Stopped in order, started again: the same rows, by the same address."""
    urls = set()
    for _ in range(2):
        async with postgres.running(folder) as url:
            assert await ask(url, "SELECT n FROM kept") == 42
            pid = server_pid(folder)
            urls.add(url)
        assert not alive(pid)
    assert len(urls) == 1


async def test_it_listens_on_no_port_and_wants_its_password(folder):
    """Only this machine's users with the password get in; the password is readable by its owner alone."""
    async with postgres.running(folder) as url:
        assert await ask(url, "SHOW listen_addresses") == ""
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url, password="guess")
        assert (folder / "postgres.password").stat().st_mode & 0o077 == 0


async def test_a_server_that_is_killed_is_started_again(folder):
    """Twice in a row; nothing committed is lost, and the address stays."""
    async with postgres.running(folder) as url:
        for _ in range(2):
            killed = server_pid(folder)
            os.kill(killed, signal.SIGKILL)
            await until(lambda killed=killed: not alive(killed))
            assert await ask(url, "SELECT n FROM kept") == 42
            assert server_pid(folder) != killed


async def test_a_gateway_that_is_killed_takes_its_server_along(folder):
    """No orphan holds the folder: the next gateway starts on it at once, with every committed row."""
    async with another(folder) as process:
        pid = server_pid(folder)
        process.kill()
        await process.wait()
    await until(lambda: not alive(pid))
    async with postgres.running(folder) as url:
        assert await ask(url, "SELECT n FROM kept") == 42


async def test_a_second_process_shares_the_server(folder):
    """A command beside the running gateway; its end does not end the gateway's server."""
    async with postgres.running(folder) as url:
        pid = server_pid(folder)
        async with another(folder), postgres.running(folder) as shared:
            assert shared == url
        assert alive(pid)
        assert await ask(url, "SELECT n FROM kept") == 42


async def test_who_shares_takes_over_when_the_first_one_ends(folder):
    """A gateway that was started while a command still ran keeps its database."""
    async with another(folder) as first:
        async with postgres.running(folder) as url:
            pid = server_pid(folder)
            first.stdin.close()
            await first.wait()
            await until(lambda: not alive(pid))
            assert await ask(url, "SELECT n FROM kept") == 42
            taken_over = server_pid(folder)
            assert taken_over != pid
        assert not alive(taken_over)


async def test_who_shares_waits_until_the_first_one_has_made_the_database(open_folder):
    """Two processes begin together on a new folder; both end up with the same database."""
    folder = open_folder / "together"
    folder.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(another(folder)) for _ in range(2)))
        assert await ask(postgres.Server(folder).url, "SELECT current_database()") == "front_door"


async def test_setting_up_that_was_interrupted_is_begun_anew(open_folder, monkeypatch):
    """Killed between initdb and its end: never taken for a database."""
    folder = open_folder / "interrupted"
    folder.mkdir()

    class Killed(BaseException):
        """As if the power went."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(postgres_cluster.Cluster, "_create_database", killed)
        with pytest.raises(Killed):
            await postgres.Server(folder).start()
    assert (folder / "postgres.new" / "PG_VERSION").exists(), "it was half-way"
    assert not (folder / "postgres").exists()
    async with postgres.running(folder) as url:
        assert await ask(url, "SELECT current_database()") == "front_door"
    assert not (folder / "postgres.new").exists()


async def test_a_server_that_cannot_start_says_why_in_its_own_words(open_folder):
    """An operator reads PostgreSQL's reason, not a traceback."""
    folder = open_folder / "broken"
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StartError, match="PostgreSQL did not start: .*(9\\.6|postgres)"):
        async with postgres.running(folder):
            pass


def test_a_folder_that_cannot_be_made_is_said_with_what_to_do(open_folder):
    """A file stands in its place."""
    (open_folder / "a-file").write_text("")
    for wanted in (open_folder / "a-file", open_folder / "a-file" / "below"):
        with pytest.raises(StartError, match="choose another with FRONT_DOOR_DATA_DIR"):
            postgres_cluster.data_folder(wanted)


def test_a_folder_that_the_server_cannot_enter_is_said_with_what_to_do(tmp_path, open_folder):
    """PostgreSQL does not run as root, so its own user must get there; for others the folder must be writable."""
    if os.geteuid() == 0:
        tmp_path.chmod(0o700)
        with pytest.raises(
            StartError, match=r"'nobody', who cannot enter it; open its parents \(chmod o\+x\)"
        ):
            postgres_cluster.data_folder(tmp_path / "data")
    else:
        closed = open_folder / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(StartError, match="cannot be written: Permission denied; choose another"):
            postgres_cluster.data_folder(closed / "data")


def test_a_folder_is_made_with_its_parents_and_can_be_used_again(open_folder):
    """The first start makes it, the next one takes it as it is."""
    wanted = open_folder / "a" / "b"
    assert postgres_cluster.data_folder(wanted) == postgres_cluster.data_folder(wanted) == wanted.resolve()


def test_the_socket_has_a_short_path_however_deep_the_folder(open_folder):
    """A Unix socket's path has 107 characters at most."""
    deep = open_folder.joinpath(*["deep-down-below"] * 20)
    sockets = postgres.Server(deep).sockets
    assert len(str(sockets / ".s.PGSQL.5432")) < 107
    assert str(sockets).startswith(tempfile.gettempdir())
    assert sockets != postgres.Server(deep / "x").sockets
