"""Whether a token is what it claims: signed by the provider, for us, and valid now."""

from __future__ import annotations

from typing import Any, Final

import jwt

from gateway.clock import Clock
from gateway.oidc.keys import Published
from gateway.oidc.provider import Provider

MOST_CHARACTERS: Final = 16_384


class NotGenuine(Exception):
    """The token cannot be believed. The message names no part of it."""


async def verified(
    token: str, provider: Provider, published: Published, clock: Clock, *, audience: str
) -> dict[str, Any]:
    """The token's claims. Raises `NotGenuine`, and `ProviderAway` when the keys cannot be had."""
    if len(token) > MOST_CHARACTERS:
        raise NotGenuine("the token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise NotGenuine("it is no signed token") from error
    algorithm = header.get("alg")
    if algorithm not in provider.algorithms:
        raise NotGenuine("it is signed in a way that is not taken here")
    key_id = header.get("kid")
    key = await published.key(key_id if isinstance(key_id, str) else None)
    if key is None:
        raise NotGenuine("it is signed with a key that its provider does not publish")
    try:
        claims = jwt.decode(
            token,
            key=key.key,
            algorithms=[algorithm],
            audience=audience,
            issuer=provider.issuer,
            # Times by our own clock, below: it is the one that tests set and that a step of the wall clock spares.
            options={
                "require": ["exp", "iat", "iss", "aud", "sub"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (
        jwt.PyJWTError,
        TypeError,
        ValueError,
    ) as error:  # the latter: a key of another kind than the signature
        raise NotGenuine("it is not genuine, or made out for somebody else") from error
    _check_times(claims, clock.now().timestamp(), provider.skew)
    return claims


def _check_times(claims: dict[str, Any], now: float, skew: float) -> None:
    for name in ("exp", "iat", "nbf"):
        if name in claims and (isinstance(claims[name], bool) or not isinstance(claims[name], int | float)):
            raise NotGenuine(f"its {name} is no time")
    if claims["exp"] + skew <= now:
        raise NotGenuine("it has expired")
    if claims["iat"] - skew > now or claims.get("nbf", now) - skew > now:
        raise NotGenuine("it is not valid yet")


def token_issuer(token: str) -> str | None:
    """Who the token says made it: to choose whose keys to try, and believed of nothing else."""
    if len(token) > MOST_CHARACTERS:
        return None
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None
