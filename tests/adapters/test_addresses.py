"""Which addresses are outside, and that a name is checked where the connection goes."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.addresses import InnerAddressError, OutsideResolver, is_literal, is_outside


class Names(AbstractResolver):
    """A name service that says what it was told to."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2001:0:a9fe:a9fe::f5ff:fffe",
        "localhost",
        "",
    ],
)
def test_inner_addresses_are_known(address: str) -> None:
    """This machine, private and shared networks, cloud metadata, multicast, and IPv6 forms of all these are inner."""
    assert not is_outside(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.1.1", "2a00:1450:4009::1", "64:ff9b::808:808"])
def test_outer_addresses_are_known(address: str) -> None:
    """What is on the public internet is outside."""
    assert is_outside(address)


@pytest.mark.parametrize(
    ("host", "literal"), [("1.2.3.4", True), ("[::1]", True), ("::1", True), ("a.example", False)]
)
def test_literals_are_known(host: str, *, literal: bool) -> None:
    """An IP address in a URL is never resolved, so it has to be recognised."""
    assert is_literal(host) is literal


async def test_a_name_that_leads_inside_is_refused() -> None:
    """One inner address among a name's addresses is enough."""
    with pytest.raises(InnerAddressError):
        await OutsideResolver(Names("8.8.8.8", "127.0.0.1")).resolve("a.example", 443)


async def test_the_checked_address_is_the_one_connected_to() -> None:
    """A name is asked for once, and what was checked is what is given out."""
    names = Names("8.8.8.8")
    found = await OutsideResolver(names).resolve("a.example", 443)
    assert [one["host"] for one in found] == ["8.8.8.8"]
    assert names.asked == 1


async def test_the_systems_names_are_checked() -> None:
    """Without a resolver of its own it asks the system."""
    resolver = OutsideResolver()
    with pytest.raises(InnerAddressError):
        await resolver.resolve("localhost", 80)
    await resolver.close()
