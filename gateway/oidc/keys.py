"""What a provider publishes: its discovery document and its signing keys, fetched when needed and remembered."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp
import jwt
import msgspec
import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.oidc.provider import Provider, check_address, on_this_machine

log = structlog.get_logger()

FRESH: Final = 3600.0
"""Seconds that keys are used without asking again."""
STALE: Final = 24 * 3600.0
"""Seconds that they are used while the provider does not answer."""
NO_SOONER: Final = 30.0
"""Seconds between fetches, however many tokens name keys that we do not know."""
MOST_BYTES: Final = 512 * 1024
MOST_KEYS: Final = 100


class ProviderAway(GatewayError):
    """The provider does not answer, or not as a provider does; nobody can be told to be who they say."""


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What we need of `/.well-known/openid-configuration`."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class Published:
    """One provider's discovery document and keys."""

    def __init__(self, provider: Provider, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._provider = provider
        self._session = session
        self._clock = clock
        self._discovery: Discovery | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._got_at = -STALE
        self._tried_at = -STALE
        self._one_at_a_time = asyncio.Lock()

    async def discovery(self) -> Discovery:
        """The document. Raises `ProviderAway`."""
        if self._discovery is None or self._age() > FRESH:
            await self._fetch(must=self._discovery is None)
        assert self._discovery is not None
        return self._discovery

    async def key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key a token names; `None` if there is none such, even now. Raises `ProviderAway`."""
        if not self._keys or self._age() > FRESH:
            await self._fetch(must=not self._keys or self._age() > STALE)
        found = self._find(key_id)
        if found is None:  # the provider may have just begun to use a new one
            await self._fetch(must=False)
            found = self._find(key_id)
        return found

    def _find(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _age(self) -> float:
        return self._clock.monotonic() - self._got_at

    async def _fetch(self, *, must: bool) -> None:
        before = self._tried_at
        async with self._one_at_a_time:
            if self._tried_at != before and self._discovery is not None:
                return  # somebody else just did
            if not must and self._clock.monotonic() - self._tried_at < NO_SOONER:
                return
            self._tried_at = self._clock.monotonic()
            try:
                discovery = await self._read_discovery()
                keys = _usable(await self._get(discovery.jwks_uri, _KeySet), self._provider)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.MsgspecError) as error:
                log.warning(
                    "sign-in provider away", provider=self._provider.name, because=type(error).__name__
                )
                if must:
                    raise ProviderAway(
                        f"the sign-in provider {self._provider.name!r} does not answer as it should"
                    ) from error
                return
            self._discovery, self._keys = discovery, keys
            self._got_at = self._clock.monotonic()

    async def _read_discovery(self) -> Discovery:
        issuer = self._provider.issuer
        found: Discovery = await self._get(
            f"{issuer.rstrip('/')}/.well-known/openid-configuration", Discovery
        )
        if found.issuer != issuer:
            raise ValueError("the discovery document is another issuer's")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            check_address(getattr(found, name), of=name, loopback=on_this_machine(issuer))
        return found

    async def _get(self, url: str, kind: type[Any]) -> Any:
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"answered {answer.status}")
            return msgspec.json.decode(await read_bounded(answer), type=kind)


async def read_bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The body. Raises `ValueError` if it is larger than any such document has reason to be."""
    body = await answer.content.read(MOST_BYTES + 1)
    while len(body) <= MOST_BYTES and not answer.content.at_eof():
        body += await answer.content.read(MOST_BYTES + 1 - len(body))
    if len(body) > MOST_BYTES:
        raise ValueError("the answer is too large")
    return body


def _usable(published: _KeySet, provider: Provider) -> dict[str, jwt.PyJWK]:
    """The public keys for signatures of the kinds we take."""
    found: dict[str, jwt.PyJWK] = {}
    for number, each in enumerate(published.keys[:MOST_KEYS]):
        if each.get("kty") not in {"RSA", "EC", "OKP"} or each.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(each)
        except jwt.PyJWTError:
            continue
        if "alg" not in each or key.algorithm_name in provider.algorithms:
            found[str(each.get("kid", f"#{number}"))] = key
    if not found:
        raise ValueError("it has no key that we may use")
    return found
