"""A route described once: the router, the authentication and the OpenAPI document are all made from it."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from gateway.callers import STAFF, Caller, Role
from gateway.metrics import Metrics

METRICS = web.AppKey("metrics", Metrics)
CALLER = web.RequestKey("caller", Caller)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Auth(enum.Enum):
    """Who may call."""

    PUBLIC = "public"
    """Anyone: it tells nothing of any citizen."""
    KEY = "key"
    """Staff who signed in, and software with an API key, within their authority; `roles` says which."""
    CONVERSATION = "conversation"
    """The citizen whose conversation it is: they hold its token."""
    SIGNED = "signed"
    """The organisation itself: its adapter checks the signature or token."""


class Limit(enum.Enum):
    """Whether calling too often is refused."""

    CALLER = "caller"
    """By caller."""
    UNLESS_DANGER = "unless danger"
    """By caller, and the handler itself asks `refuse_if_over` once it knows that nobody is in danger."""
    NEVER = "never"
    """Somebody may be in danger."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One route."""

    method: str
    path: str
    handler: Any
    """A `Handler`."""
    summary: str
    auth: Auth
    tag: str
    roles: tuple[Role, ...] = STAFF
    """For `Auth.KEY`: who may call."""
    own_staff: bool = False
    """Whether organisations' own staff (`Caller.organisation`) may call. Then everything it reads goes through
    `scoped(…, organisation=caller.organisation)`."""
    limit: Limit = Limit.CALLER
    description: str = ""
    body: Any = None
    """The msgspec type of the JSON body."""
    query: Any = None
    """A msgspec Struct of the query parameters."""
    headers: dict[str, str] = {}
    """Request headers it reads, with what they are for."""
    answers: dict[int, Any] = {}
    """Status → type of the JSON answer (`None` for no body)."""
    problems: tuple[int, ...] = ()
    """Statuses of the problems it may answer, beside 500."""
    media_type: str = "application/json"


def route_name(request: web.Request) -> str:
    """The route's pattern: a label that does not grow with what callers send."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def add_endpoints(app: web.Application, endpoints: list[Endpoint]) -> None:
    """Register routes, each remembering its description so that the authentication middleware and tests find it."""
    for endpoint in endpoints:
        route = app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
        app[ENDPOINTS][id(route)] = endpoint


ENDPOINTS: web.AppKey[dict[int, Endpoint]] = web.AppKey("endpoints", dict)


def endpoint_of(request: web.Request) -> Endpoint | None:
    """The description of the route that was matched."""
    return request.app[ENDPOINTS].get(id(request.match_info.route))


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
