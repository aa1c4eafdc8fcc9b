"""Signing in by browser (authorisation code with PKCE), signing out, and who one is."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from html import escape
from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec
import structlog
from aiohttp import web

from gateway.api.auth import REMEMBER
from gateway.api.callbacks import CLOCK
from gateway.api.cookies import CSRF_HEADER, SESSION, SIGN_IN, delete_cookie, read_session, set_cookie
from gateway.api.docs import SECURITY
from gateway.api.endpoint import CALLER, Auth, Endpoint, Limit, json_answer
from gateway.api.reading import read_query
from gateway.api.staff import POOL, UNDERSTANDING
from gateway.callers import EVERYBODY, Caller
from gateway.errors import Forbidden
from gateway.oidc.grants import caller_of
from gateway.oidc.keys import ProviderAway
from gateway.oidc.provider import Provider
from gateway.oidc.providers import Providers
from gateway.oidc.tokens import NotGenuine
from gateway.settings import Settings
from gateway.store import sessions
from gateway.store.audit import Entry, record
from gateway.store.pool import unavailable_is_clear
from gateway.store.scope import scoped
from gateway.store.sessions import Beginning

log = structlog.get_logger()

PROVIDERS = web.AppKey("providers", Providers)
SETTINGS = web.AppKey("settings", Settings)

PATIENCE: Final = timedelta(minutes=10)
"""How long somebody may take at the provider."""
HOME: Final = "/console"
_HEADERS: Final = {**SECURITY, "Cache-Control": "no-store"}


class SignInQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to sign in."""

    authority: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    """Whose people one belongs to. Without it, and where there are several, a page asks."""
    provider: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    return_to: Annotated[str, msgspec.Meta(max_length=500)] = HOME
    """A path of ours to go on to."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who one is here."""

    authority: str
    authority_name: str
    name: str
    kind: str
    """`person` or `key`."""
    roles: list[str]
    organisation: str | None
    """Set for an organisation's own staff."""
    sees_details: bool
    """Whether citizens' details are shown unmasked."""
    csrf_header: str
    """To be sent as `1` with every change, where the session's cookie is what signs in."""


async def sign_in(request: web.Request) -> web.Response:
    """GET /sign-in."""
    query = read_query(request, SignInQuery)
    return_to = query.return_to if _is_ours(query.return_to) else HOME
    choices = _choices(request, query)
    if not choices:
        return _page(404, "There is nowhere to sign in", "Ask whoever runs this front door.")
    if len(choices) > 1:
        return _choice_page(request, choices, return_to)
    authority, provider = choices[0]
    try:
        discovery = await request.app[PROVIDERS].published(provider).discovery()
    except ProviderAway as error:
        return _page(503, "Signing in does not work just now", str(error), again=True)
    state, browser, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(4))
    beginning = Beginning(provider=provider.name, verifier=verifier, nonce=nonce, return_to=return_to)
    until = _now(request) + PATIENCE
    with unavailable_is_clear():
        async with scoped(request.app[POOL], authority) as connection:
            await sessions.begin_sign_in(
                connection, authority, beginning, state=state, browser=browser, until=until
            )
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": _redirect_uri(request),
        "scope": " ".join(provider.scopes),
        "state": f"{authority}.{state}",
        "nonce": nonce,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in discovery.authorization_endpoint else "?"
    answer = _redirect(f"{discovery.authorization_endpoint}{joint}{urlencode(asked)}")
    set_cookie(answer, SIGN_IN, browser, seconds=int(PATIENCE.total_seconds()))
    return answer


async def come_back(request: web.Request) -> web.Response:
    """GET /sign-in/callback."""
    authority, _, state = request.query.get("state", "").partition(".")
    browser, code = request.cookies.get(SIGN_IN, ""), request.query.get("code", "")
    began = None
    if authority in request.app[UNDERSTANDING].door.authorities and browser:
        with unavailable_is_clear():
            began = await sessions.end_sign_in(
                request.app[POOL], authority, state=state, browser=browser, now=_now(request)
            )
    provider = request.app[PROVIDERS].named(began.provider) if began is not None else None
    if began is None or provider is None:
        return _page(400, "This sign-in has ended", "It took too long, or began elsewhere.", again=True)
    if not code:
        return _page(403, "You have not been signed in", "The provider said no.", again=True)
    try:
        claims = await request.app[PROVIDERS].exchange(
            provider,
            code=code,
            verifier=began.verifier,
            redirect=_redirect_uri(request),
            nonce=began.nonce,
        )
        caller = caller_of(claims, provider, request.app[UNDERSTANDING].door.authorities, authority)
    except NotGenuine as error:
        log.warning("sign-in refused", provider=provider.name, because=str(error))
        return _page(
            403, "You have not been signed in", f"What came back cannot be believed: {error}.", again=True
        )
    except Forbidden as error:
        log.warning("sign-in without a role", provider=provider.name, authority=authority)
        return _page(403, "You have no role here", f"{error}.")
    except ProviderAway as error:
        return _page(503, "Signing in does not work just now", str(error), again=True)
    return await _begin(request, caller, provider, began.return_to)


