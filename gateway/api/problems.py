"""Every error is an RFC 9457 problem: a documented type, a title, and a detail that says what to do."""

from __future__ import annotations

import http
import re
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import msgspec
import structlog
from aiohttp import web

from adapters.base import CallbackRejected
from gateway import errors
from gateway.api.endpoint import METRICS, route_name
from gateway.chat.errors import ConversationClosed, NotYours, OutOfOrder
from gateway.oidc.keys import ProviderAway

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with what was sent."""

    detail: str
    pointer: str
    """JSON pointer into the body (`/citizen/email`), or `?name` for a query parameter."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    """A page under /api/docs that explains it."""
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Raised by a handler to answer with a problem."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str = "",
    *,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> ProblemError:
    """A problem ready to be raised; `kind` is the last part of its type URI."""
    return ProblemError(
        Problem(type=f"/api/docs#{kind}", title=title, status=status, detail=detail, errors=errors or []),
        headers,
    )


def invalid(detail: str, pointer: str = "") -> ProblemError:
    """What was sent is well-formed but cannot be taken."""
    return problem(
        422,
        "invalid",
        "The request cannot be taken",
        detail,
        errors=[FieldError(detail=detail, pointer=pointer)],
    )


_PATH: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")


def from_validation(error: msgspec.ValidationError) -> ProblemError:
    """Msgspec's "… - at `$.citizen.age`" as a problem with a JSON pointer."""
    text = str(error)
    found = _PATH.search(text)
    pointer = "/" + re.sub(r"[.\[]", "/", found["path"].strip(".")).replace("]", "") if found else ""
    return invalid(_PATH.sub("", text), pointer.replace("//", "/"))


@web.middleware
async def answer_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The last resort of every route: no answer without a problem, no stack trace to a caller."""
    try:
        return await handler(request)
    except ProblemError as raised:
        found = raised
    except web.HTTPException as raised:
        if raised.status < 400:
            raise
        found = _from_http(raised)
    except (errors.GatewayError, CallbackRejected) as raised:
        found = from_gateway(raised)
    except (ConnectionResetError, aiohttp.ClientConnectionError):
        raise
    except Exception:
        log.exception("handler failed", route=route_name(request))
        found = problem(
            500, "fault", "Something went wrong here", "It has been logged; nothing of yours was half-done."
        )
    request.app[METRICS].refused_input.labels(route_name(request), str(found.problem.status)).inc()
    return web.Response(
        status=found.problem.status,
        body=msgspec.json.encode(found.problem),
        content_type=MEDIA_TYPE,
        headers=found.headers,
    )


def _from_http(raised: web.HTTPException) -> ProblemError:
    title = http.HTTPStatus(raised.status).phrase
    headers = {"Allow": raised.headers["Allow"]} if "Allow" in raised.headers else {}
    details = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
        413: "The body is larger than this service takes.",
    }
    kind = title.lower().replace(" ", "-")
    return problem(raised.status, kind, title, details.get(raised.status, ""), headers=headers)


def from_gateway(raised: Exception) -> ProblemError:  # noqa: C901, PLR0911, PLR0912  one answer for each kind of error
    """What an error of ours is answered with."""
    detail = str(raised)
    match raised:
        case errors.StoreUnavailable():
            retry = {"Retry-After": str(raised.retry_after)}
            return problem(
                503,
                "unavailable",
                "The store is away",
                f"{detail}; try again with the same Idempotency-Key",
                headers=retry,
            )
        case errors.Overloaded():
            return problem(
                503, "overloaded", "Too busy", detail, headers={"Retry-After": str(raised.retry_after)}
            )
        case errors.NotFound():
            return problem(404, "not-found", "Not found", detail)
        case errors.Forbidden():
            return problem(403, "forbidden", "Not yours to do", detail)
        case ProviderAway():
            return problem(
                503, "sign-in-away", "Signing in does not work", detail, headers={"Retry-After": "10"}
            )
        case errors.InvalidInput():
            return invalid(detail, raised.pointer)
        case ConversationClosed():
            return problem(409, "conversation-closed", "The conversation has ended", detail)
        case OutOfOrder():
            return problem(409, "out-of-order", "Out of order", detail)
        case NotYours():
            return problem(409, "not-yours", "Not yours", detail)
        case errors.KeyReused():
            return problem(422, "key-reused", "Idempotency-Key reused", detail)
        case errors.Stale():
            return problem(
                412, "stale", "It has changed since", detail, headers={"ETag": f'"{raised.version}"'}
            )
        case errors.Conflict():
            return problem(409, "conflict", "Conflict", detail, headers={"Retry-After": "1"})
        case CallbackRejected():
            return problem(raised.status, "callback-rejected", "Callback rejected", raised.detail)
        case _:
            return problem(500, "fault", "Something went wrong here", detail)
