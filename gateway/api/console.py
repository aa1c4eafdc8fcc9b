"""The staff console: one page that holds nothing of anybody, and the scripts it is made of.

Everything it shows and does goes over the staff API under the session's cookie, so this module serves files and no more.
Their address holds a fingerprint of all of them: a browser keeps them for good, and a new version has a new address.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final

from aiohttp import web

from gateway.api.endpoint import Auth, Endpoint
from gateway.errors import NotFound

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    # No text ever becomes markup or script: a line of ours that tried it would fail in every browser that knows this.
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"


def _files() -> dict[str, bytes]:
    folder = resources.files("gateway") / "web" / "console"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


FILES: Final = _files()
VERSION: Final = hashlib.sha256(
    b"".join(name.encode() + hashlib.sha256(FILES[name]).digest() for name in sorted(FILES))
).hexdigest()[:16]
_PAGE: Final = (
    FILES["index.html"]
    .replace(b"{version}", VERSION.encode())
    .replace(
        b"{modules}",
        b"\n".join(
            f'<link rel="modulepreload" href="/web/console/{VERSION}/{name}">'.encode()
            for name in sorted(FILES)
            if name.endswith(".js")
        ),
    )
)


def _answer(request: web.Request, body: bytes, kind: str, kept: str) -> web.Response:
    """A file, or 304 to who has it already."""
    etag = hashlib.sha256(body).hexdigest()[:32]
    headers = {**SECURITY, "ETag": f'"{etag}"', "Cache-Control": kept}
    if any(each.value in {etag, "*"} for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    answer = web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
    answer.enable_compression()
    return answer


async def page(request: web.Request) -> web.Response:
    """GET /console and every view below it."""
    return _answer(request, _PAGE, "text/html", "no-cache")


async def file(request: web.Request) -> web.Response:
    """GET /web/console/{version}/{name}."""
    name = request.match_info["name"]
    kind = _KINDS.get("." + name.rpartition(".")[2])
    if kind is None or name not in FILES:
        raise NotFound("there is no such file")
    # While versions change, a page of the one may ask the other's process: it gets what there is, and does not keep it.
    kept = _FOR_GOOD if request.match_info["version"] == VERSION else "no-cache"
    return _answer(request, FILES[name], kind, kept)


ENDPOINTS = [
    *(
        Endpoint(
            method="GET",
            path=path,
            handler=page,
            auth=Auth.PUBLIC,
            tag="Pages",
            summary="The staff console",
            description="It holds nothing of anybody: what it shows comes from this API, for whoever is signed in.",
            answers={200: str, 304: None},
            media_type="text/html",
        )
        for path in ("/console", "/console/{view}", "/console/{view}/{name}")
    ),
    Endpoint(
        method="GET",
        path="/web/console/{version}/{name}",
        handler=file,
        auth=Auth.PUBLIC,
        tag="Pages",
        summary="What the console is made of",
        answers={200: str, 304: None},
        media_type="text/javascript",
        problems=(404,),
    ),
]
