"""The stand-in back ends of the demo: one for each organisation, and the connections that lead to them.

Secrets are made from one secret kept in the data folder, so that a case begun before a restart can still report back.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.connections import Replacement, Replacements
from gateway.errors import StartError
from routing_rules.door import Door
from routing_rules.organisation import Organisation

POLL_INTERVAL: Final = 0.5


class Backend(msgspec.Struct, frozen=True):
    """One stand-in, as it said at start."""

    protocol: str
    url: str
    control_url: str


class _Described(msgspec.Struct):
    organisations: dict[str, Backend]


class Town:
    """The running stand-ins, in a child process that ends with us."""

    def __init__(self, folder: Path, door: Door) -> None:
        self.folder = folder
        self.connections = folder / "connections.json"
        self._door = door
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start every stand-in and write the file of connections for the gateway."""
        config = self.configure()
        file = self.folder / "town.json"
        file.write_bytes(msgspec.json.encode(config))
        file.chmod(0o600)
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220
            [sys.executable, "-m", "adapters.sandbox", "--config", str(file), "--end-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        line = await asyncio.to_thread(_first_line, self._process)
        if not line:
            raise StartError("the stand-in back ends did not start; see the lines above")
        self.connect(msgspec.json.decode(line, type=_Described).organisations)

    def configure(self) -> dict[str, Any]:
        """What the stand-ins are told."""
        (self.folder / "ledgers").mkdir(parents=True, exist_ok=True)
        makers = _Makers(self.folder)
        return {
            "ledger_folder": str(self.folder / "ledgers"),
            "organisations": [
                {"code": name, "protocol": each.protocol, "options": makers.options(name, each)}
                for name, each in self._organisations()
            ],
        }

    def connect(self, backends: dict[str, Backend], *, poll_interval: float = POLL_INTERVAL) -> None:
        """Write the file of connections that leads to these stand-ins."""
        makers = _Makers(self.folder)
        replacements: Replacements = {}
        for name, each in self._organisations():
            connection = makers.connection(name, each, backends[name])
            replacements.setdefault(name.split("_")[0], {})[each.code] = Replacement(
                connection=connection, poll_interval=poll_interval
            )
        self.connections.write_bytes(msgspec.json.encode(replacements))
        self.connections.chmod(0o600)

    def _organisations(self) -> list[tuple[str, Organisation]]:
        return [
            (f"{authority.code}_{each.code}", each)
            for authority in self._door.authorities.values()
            for each in authority.organisations.values()
        ]

    def stop(self) -> None:
        """End the stand-ins."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    return process.stdout.readline() if process.stdout else b""


class _Makers:
    """For each protocol: what the stand-in is told, and what the gateway needs to reach it."""

    def __init__(self, folder: Path) -> None:
        file = folder / "secret"
        if not file.exists():
            file.write_text(secrets.token_hex(32))
            file.chmod(0o600)
        self._secret = bytes.fromhex(file.read_text().strip())
        self._private, self._public = _signing_keys(folder)
        self._options: dict[str, Callable[[str], dict[str, Any]]] = {
            "open311": lambda name: {"api_key": self._word(name)},
            "fhir": lambda name: {"public_key": self._public, "callback_token": self._word(name)},
            "rest": self._rest_options,
            "webhook": lambda name: {
                "secret": self._whsec(name),
                "callback_secret": self._whsec(f"{name}-back"),
            },
            "email": lambda _: {},
            "worklist": lambda _: {},
        }
        self._connections: dict[str, Callable[[str, str], dict[str, Any]]] = {
            "open311": lambda name, url: {"url": url, "api_key": self._word(name)},
            "fhir": self._fhir_connection,
            "rest": self._rest_connection,
            "webhook": lambda name, url: {
                "url": url,
                "secret": self._whsec(name),
                "callback_secret": self._whsec(f"{name}-back"),
                "allow_private": True,
            },
            "email": self._email_connection,
            "worklist": lambda _name, _url: {},
        }

    def options(self, name: str, organisation: Organisation) -> dict[str, Any]:
        """The stand-in's options; names of fields are the organisation's own, so they come from its file."""
        options = self._options[organisation.protocol](name)
        for option, protocol in (("names", "rest"), ("jurisdiction_id", "open311")):
            if organisation.protocol == protocol and option in organisation.connection:
                options[option] = organisation.connection[option]
        return options

    def connection(self, name: str, organisation: Organisation, backend: Backend) -> dict[str, Any]:
        """The gateway's connection: the file's own where it names no secret, with address and secrets of the demo."""
        kept = {
            key: value
            for key, value in organisation.connection.items()
            if "${" not in str(value) and key != "tls"
        }
        made = self._connections[organisation.protocol](name, backend.url)
        return {**{key: value for key, value in made.items() if key not in kept}, **kept}

    def _word(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), hashlib.sha256).hexdigest()

    def _whsec(self, name: str) -> str:
        return "whsec_" + base64.b64encode(bytes.fromhex(self._word(name))).decode()

    def _rest_options(self, name: str) -> dict[str, Any]:
        return {
            "auth": "oauth2",
            "client_id": "front-door",
            "client_secret": self._word(name),
            "signing_secret": self._word(f"{name}-sign"),
        }

    def _rest_connection(self, name: str, url: str) -> dict[str, Any]:
        return {
            "url": url,
            "auth": "oauth2",
            "token_url": f"{url}/oauth/token",
            "client_id": "front-door",
            "client_secret": self._word(name),
            "signing_secret": self._word(f"{name}-sign"),
        }

    def _fhir_connection(self, name: str, url: str) -> dict[str, Any]:
        return {
            "receiver_ods_code": "5A9",
            "sender_ods_code": "DEMO",
            "url": url,
            "jwt_key": self._private,
            "jwt_issuer": "front-door",
            "callback_token": self._word(name),
        }

    def _email_connection(self, name: str, url: str) -> dict[str, Any]:
        address = urlsplit(url)
        return {
            "host": address.hostname,
            "port": address.port,
            "tls": "none",
            "sender": "front-door@example.org",
            "to": "intake@example.org",
            "callback_secret": self._word(name),
        }


def _signing_keys(folder: Path) -> tuple[str, str]:
    file = folder / "application.pem"
    if not file.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.chmod(0o600)
    private = serialization.load_pem_private_key(file.read_bytes(), None)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return file.read_text(), public.decode()
