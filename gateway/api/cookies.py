"""The browser's cookie, and who may call with it: our own pages, and nobody else's."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.api.problems import problem

SESSION: Final = "__Host-front-door-session"
SIGN_IN: Final = "__Host-front-door-sign-in"
CSRF_HEADER: Final = "Front-Door-Csrf"
_SAFE: Final = {"GET", "HEAD", "OPTIONS"}


def set_cookie(answer: web.StreamResponse, name: str, value: str, *, seconds: int) -> None:
    """A cookie that no script reads, that goes to this host by https (or to this machine) and from our own pages."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="Lax")


def delete_cookie(answer: web.StreamResponse, name: str) -> None:
    """Take it away."""
    answer.set_cookie(name, "", max_age=0, path="/", secure=True, httponly=True, samesite="Lax")


def read_session(request: web.Request) -> tuple[str, str] | None:
    """The authority and the secret of the session's cookie; `None` if there is none."""
    authority, dot, secret = request.cookies.get(SESSION, "").partition(".")
    return (authority, secret) if dot and authority and secret and authority.isascii() else None


def check_same_site(request: web.Request, public_url: str | None) -> None:
    """Refuse a call with the cookie that another site's page made: 403.

    Browsers say where a call comes from (`Sec-Fetch-Site`, `Origin`), and no page elsewhere can add our header.
    """
    fetch_site = request.headers.get("Sec-Fetch-Site", "same-origin")
    safe = request.method in _SAFE
    if fetch_site not in ({"same-origin", "none"} if safe else {"same-origin"}):
        raise _cross_site(f"Sec-Fetch-Site is {fetch_site!r}")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in _own_origins(request, public_url):
        raise _cross_site("its Origin is another one")
    if not safe and request.headers.get(CSRF_HEADER) != "1":
        raise _cross_site(f"send {CSRF_HEADER}: 1")


def _own_origins(request: web.Request, public_url: str | None) -> set[str]:
    own = {f"http://{request.host}", f"https://{request.host}"}
    if public_url is not None:
        parts = urlsplit(public_url)
        own.add(f"{parts.scheme}://{parts.netloc}")
    return own


def _cross_site(detail: str) -> Exception:
    return problem(403, "cross-site", "Not from our own pages", detail)
