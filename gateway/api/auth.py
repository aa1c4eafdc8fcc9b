"""Who is calling: every route but the public and the signed ones wants an API key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.api.endpoint import CALLER, Auth, endpoint_of
from gateway.api.problems import problem
from gateway.clock import Clock
from gateway.store.keys import Caller, find_caller
from gateway.store.pool import Pool, unavailable_is_clear

REMEMBER: Final = 30.0
"""Seconds a key that was good is taken as good; a revoked one is useless after this."""
_MOST: Final = 10_000


class Keys:
    """Looks up callers, remembering the good ones for a little while."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._known: dict[str, tuple[float, Caller]] = {}

    async def caller(self, presented: str) -> Caller | None:
        """The caller, or `None`. Raises `StoreUnavailable`."""
        now = self._clock.monotonic()
        known = self._known.get(presented)
        if known is not None and known[0] > now:
            return known[1]
        with unavailable_is_clear():
            caller = await find_caller(self._pool, presented)
        self._known.pop(presented, None)
        if caller is not None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[presented] = (now + REMEMBER, caller)
        return caller


KEYS = web.AppKey("keys", Keys)


@web.middleware
async def authenticate(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let a request through only as its route's description says; a route without one is closed."""
    endpoint = endpoint_of(request)
    if endpoint is None:
        if request.match_info.http_exception is not None:
            raise request.match_info.http_exception
        raise web.HTTPNotFound
    if endpoint.auth is Auth.KEY:
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        caller = await request.app[KEYS].caller(presented.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            missing = "Authorization" not in request.headers
            detail = "send Authorization: Bearer <API key>" if missing else "this API key is not known"
            raise problem(
                401, "unauthorised", "Not signed in", detail, headers={"WWW-Authenticate": "Bearer"}
            )
        request[CALLER] = caller
    return await handler(request)
