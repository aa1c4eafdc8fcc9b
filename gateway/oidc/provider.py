"""One OpenID Connect provider, as the settings name it."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by a private key. Those by a shared secret, and none at all, cannot be named."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=300)]


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where people sign in, and whose tokens are believed. A table `[[sign_in]]` in the settings' file."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,40}$")]
    """In addresses: `/sign-in?provider=council`."""
    issuer: str
    """Exactly as its tokens say. https, but for a provider on this machine."""
    client_id: Annotated[str, msgspec.Meta(min_length=1)]
    client_secret: str | None = None
    """Where the provider wants one beside PKCE."""
    audience: str | None = None
    """Whom bearer tokens must be made out for. Without it, none are taken: people sign in by browser only."""
    authorities: tuple[str, ...] = ()
    """Whose people it knows; all authorities', unless given. What it says of others is not believed."""
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256", "ES256")
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    skew: Seconds = 60.0
    """Seconds its clock may be off from ours."""
    title: str = ""
    """What the button says; else the name."""
    development: bool = False
    """The demo's own, with sample people; see `gateway.demo.people`."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for an issuer that cannot be trusted with sign-ins."""
        check_address(self.issuer, of="issuer", loopback=True)
        if "openid" not in self.scopes:
            raise ValueError("scopes must have openid")
        if self.development and not on_this_machine(self.issuer):
            raise ValueError("a development provider is on this machine")

    def __repr__(self) -> str:
        """Without the secret: it may be logged."""
        return f"<Provider {self.name}>"

    def knows(self, authority: str) -> bool:
        """Whether it may speak of this authority's people."""
        return not self.authorities or authority in self.authorities


_WEB: Final = {"http", "https"}


def on_this_machine(url: str) -> bool:
    """Whether an address is a loopback one, by number."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def check_address(url: str, *, of: str, loopback: bool) -> None:
    """Raise `ValueError` unless it is an https address, or with `loopback` an http one on this machine."""
    parts = urlsplit(url)
    if parts.scheme not in _WEB or not parts.hostname or parts.username or parts.fragment:
        raise ValueError(f"{of} is no web address")
    if parts.scheme == "http" and not (loopback and on_this_machine(url)):
        raise ValueError(f"{of} must begin with https://")
