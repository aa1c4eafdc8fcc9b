"""Signed application tokens (JWT), ours towards the receiver and the receiver's towards us."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import jwt
import msgspec

from adapters.base import CallbackRejected, ConfigurationError

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Public-key signatures only: a shared secret would let whoever checks a token make one."""

LIFE: Final = 300
"""Seconds that a token of ours is good for: the longest that the NHS platform accepts."""
_MARGIN: Final = 60
LEEWAY: Final = 60
"""Seconds by which the other side's clock may be off."""


class Signer:
    """Makes our tokens. One serves until it is about to run out, as signing takes milliseconds."""

    def __init__(
        self, key: str, *, algorithm: Algorithm, issuer: str, audience: str, key_id: str | None
    ) -> None:
        try:
            # An environment variable often holds the line ends of a PEM as \n.
            self._key = jwt.get_algorithm_by_name(algorithm).prepare_key(key.replace("\\n", "\n"))
            jwt.encode({}, self._key, algorithm=algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):  # the last: it is a public key
            raise ConfigurationError(
                f"connection.jwt_key is no private key in PEM that fits {algorithm}"
            ) from None
        self._algorithm = algorithm
        self._issuer = issuer
        self._audience = audience
        self._headers = {"kid": key_id} if key_id is not None else None
        self._token = ""
        self._until = 0.0

    def token(self, now: datetime) -> str:
        """Give a token that is good for a minute at least."""
        at = now.timestamp()
        if at >= self._until:
            claims = {
                "iss": self._issuer,
                "sub": self._issuer,
                "aud": self._audience,
                "jti": str(uuid.uuid4()),
                "iat": int(at),
                "exp": int(at) + LIFE,
            }
            self._token = jwt.encode(claims, self._key, algorithm=self._algorithm, headers=self._headers)
            self._until = at + LIFE - _MARGIN
        return self._token


class Verifier:
    """Checks a callback's `Authorization`: a token that both sides know, or a JWT by the receiver's key."""

    def __init__(
        self, *, token: str | None, public_key: str | None, algorithm: Algorithm, audience: str | None
    ) -> None:
        self._token = token
        self._key: Any = None
        if public_key is not None:
            try:
                self._key = jwt.get_algorithm_by_name(algorithm).prepare_key(public_key.replace("\\n", "\n"))
            except (jwt.PyJWTError, ValueError, TypeError):
                raise ConfigurationError(
                    f"connection.callback_public_key is no key in PEM that fits {algorithm}"
                ) from None
        self._algorithm = algorithm
        self._audience = audience

    @property
    def configured(self) -> bool:
        """Whether there is anything to check a callback by."""
        return self._token is not None or self._key is not None

    def check(self, headers: Mapping[str, str], now: datetime) -> None:
        """Return if the callback is authentic. Raises `CallbackRejected`."""
        if not self.configured:
            raise CallbackRejected("callbacks are not configured for this organisation", status=403)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise CallbackRejected("a bearer token is missing", status=401)
        if self._token is not None and hmac.compare_digest(given.encode(), self._token.encode()):
            return
        if self._key is None or not self._is_signed(given, now):
            raise CallbackRejected("the bearer token is not valid", status=401)

    def _is_signed(self, given: str, now: datetime) -> bool:
        # The times are checked here, because the clock is the caller's and not PyJWT's own.
        options: jwt.types.Options = {
            "require": ["exp"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": self._audience is not None,
        }
        try:
            claims = jwt.decode(
                given, self._key, algorithms=[self._algorithm], audience=self._audience, options=options
            )
            times = msgspec.convert(claims, _Times)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError):
            return False
        at = now.timestamp()
        return times.nbf - LEEWAY <= at < times.exp + LEEWAY


class _Times(msgspec.Struct):
    exp: float
    nbf: float = 0.0
