"""All providers of the settings, with what each publishes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import aiohttp
import msgspec

from gateway.clock import Clock
from gateway.errors import StartError
from gateway.oidc.keys import ProviderAway, Published, read_bounded
from gateway.oidc.provider import Provider
from gateway.oidc.tokens import NotGenuine, token_issuer, verified

TIMEOUT: Final = 5.0
"""Seconds that a provider has for each answer."""


class _Tokens(msgspec.Struct):
    id_token: str


class Providers:
    """Use `running`."""

    def __init__(self, providers: Sequence[Provider], clock: Clock) -> None:
        self._clock = clock
        self._by_name = {provider.name: provider for provider in providers}
        if len(self._by_name) != len(providers) or len({each.issuer for each in providers}) != len(providers):
            raise StartError("sign_in: two providers have the same name or issuer")
        self._published: dict[str, Published] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Providers]:
        """Hold the connections to them."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True
        ) as session:
            self._session = session
            self._published = {
                name: Published(provider, session, self._clock) for name, provider in self._by_name.items()
            }
            yield self

    def named(self, name: str | None) -> Provider | None:
        """The provider of this name."""
        return self._by_name.get(name or "")

    def of(self, authority: str) -> list[Provider]:
        """Those by which an authority's people sign in."""
        return [provider for provider in self._by_name.values() if provider.knows(authority)]

    def published(self, provider: Provider) -> Published:
        """What it publishes."""
        return self._published[provider.name]

    async def bearer(self, token: str) -> tuple[Provider, dict[str, Any]]:
        """Who a bearer token was made by, and its claims. Raises `NotGenuine` and `ProviderAway`."""
        issuer = token_issuer(token)
        for provider in self._by_name.values():
            if provider.issuer == issuer and provider.audience is not None:
                published = self.published(provider)
                return provider, await verified(
                    token, provider, published, self._clock, audience=provider.audience
                )
        raise NotGenuine("its issuer is not known here")

    async def exchange(
        self, provider: Provider, *, code: str, verifier: str, redirect: str, nonce: str
    ) -> dict[str, Any]:
        """The claims of whoever the provider sent back with this code. Raises `NotGenuine` and `ProviderAway`."""
        published = self.published(provider)
        discovery = await published.discovery()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": provider.client_id,
            "code_verifier": verifier,
        }
        if provider.client_secret is not None:
            form["client_secret"] = provider.client_secret
        try:
            async with self._session.post(
                discovery.token_endpoint, data=form, allow_redirects=False
            ) as answer:
                if 400 <= answer.status < 500:
                    raise NotGenuine("the provider does not know this sign-in any more")
                if answer.status != 200:
                    raise ProviderAway(f"the sign-in provider answered {answer.status}")
                tokens = msgspec.json.decode(await read_bounded(answer), type=_Tokens)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.MsgspecError) as error:
            raise ProviderAway("the sign-in provider does not answer as it should") from error
        claims = await verified(
            tokens.id_token, provider, published, self._clock, audience=provider.client_id
        )
        if claims.get("nonce") != nonce:
            raise NotGenuine("it belongs to another sign-in")
        if (
            isinstance(claims["aud"], list)
            and len(claims["aud"]) > 1
            and claims.get("azp") != provider.client_id
        ):
            raise NotGenuine("it is made out for somebody else as well")
        return claims
