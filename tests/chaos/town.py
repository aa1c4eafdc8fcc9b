"""The stand-in back ends of a chaos test: a process of their own, told over HTTP to fail, behind proxies if wished."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec

from adapters.base import Deduplication
from adapters.registry import make_adapter
from gateway.connections import Replacements
from gateway.demo.town import Backend, Town
from routing_rules.door import Door
from tests.chaos.proxy import Certificates, Fault, FaultProxy

Stages = tuple[tuple[str, float], ...]

SWIFT: Final[Stages] = (("in_progress", 0.1), ("resolved", 0.1))
"""A case is resolved soon after it came."""


class ChaosTown(Town):
    """The demo's town, with a hand on every back end."""

    def __init__(
        self, folder: Path, door: Door, *, stages: Stages = SWIFT, poll_interval: float = 0.3
    ) -> None:
        super().__init__(folder, door)
        self.ledgers = folder / "ledgers"
        self.backends: dict[str, Backend] = {}
        self.proxies: dict[str, FaultProxy] = {}
        self._certificates: Certificates | None = None
        self._secure: set[str] = set()
        self._stages = stages
        self._poll_interval = poll_interval

    def configure(self) -> dict[str, Any]:
        config = super().configure()
        for organisation in config["organisations"]:
            organisation["stages"] = self._stages
        return {**config, "keep_fields": False}

    def connect(self, backends: dict[str, Backend], *, poll_interval: float | None = None) -> None:
        self.backends = self.backends or backends
        super().connect(backends, poll_interval=poll_interval or self._poll_interval)
        if self._certificates is not None:
            self._speak_tls(self._certificates)

    def _speak_tls(self, certificates: Certificates) -> None:
        replacements = msgspec.json.decode(self.connections.read_bytes())
        for authority, organisations in replacements.items():
            for code, each in organisations.items():
                backend = self.backends[f"{authority}_{code}"]
                if f"{authority}_{code}" not in self._secure:
                    continue
                each["connection"]["ca_file"] = str(certificates.trusted)
                if backend.protocol == "email":
                    each["connection"]["tls"] = "implicit"
        self.connections.write_bytes(msgspec.json.encode(replacements))

    async def put_proxies_between(self, *, tls: Collection[str] = ()) -> None:
        """From now on (for gateways not yet started) every back end is reached through a proxy of its own.

        `tls`: authorities whose back ends speak it, with a certificate that the gateway trusts until `Kind.TLS` is set.
        """
        self._certificates = Certificates(self.folder / "tls") if tls else None
        self._secure = {name for name, each in self.backends.items() if each.url and _place(name)[0] in tls}
        reached = {}
        for name, backend in self.backends.items():
            if not backend.url:
                reached[name] = backend
                continue
            parts = urlsplit(backend.url)
            certificates = self._certificates if name in self._secure else None
            proxy = self.proxies[name] = FaultProxy(
                (parts.hostname or "", parts.port or 0), certificates=certificates
            )
            await proxy.start()
            scheme = "https" if certificates and parts.scheme == "http" else parts.scheme
            url = urlunsplit(parts._replace(scheme=scheme, netloc=f"127.0.0.1:{proxy.port}"))
            reached[name] = Backend(backend.protocol, url, backend.control_url)
        self.connect(reached)

    async def close(self) -> None:
        """End proxies and stand-ins."""
        for proxy in self.proxies.values():
            await proxy.close()
        await asyncio.to_thread(self.stop)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Authority and organisation of everything that has a back end."""
        return [_place(name) for name, backend in self.backends.items() if backend.url]

    @property
    def worklists(self) -> set[tuple[str, str]]:
        """Authority and organisation of everything that has none."""
        return {_place(name) for name, backend in self.backends.items() if not backend.url}

    def deduplication(self) -> dict[tuple[str, str], Deduplication]:
        """How each back end keeps one delivery from having two effects."""
        replacements = msgspec.json.decode(self.connections.read_bytes(), type=Replacements)
        return {
            (authority, code): make_adapter(
                self.backends[f"{authority}_{code}"].protocol, each.connection
            ).deduplication
            for authority, organisations in replacements.items()
            for code, each in organisations.items()
        }

    async def fail(
        self, mode: str, *, only: Collection[tuple[str, str]] | None = None, **options: Any
    ) -> None:
        """Have back ends fail: `mode`, `count`, `delay`, `retry_after`, `scope` as in `adapters.sandbox.faults.Fault`."""
        order = {"mode": mode, **options}
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(
                *(
                    _order(session, backend, order)
                    for name, backend in self.backends.items()
                    if backend.control_url and (only is None or _place(name) in only)
                )
            )

    async def heal(self) -> None:
        """Every back end and every way to it works again."""
        await asyncio.gather(self.fail("none"), self.cut(Fault()))

    async def cut(self, fault: Fault, *, only: Iterable[tuple[str, str]] | None = None) -> None:
        """Have the network between gateway and back ends fail so."""
        wanted = None if only is None else set(only)
        for name, proxy in self.proxies.items():
            if wanted is None or _place(name) in wanted:
                await proxy.set(fault)


async def _order(session: aiohttp.ClientSession, backend: Backend, order: dict[str, Any]) -> None:
    async with session.post(f"{backend.control_url}/_sandbox/faults", json=order) as answer:
        answer.raise_for_status()


def _place(name: str) -> tuple[str, str]:
    authority, _, organisation = name.partition("_")
    return authority, organisation