async def _begin(request: web.Request, caller: Caller, provider: Provider, return_to: str) -> web.Response:
    now, secret = _now(request), secrets.token_urlsafe(32)
    life = timedelta(hours=request.app[SETTINGS].session_hours)
    with unavailable_is_clear():
        async with scoped(request.app[POOL], caller.authority) as connection:
            before = read_session(request)
            if (
                before is not None and before[0] == caller.authority
            ):  # whoever was signed in here before is not any more
                await sessions.end_session(connection, *before)
            await sessions.begin_session(
                connection, caller, secret=secret, provider=provider.name, now=now, until=now + life
            )
            await record(connection, [Entry.of(caller, "signed_in", now, detail={"provider": provider.name})])
    log.info("signed in", authority=caller.authority, provider=provider.name)
    answer = _redirect(return_to)
    delete_cookie(answer, SIGN_IN)
    set_cookie(answer, SESSION, f"{caller.authority}.{secret}", seconds=int(life.total_seconds()))
    return answer


async def sign_out(request: web.Request) -> web.Response:
    """POST /sign-out."""
    session, caller = read_session(request), request[CALLER]
    if session is not None and caller.session:
        with unavailable_is_clear():
            async with scoped(request.app[POOL], caller.authority) as connection:
                await sessions.end_session(connection, *session)
                await record(connection, [Entry.of(caller, "signed_out", _now(request))])
    answer = web.Response(status=204)
    delete_cookie(answer, SESSION)
    return answer


async def me(request: web.Request) -> web.Response:
    """GET /api/v1/me."""
    caller = request[CALLER]
    place = request.app[UNDERSTANDING].door.authorities[caller.authority]
    return json_answer(
        Me(
            authority=caller.authority,
            authority_name=place.name,
            name=caller.name,
            kind=caller.kind,
            roles=sorted(role.value for role in caller.roles),
            organisation=caller.organisation,
            sees_details=caller.sees_details,
            csrf_header=CSRF_HEADER,
        )
    )


def _choices(request: web.Request, query: SignInQuery) -> list[tuple[str, Provider]]:
    return [
        (code, provider)
        for code in request.app[UNDERSTANDING].door.authorities
        if query.authority in (None, code)
        for provider in request.app[PROVIDERS].of(code)
        if query.provider in (None, provider.name)
    ]


def _now(request: web.Request) -> datetime:
    return request.app[CLOCK].now()


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _redirect_uri(request: web.Request) -> str:
    settings = request.app[SETTINGS]
    # Not from the Host header alone where we know better: whoever sends it chooses it.
    base = settings.public_url or f"http://{request.host}"
    return f"{base.rstrip('/')}/sign-in/callback"


def _is_ours(path: str) -> bool:
    """Whether going there stays with us."""
    return (
        path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    )


def _redirect(to: str) -> web.Response:
    return web.Response(status=302, headers={**_HEADERS, "Location": to})


def _page(status: int, title: str, text: str, *, again: bool = False) -> web.Response:
    link = "<p><a href='/sign-in'>Sign in again</a></p>" if again else ""
    body = f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{link}"
    return _html(status, title, body)


def _choice_page(request: web.Request, choices: list[tuple[str, Provider]], return_to: str) -> web.Response:
    authorities = request.app[UNDERSTANDING].door.authorities
    items = "".join(
        f"<li><a href='/sign-in?{escape(urlencode(asked))}'>{escape(authorities[code].name)}: "
        f"{escape(provider.title or provider.name)}</a></li>"
        for code, provider in choices
        for asked in [{"authority": code, "provider": provider.name, "return_to": return_to}]
    )
    return _html(200, "Sign in", f"<h1>Sign in</h1><ul>{items}</ul>")


def _html(status: int, title: str, body: str) -> web.Response:
    text = (
        "<!doctype html><html lang='en-GB'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)} - Front door</title><link rel='stylesheet' href='/web/style.css'></head>"
        f"<body><main>{body}</main></body></html>"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


_TAG: Final = "Signing in"
ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/sign-in",
        handler=sign_in,
        auth=Auth.PUBLIC,
        tag=_TAG,
        summary="Go to the provider to sign in, and come back with a session",
        description="For browsers: authorisation code with PKCE. The session is a cookie that no script can read.",
        query=SignInQuery,
        answers={200: str, 302: None, 404: str, 503: str},
        media_type="text/html",
        problems=(422,),
    ),
    Endpoint(
        method="GET",
        path="/sign-in/callback",
        handler=come_back,
        auth=Auth.PUBLIC,
        tag=_TAG,
        summary="Where the provider sends people back to",
        answers={302: None, 400: str, 403: str, 503: str},
        media_type="text/html",
    ),
    Endpoint(
        method="POST",
        path="/sign-out",
        handler=sign_out,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        limit=Limit.NEVER,
        tag=_TAG,
        summary="End this session",
        headers={CSRF_HEADER: "`1`, with the session's cookie."},
        answers={204: None},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/me",
        handler=me,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        tag=_TAG,
        summary="Who one is here, and what one may do",
        description=f"A key or token that is revoked is known for {REMEMBER:.0f} seconds more; a session ends at once.",
        answers={200: Me},
    ),
]
