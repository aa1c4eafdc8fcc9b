"""The front door as it is measured: its own commands, in a folder of its own, with or without its stand-in back ends.

The demo makes the set-up (secrets, connections, stand-ins for every organisation); from then on the gateway and the
stand-ins are run apart, so that each can be absent.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from loadtest.children import Child, free_port, output, running, until_quiet, until_ready
from loadtest.errors import ProductError

AUTHORITY: Final = "barnet"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that answers."""

    url: str
    key: str
    child: Child
    folder: Path


class Product:
    """One set-up. Use `set_up`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connections: dict[str, Any] = {}
        self._town: dict[str, Any] = {}

    async def prepare(self) -> None:
        """Let the demo make everything. Raises `ProductError`."""
        data = self.folder / "setup"
        with contextlib.suppress(
            ProductError
        ):  # a slow machine may not see all of the demo delivered; no matter here
            await output("gateway", "--data-dir", str(data), "demo", "--once", "--port", str(free_port()))
        try:
            self._connections = msgspec.json.decode((data / "demo" / "connections.json").read_bytes())
            self._town = msgspec.json.decode((data / "demo" / "town.json").read_bytes())
        except OSError as error:
            raise ProductError(f"the demo made no set-up: {error}") from None
        shutil.rmtree(data, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def stand_ins(self) -> AsyncIterator[dict[str, str]]:
        """Run the stand-ins; gives the control address of each organisation."""
        config = {**self._town, "ledger_folder": None, "keep_fields": False}
        file = self.folder / "town.json"
        file.write_bytes(msgspec.json.encode(config))
        command = ("adapters.sandbox", "--config", str(file), "--end-with-stdin")
        async with running("stand-ins", *command, folder=self.folder) as child:
            said = msgspec.json.decode(await child.first_line())["organisations"]
            self._connections = moved(self._connections, {name: each["url"] for name, each in said.items()})
            yield {name: each["control_url"] for name, each in said.items() if each["control_url"]}

    @contextlib.asynccontextmanager
    async def gateway(self, name: str, **settings: str) -> AsyncIterator[Running]:
        """Run the gateway on a fresh database. Without stand-ins, what it accepts stays in its queue."""
        data, port = self.folder / name, free_port()
        connections = self.folder / f"{name}.connections.json"
        connections.write_bytes(msgspec.json.encode(self._connections))
        connections.chmod(0o600)
        environ = {
            "FRONT_DOOR_DATA_DIR": str(data),
            "FRONT_DOOR_CONNECTIONS_FILE": str(connections),
            "FRONT_DOOR_PORT": str(port),
            **settings,
        }
        url = f"http://127.0.0.1:{port}"
        async with running(name, "gateway", "serve", folder=self.folder, environ=environ) as child:
            await until_ready(child, url)
            create = ("gateway", "keys", "create", "--authority", AUTHORITY, "--name", "load")
            key = await output(*create, environ=environ)
            await until_quiet(child)
            yield Running(url=url, key=key.strip(), child=child, folder=data)


@contextlib.asynccontextmanager
async def set_up() -> AsyncIterator[Product]:
    """A set-up in a temporary folder, which the database's own user may enter; removed on the way out."""
    folder = _open_folder()
    try:
        product = Product(folder)
        await product.prepare()
        yield product
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _open_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="front-door-load-"))
    folder.chmod(0o755)
    return folder


def database_url(data: Path, name: str) -> str:
    """A database on the gateway's embedded server, from what PostgreSQL itself says of where it listens."""
    sockets = (data / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[4]
    password = (data / "postgres.password").read_text(encoding="utf-8").strip()
    return f"postgresql://front_door:{password}@/{name}?host={quote(sockets, safe='')}"


def moved(connections: dict[str, Any], urls: dict[str, str]) -> dict[str, Any]:
    """The same connections, to stand-ins that listen elsewhere now. `urls` by `authority_organisation`."""
    return {
        authority: {
            code: {**each, "connection": _moved(each["connection"], urls[f"{authority}_{code}"])}
            for code, each in organisations.items()
        }
        for authority, organisations in connections.items()
    }


def _moved(connection: dict[str, Any], url: str) -> dict[str, Any]:
    if "port" in connection:
        parts = urlsplit(url)
        return {**connection, "host": parts.hostname, "port": parts.port}
    old = connection.get("url", "")
    return {
        name: url + value[len(old) :] if old and isinstance(value, str) and value.startswith(old) else value
        for name, value in connection.items()
    }
