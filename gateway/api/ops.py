"""What ops and orchestrators ask: alive, ready, and the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.api.endpoint import METRICS, Auth, Endpoint, json_answer


class Readiness(msgspec.Struct):
    """Whether new requests may be sent here, and what is the matter if not."""

    ready: bool
    checks: dict[str, str]
    """Each part's state: `ok`, or what is wrong. `degraded: …` does not make it unready."""


CHECKS: web.AppKey[Callable[[], asyncio.Future[Readiness]]] = web.AppKey("checks")


async def livez(_: web.Request) -> web.Response:
    """GET /livez."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """GET /readyz."""
    readiness = await request.app[CHECKS]()
    return json_answer(readiness, 200 if readiness.ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """GET /metrics."""
    page = await asyncio.to_thread(request.app[METRICS].page)  # it reads /proc, and is long
    return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/livez",
        handler=livez,
        auth=Auth.PUBLIC,
        tag="Operations",
        summary="Whether the process answers",
        answers={200: str},
        media_type="text/plain",
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readyz,
        auth=Auth.PUBLIC,
        tag="Operations",
        summary="Whether it should be sent work",
        answers={200: Readiness, 503: Readiness},
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics,
        auth=Auth.PUBLIC,
        tag="Operations",
        summary="Prometheus metrics",
        answers={200: str},
        media_type="text/plain",
    ),
]
