"""OAuth2 client credentials: one token for everybody, fetched once at a time, renewed before it runs out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from adapters.base import Unavailable
from adapters.elapsed import elapsed
from adapters.http import HttpClient

MARGIN_SECONDS: Final = 30.0
"""How long before its end a token is no longer used, so that it does not run out on the way."""
_UNSAID_LIFE: Final = 300.0
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _Grant(msgspec.Struct, kw_only=True):
    """The token endpoint's answer (RFC 6749, 5.1)."""

    access_token: str
    kind: str = msgspec.field(name="token_type", default="Bearer")
    expires_in: float | None = None


class TokenSource:
    """Gives the access token to use now.

    We prove who we are with `client_id` and `client_secret`, or with a signed `assertion` (RFC 7523).
    """

    def __init__(
        self,
        client: HttpClient,
        url: str,
        *,
        client_id: str = "",
        client_secret: str = "",
        assertion: Callable[[], str] | None = None,
        scope: str | None = None,
        secret_in_body: bool = False,
        monotonic: Callable[[], float] = elapsed,
    ) -> None:
        self._client = client
        self._url = url
        self._form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        self._assertion = assertion
        if assertion is not None:
            self._form |= {"client_assertion_type": _JWT_BEARER}
        elif secret_in_body:
            self._form |= {"client_id": client_id, "client_secret": client_secret}
        else:
            pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._monotonic = monotonic
        self._token: str | None = None
        self._until = 0.0
        self._fetching: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Give a token that is good for a while yet. Raises `Unavailable`."""
        if self._token is not None and self._monotonic() < self._until:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        # Shielded: whoever asked first may give up, and the others still wait for the same answer.
        return await asyncio.shield(self._fetching)

    def forget(self, token: str) -> None:
        """Use this token no more: the organisation would not have it. A newer one stays."""
        if self._token == token:
            self._token = None

    async def close(self) -> None:
        """Stop fetching, and let go of connections."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._client.close()

    async def _fetch(self) -> str:
        asked = self._monotonic()
        form = dict(self._form)
        if self._assertion is not None:
            form["client_assertion"] = self._assertion()
        answer = await self._client.exchange(
            "POST", self._url, headers=self._headers, body=urlencode(form).encode(), safe=True
        )
        answer.check()
        grant = answer.json(_Grant)
        token = grant.access_token
        if grant.kind.lower() != "bearer" or not token.isascii() or not token.isprintable():
            raise Unavailable("the token endpoint gave a token that cannot be used", status=answer.status)
        life = _UNSAID_LIFE if grant.expires_in is None else grant.expires_in
        # A token that lives shorter than the margin would otherwise be fetched anew for every request.
        self._token, self._until = token, asked + max(life - MARGIN_SECONDS, life / 2)
        return token

    def _fetched(self, task: asyncio.Task[str]) -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # if all who waited have gone, nobody else asks for it
