"""A PostgreSQL primary with a synchronous standby, from the embedded binaries, to fail over by hand."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

from gateway.postgres_cluster import Cluster
from tests.chaos.gateways import PATIENCE, free_port

_PASSWORD: Final = "chaos"


class Node:
    """One server on a port of its own. Made by `primary` or `standby_of`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._cluster = Cluster(folder)  # for its binaries and its user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The database's own folder."""
        return self.folder / "postgres"

    @property
    def url(self) -> str:
        """How to connect."""
        return f"postgresql://front_door:{_PASSWORD}@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        """Make the folders, owned by the server's user."""
        self.data.mkdir(parents=True, mode=0o700)
        self._cluster.give(self.data)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end. Raises with its words if it fails."""
        done = subprocess.run(
            [str(self._cluster.binaries() / program), *arguments],
            capture_output=True,
            check=False,
            cwd="/",
            env={**os.environ, "PGPASSWORD": _PASSWORD},
            preexec_fn=self._cluster.become(die_with_us=False),
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    async def start(self) -> None:
        """Start it and wait until it answers."""
        sockets = self.folder / "s"
        sockets.mkdir(exist_ok=True)
        self._cluster.give(sockets)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": sockets,
            "max_connections": 60,
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [str(self._cluster.binaries() / "postgres"), "-D", str(self.data), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                preexec_fn=self._cluster.become(die_with_us=True),  # noqa: PLW1509
            )
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.ask("SELECT 1")
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.05)
                else:
                    return

    async def ask(self, *queries: str) -> object:
        """Run queries; the last one's first value."""
        connection = await asyncpg.connect(self.url, timeout=5)
        try:
            for query in queries[:-1]:
                await connection.execute(query)
            return await connection.fetchval(queries[-1])
        finally:
            await connection.close()

    def freeze(self) -> None:
        """The whole server stops in its tracks: connections stay open and nothing answers."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def kill(self) -> None:
        """End it, frozen or not."""
        process, self._process = self._process, None
        if process is None:
            return
        pids = _children(process.pid)
        process.kill()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()

    def _pids(self) -> Sequence[int]:
        assert self._process is not None
        return [self._process.pid, *_children(self._process.pid)]


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def primary(folder: Path) -> Node:
    """A new, running server."""
    node = Node(folder)
    node.prepare()
    secret = folder / "pw"
    secret.write_text(_PASSWORD)
    secret.chmod(0o644)
    await asyncio.to_thread(
        node.run,
        "initdb",
        "-D",
        str(node.data),
        "-U",
        "front_door",
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(secret),
        "--no-sync",
    )
    await node.start()
    return node


async def standby_of(leader: Node, folder: Path) -> Node:
    """A running standby; the leader acknowledges nothing any more that this one does not have on disk."""
    node = Node(folder)
    node.prepare()
    where = f"host=127.0.0.1 port={leader.port} user=front_door password={_PASSWORD} application_name=standby"
    await asyncio.to_thread(
        node.run,
        "pg_basebackup",
        "-D",
        str(node.data),
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "--no-sync",
        "-d",
        where,
    )
    await node.start()
    await leader.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
    async with asyncio.timeout(PATIENCE):
        while await leader.ask("SELECT sync_state FROM pg_stat_replication") != "sync":
            await asyncio.sleep(0.05)
    return node


def through(url: str, port: int) -> str:
    """The same database, reached on another port of this machine."""
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit((parts.scheme, f"{credentials}@127.0.0.1:{port}", parts.path, "", ""))


def address(url: str) -> tuple[str, int] | Path:
    """Where a database listens: host and port, or the path of its Unix socket."""
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]
    if host.startswith("/"):
        return Path(host) / f".s.PGSQL.{parts.port or 5432}"
    return host, parts.port or 5432
