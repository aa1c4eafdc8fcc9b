"""Where organisations report status. Each one's adapter checks that it is really them."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from adapters.base import CallbackPage
from gateway.api.endpoint import Auth, Endpoint, json_answer
from gateway.clock import Clock
from gateway.delivery.line import Line
from gateway.delivery.status import StatusSync
from gateway.errors import NotFound

LINES: web.AppKey[Mapping[tuple[str, str], Line]] = web.AppKey("lines")
STATUS = web.AppKey("status", StatusSync)
CLOCK: web.AppKey[Clock] = web.AppKey("clock")


async def receive(request: web.Request) -> web.Response:
    """POST /callbacks/{authority}/{organisation}… ."""
    name = request.match_info["authority"], request.match_info["organisation"]
    line = request.app[LINES].get(name)
    if line is None:
        raise NotFound("no such organisation")
    headers = {key.lower(): value for key, value in request.headers.items()}
    headers[":path"] = request.match_info.get("tail", "")
    headers[":query"] = request.query_string
    body = await request.read()
    updates = line.adapter.read_callback(headers, body, request.app[CLOCK].now())
    await request.app[STATUS].apply(*name, updates)
    return json_answer({"received": len(updates)}, 200)


async def page(request: web.Request) -> web.Response:
    """GET /callbacks/{authority}/{organisation}: what a link in a mail opens. Opening it changes nothing."""
    line = request.app[LINES].get((request.match_info["authority"], request.match_info["organisation"]))
    if line is None or not isinstance(line.adapter, CallbackPage):
        raise NotFound("there is no page for this organisation")
    text = line.adapter.callback_page(request.query_string)
    return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)


PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

ENDPOINTS = [
    Endpoint(
        method="POST",
        path=path,
        handler=receive,
        auth=Auth.SIGNED,
        tag="Organisations",
        summary="Report the status of a case",
        description="Signed or carrying a token, as agreed with the organisation. Repeating it is harmless.",
        answers={200: dict[str, int]},
        problems=(400, 401, 404, 413, 422, 503),
    )
    for path in ("/callbacks/{authority}/{organisation}", "/callbacks/{authority}/{organisation}/{tail:.+}")
] + [
    Endpoint(
        method="GET",
        path="/callbacks/{authority}/{organisation}",
        handler=page,
        auth=Auth.SIGNED,
        tag="Organisations",
        summary="The page behind a mail's link, where an organisation without a system says how a case stands",
        answers={200: str},
        media_type="text/html",
        problems=(400, 401, 404),
    )
]
