"""A town of stand-in back ends, in this process and as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.base import Handover
from adapters.open311 import Open311Adapter
from adapters.sandbox.core import SandboxBackend
from adapters.sandbox.tls import self_signed
from adapters.sandbox.town import PROTOCOLS, Organisation, TownConfig, start_town
from tests.adapters.conformance import load_cases

ROOT = Path(__file__).parents[3]
Start = Callable[..., Any]


def config_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """Make a configuration of two organisations."""
    organisations = [
        {"code": "re", "protocol": "open311", "stages": [["acknowledged", 0.0]]},
        {"code": "pct", "protocol": "fhir"},
    ]
    return {"organisations": organisations, "ledger_folder": str(folder / "ledgers")} | changes


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a town as a process; whatever is left of it ends with the test."""
    processes: list[Process] = []

    async def start(config: Any, *arguments: str) -> Process:
        path = tmp_path / "town.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "adapters.sandbox",
            "--config",
            str(path),
            *arguments,
            cwd=ROOT,
            stdin=PIPE if "--end-with-stdin" in arguments else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def addresses(process: Process) -> dict[str, Any]:
    """Read the line that says where everybody listens."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    found: dict[str, Any] = json.loads(line)["organisations"]
    return found


def handover(number: int) -> Handover:
    """Make a hand-over."""
    return Handover(
        delivery_id=f"0195f0c2-0000-7000-8000-00000000000{number}",
        reference="BAR-7K3M-9QXD",
        authority="barnet",
        organisation="re",
        service="pothole",
        service_name="Pothole",
        created_at=datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
    )


async def test_every_protocol_has_a_back_end() -> None:
    """Each protocol in the table starts, says where it is, and ends."""
    options = {case.protocol: case.options("") for case in load_cases() if case.network}
    organisations = [
        Organisation(code=f"a-{name}", protocol=name, options=options.get(name, {})) for name in PROTOCOLS
    ]
    async with (
        await start_town(TownConfig(organisations=organisations)) as town,
        aiohttp.ClientSession() as session,
    ):
        assert all(isinstance(backend, SandboxBackend) for backend in town.backends.values())
        described = town.describe()["organisations"]
        assert {found["protocol"] for found in described.values()} == set(PROTOCOLS)
        listening = [found for found in described.values() if found["protocol"] != "worklist"]
        for found in listening:
            async with session.get(f"{found['control_url']}/_sandbox/ledger") as answer:
                assert (await answer.json())["count"] == 0


@pytest.mark.parametrize(
    ("organisation", "says"),
    [
        (Organisation(code="x", protocol="telex"), "telex"),
        (Organisation(code="x", protocol="open311", options={"api_kye": "k"}), "x: .*api_kye"),
        (Organisation(code="re", protocol="open311"), "twice"),
    ],
)
async def test_a_wrong_town(organisation: Organisation, says: str) -> None:
    """A town that cannot be is not started in part."""
    first = Organisation(code="re", protocol="open311")
    with pytest.raises(ValueError, match=says):
        await start_town(TownConfig(organisations=[first, organisation]))


async def test_tls(tmp_path: Path) -> None:
    """A back end with a certificate speaks TLS only."""
    certificate = str(self_signed(tmp_path))
    organisation = Organisation(code="re", protocol="open311", certificate=certificate)
    async with await start_town(TownConfig(organisations=[organisation])) as town:
        assert town.urls["re"].startswith("https://")
        adapter = Open311Adapter.from_connection({"url": town.urls["re"], "ca_file": certificate})
        assert await adapter.deliver(handover(1))
        await adapter.close()


async def test_a_town_of_its_own(start: Start, tmp_path: Path) -> None:
    """As a process it says where it listens, remembers over kill -9, and ends cleanly on SIGTERM."""
    process = await start(config_of(tmp_path))
    first = await addresses(process)
    assert set(first) == {"re", "pct"}
    adapter = Open311Adapter.from_connection({"url": first["re"]["url"]})
    receipt = await adapter.deliver(handover(1))
    await adapter.close()
    process.kill()
    await process.wait()

    process = await start(config_of(tmp_path))
    second = await addresses(process)
    adapter = Open311Adapter.from_connection({"url": second["re"]["url"]})
    found = await adapter.lookup(handover(1).delivery_id)
    assert found is not None
    assert found.external_reference == receipt.external_reference
    await adapter.close()
    process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_it_does_not_outlive_its_parent(start: Start, tmp_path: Path) -> None:
    """Started with a pipe, it ends when the pipe closes."""
    process = await start(config_of(tmp_path), "--end-with-stdin")
    await addresses(process)
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("config", "status", "says"),
    [
        ("nonsense", 2, "town.json"),
        ({"organisations": [], "ledgers": "x"}, 2, "ledgers"),
        ({"organisations": [{"code": "x", "protocol": "telex"}]}, 2, "telex"),
    ],
)
async def test_a_wrong_configuration(start: Start, config: Any, status: int, says: str) -> None:
    """A wrong configuration ends at once with a reason and no trace."""
    process = await start(config)
    output, errors = await process.communicate()
    assert (process.returncode, output) == (status, b"")
    assert says in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_a_port_in_use(start: Start, tmp_path: Path) -> None:
    """A port that somebody else has is said, and the town does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        organisations = [{"code": "re", "protocol": "open311", "port": port}]
        process = await start(config_of(tmp_path, organisations=organisations))
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert str(port) in errors.decode()
