"""Who is calling, and whether they may: every route but the public and the signed ones wants somebody who is known."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from aiohttp import web

from gateway.api.cookies import check_same_site, read_session
from gateway.api.endpoint import CALLER, Auth, Endpoint, Limit, endpoint_of
from gateway.api.limits import LIMITS, STANDING, too_many
from gateway.api.problems import problem
from gateway.callers import Caller
from gateway.clock import Clock
from gateway.errors import Forbidden
from gateway.oidc.grants import caller_of
from gateway.oidc.providers import Providers
from gateway.oidc.tokens import NotGenuine
from gateway.settings import Settings
from gateway.store.keys import find_caller, is_key
from gateway.store.pool import Pool, unavailable_is_clear
from gateway.store.sessions import find_session
from gateway.understanding import Understanding

REMEMBER: Final = 30.0
"""Seconds a key or token that was good is taken as good; a revoked one is useless after this."""
_MOST: Final = 10_000


class Callers:
    """Finds out who is calling, remembering good keys and tokens for a little while."""

    def __init__(
        self, pool: Pool, clock: Clock, providers: Providers, understanding: Understanding, settings: Settings
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._providers = providers
        self._understanding = understanding
        self._settings = settings
        self._known: dict[tuple[bytes, str], tuple[float, Caller]] = {}

    async def caller(self, request: web.Request) -> Caller | None:
        """The caller; `None` if nobody is signed in, or what was sent is not known.

        Raises `Forbidden`, `StoreUnavailable` and `ProviderAway`, and a problem for a cookie that comes from elsewhere.
        """
        if "Authorization" in request.headers:
            scheme, _, presented = request.headers["Authorization"].partition(" ")
            if scheme.lower() != "bearer":
                return None
            return await self._bearer(presented.strip(), request.headers.get("Front-Door-Authority"))
        session = read_session(request)
        if session is None:
            return None
        check_same_site(request, self._settings.public_url)
        idle = timedelta(minutes=self._settings.session_idle_minutes)
        with unavailable_is_clear():  # not remembered: signing out counts at once
            return await find_session(self._pool, *session, now=self._clock.now(), idle=idle)

    async def _bearer(self, presented: str, wanted: str | None) -> Caller | None:
        now = self._clock.monotonic()
        name = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest(), wanted or ""
        known = self._known.get(name)
        if known is not None and known[0] > now:
            return known[1]
        self._known.pop(name, None)
        if is_key(presented):
            with unavailable_is_clear():
                caller = await find_caller(self._pool, presented)
            if caller is None:
                return None
            if wanted not in (None, caller.authority):
                raise Forbidden(f"this key is {caller.authority}'s")
        else:
            try:
                provider, claims = await self._providers.bearer(presented)
            except NotGenuine:
                return None
            caller = caller_of(claims, provider, self._understanding.door.authorities, wanted)
            # No longer than the token itself is good.
            now = min(now, now + claims["exp"] + provider.skew - self._clock.now().timestamp() - REMEMBER)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[name] = (now + REMEMBER, caller)
        return caller


CALLERS = web.AppKey("callers", Callers)


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
    if endpoint.auth is not Auth.KEY:
        return await handler(request)
    caller = await request.app[CALLERS].caller(request)
    if caller is None:
        raise _nobody(request)
    request[CALLER] = caller
    if endpoint.limit is Limit.NEVER:
        _check_rights(endpoint, caller)
        return await handler(request)
    standing = request.app[LIMITS].count(caller)
    request[STANDING] = standing
    if standing.over and endpoint.limit is not Limit.UNLESS_DANGER:
        raise too_many(standing)
    _check_rights(endpoint, caller)
    answer = await handler(request)
    if not answer.prepared:
        answer.headers.update(standing.headers)
    return answer


def _nobody(request: web.Request) -> Exception:
    missing = "Authorization" not in request.headers
    detail = (
        "sign in, or send Authorization: Bearer <API key or token>"
        if missing
        else "this API key or token is not known"
    )
    return problem(401, "unauthorised", "Not signed in", detail, headers={"WWW-Authenticate": "Bearer"})


def _check_rights(endpoint: Endpoint, caller: Caller) -> None:
    if not caller.has(*endpoint.roles):
        who = " or ".join(role.value for role in endpoint.roles)
        raise Forbidden(f"this takes the role {who}")
    if caller.organisation is not None and not endpoint.own_staff:
        raise Forbidden(f"this is for the authority's own people, not {caller.organisation}'s")
