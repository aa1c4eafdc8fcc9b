"""Keeping requests away from inner addresses: an address given to us from outside must lead outside.

A name is resolved once and checked, and the connection goes to that very address: a name cannot show one
address to the check and another to the connection.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class InnerAddressError(OSError):
    """A name leads to an address that is not on the public internet."""


class OutsideResolver(AbstractResolver):
    """Resolves names like the system does, and refuses those that lead inside."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name. Raises `InnerAddressError` if any of its addresses is an inner one."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_outside(one["host"]) for one in found):
            raise InnerAddressError("the name leads to an inner address")
        return found

    async def close(self) -> None:
        """Let go of the system's resolver."""
        await self._resolver.close()


def is_outside(text: str) -> bool:
    """Say whether an IP address is on the public internet. What is no IP address is not."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in (address, *_carried(address)))


def is_literal(host: str) -> bool:
    """Say whether a URL's host is an IP address, which nobody resolves."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _carried(address: _Address) -> list[_Address]:
    """Give the IPv4 addresses that an IPv6 address stands for, where packets would really go."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried: list[_Address] = [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
    if address.teredo is not None:
        carried += address.teredo
    if address in _NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return carried
