"""An authority's own systems subscribe to what happens: Standard Webhooks that carry ids and states, never words."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import msgspec
import structlog
from aiohttp import web

from adapters.base import ConfigurationError
from adapters.notices import check_subscriber_url
from adapters.standard_webhooks import PREFIX
from gateway.api.callbacks import CLOCK
from gateway.api.care import REPLAY, Count, Why
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.problems import invalid
from gateway.api.reading import checked_text, read_body
from gateway.api.staff import POOL
from gateway.callers import LEAD
from gateway.delivery.subscribers import Subscribers
from gateway.errors import Conflict, NotFound
from gateway.identifiers import uuid7
from gateway.store import notices
from gateway.store import subscriptions as store
from gateway.store.pool import Connection, unavailable_is_clear
from gateway.store.scope import scoped
from gateway.store.subscriptions import KINDS, Subscription

log = structlog.get_logger()

SUBSCRIBERS = web.AppKey("subscribers", Subscribers)

MOST: Final = 20
"""Subscriptions of one authority: each event is stored once for each."""
BOTH_VALID: Final = timedelta(hours=24)
"""How long the secret before is signed with too, after a change."""


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants to be told of what."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    """An https:// address on the public internet that takes POST."""
    kinds: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=50)] = tuple(KINDS)
    """All there are, unless given."""


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The subscription, and its secret this once."""

    subscription: Subscription
    secret: str
    """`whsec_…`: what notices are signed with. It cannot be shown again."""


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret, this once."""

    secret: str
    old_secret_until: datetime
    """Until then notices carry a signature by the old secret as well."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A test event is on its way."""

    webhook_id: UUID
    """What its `webhook-id` will be."""


async def create(request: web.Request) -> web.Response:
    """POST /api/v1/subscriptions."""
    body = await read_body(request, NewSubscription)
    _check_kinds(body.kinds)
    subscribers = request.app[SUBSCRIBERS]
    try:
        check_subscriber_url(body.url, allow_private=subscribers.allow_private)
    except ConfigurationError as error:
        raise invalid(str(error), "/url") from None
    caller, now, secret = request[CALLER], request.app[CLOCK].now(), _new_secret()
    subscription_id = uuid7(now)
    with unavailable_is_clear():
        async with _scoped(request) as connection:
            await store.add(
                connection,
                caller.authority,
                subscription_id,
                url=body.url,
                secret=secret,
                kinds=list(dict.fromkeys(body.kinds)),
                actor=caller.actor,
                now=now,
                most=MOST,
            )
        await subscribers.refresh()
        made = await _found(request, subscription_id)
    _tell_log(request, "subscription made", subscription_id)
    return json_answer(Created(subscription=made, secret=secret), 201)


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/subscriptions."""
    with unavailable_is_clear():
        async with _scoped(request) as connection:
            found = await store.listing(connection, request[CALLER].authority)
    return json_answer(found)


async def remove(request: web.Request) -> web.Response:
    """DELETE /api/v1/subscriptions/{subscription_id}."""
    subscription_id = _id(request)
    with unavailable_is_clear():
        async with _scoped(request) as connection:
            now = request.app[CLOCK].now()
            if not await store.remove(connection, request[CALLER].authority, subscription_id, now):
                raise _unknown(subscription_id)
        await request.app[SUBSCRIBERS].refresh()
    _tell_log(request, "subscription deleted", subscription_id)
    return web.Response(status=204)


async def rotate(request: web.Request) -> web.Response:
    """POST /api/v1/subscriptions/{subscription_id}/rotate-secret."""
    subscription_id, secret = _id(request), _new_secret()
    until = request.app[CLOCK].now() + BOTH_VALID
    with unavailable_is_clear():
        async with _scoped(request) as connection:
            if not await store.rotate(connection, request[CALLER].authority, subscription_id, secret, until):
                raise _unknown(subscription_id)
        await request.app[SUBSCRIBERS].refresh()
    _tell_log(request, "subscription's secret changed", subscription_id)
    return json_answer(Rotated(secret=secret, old_secret_until=until))


async def enable(request: web.Request) -> web.Response:
    """POST /api/v1/subscriptions/{subscription_id}/enable."""
    subscription_id = _id(request)
    with unavailable_is_clear():
        async with _scoped(request) as connection:
            now = request.app[CLOCK].now()
            if not await store.enable(connection, request[CALLER].authority, subscription_id, now):
                raise _unknown(subscription_id)
        await request.app[SUBSCRIBERS].refresh()
        found = await _found(request, subscription_id)
    _tell_log(request, "subscription enabled", subscription_id)
    return json_answer(found)


async def test(request: web.Request) -> web.Response:
    """POST /api/v1/subscriptions/{subscription_id}/test."""
    subscription_id, now = _id(request), request.app[CLOCK].now()
    authority, webhook_id = request[CALLER].authority, uuid7(now)
    notice = {
        "type": "test",
        "timestamp": now.isoformat(),
        "data": {"event": "test", "event_id": str(webhook_id), "authority": authority},
    }
    with unavailable_is_clear():
        await _live(request, subscription_id)
        async with _scoped(request) as connection:
            name = authority, subscription_id
            if not await notices.add(connection, name, webhook_id, notice, now):
                raise _unknown(subscription_id)
    request.app[SUBSCRIBERS].wake()
    return json_answer(Sent(webhook_id=webhook_id), 202)


async def replay(request: web.Request) -> web.Response:
    """POST /api/v1/subscriptions/{subscription_id}/replay."""
    body = await read_body(request, Why)
    subscription_id, caller = _id(request), request[CALLER]
    with unavailable_is_clear():
        await _live(request, subscription_id)
    replayed = await request.app[REPLAY].all_again(
        caller.authority,
        store.code_of(subscription_id),
        actor=caller.actor,
        reason=checked_text(body.reason, "/reason"),
    )
    return json_answer(Count(replayed=replayed))


def _check_kinds(kinds: Sequence[str]) -> None:
    for index, kind in enumerate(kinds):
        if kind not in KINDS:
            raise invalid(f"there is no kind {kind!r}; there are: {', '.join(KINDS)}", f"/kinds/{index}")


def _scoped(request: web.Request) -> AbstractAsyncContextManager[Connection]:
    return scoped(request.app[POOL], request[CALLER].authority)


def _new_secret() -> str:
    return PREFIX + base64.b64encode(os.urandom(32)).decode()


async def _found(request: web.Request, subscription_id: UUID) -> Subscription:
    async with _scoped(request) as connection:
        found = await store.one(connection, request[CALLER].authority, subscription_id)
    if found is None:
        raise _unknown(subscription_id)
    return found


async def _live(request: web.Request, subscription_id: UUID) -> None:
    found = await _found(request, subscription_id)
    if found.disabled_at is not None:
        raise Conflict(f"it is disabled because {found.disabled_because}; enable it first")


def _unknown(subscription_id: UUID) -> NotFound:
    return NotFound(f"there is no subscription {subscription_id}")


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["subscription_id"])
    except ValueError:
        raise NotFound("subscription id: not an id") from None


def _tell_log(request: web.Request, what: str, subscription_id: UUID) -> None:
    caller = request[CALLER]
    log.info(what, authority=caller.authority, subscription=str(subscription_id), actor=caller.actor)


_TAG: Final = "Subscriptions"
_ONE: Final = "/api/v1/subscriptions/{subscription_id}"
_KINDS: Final = "\n".join(f"- `{kind}`: {meaning}" for kind, meaning in KINDS.items())

ENDPOINTS = [
    Endpoint(
        method="POST",
        path="/api/v1/subscriptions",
        handler=create,
        auth=Auth.KEY,
        roles=LEAD,
        tag=_TAG,
        summary="Be told what happens",
        description="Standard Webhooks (standardwebhooks.com). Each event is posted as "
        '{"type", "timestamp", "data"} with references, ids, states and organisation codes: whoever wants more asks this '
        "API. `webhook-id` is the same at each attempt, so take each id once; order by `timestamp`, for a notice that had "
        "to be tried again comes late. Any answer but 2xx is tried again for three days (0, 5 s, 5 min, 30 min, 2 h, 5 h, "
        "10 h, 14 h, 20 h, 24 h); 410 disables the subscription, and so do five days without any success. One "
        f"subscription an address.\n\nKinds:\n\n{_KINDS}",
        body=NewSubscription,
        answers={201: Created},
        problems=(400, 401, 409, 413, 415, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/subscriptions",
        handler=listing,
        auth=Auth.KEY,
        tag=_TAG,
        summary="This authority's subscriptions",
        answers={200: list[Subscription]},
        problems=(401, 503),
    ),
    Endpoint(
        method="DELETE",
        path=_ONE,
        handler=remove,
        auth=Auth.KEY,
        roles=LEAD,
        tag=_TAG,
        summary="Be told no more",
        description="Its secret is deleted, and what had not been sent is not sent.",
        answers={204: None},
        problems=(401, 404, 503),
    ),
    Endpoint(
        method="POST",
        path=f"{_ONE}/rotate-secret",
        handler=rotate,
        auth=Auth.KEY,
        roles=LEAD,
        tag=_TAG,
        summary="Change the secret",
        description="For 24 hours notices carry signatures by both, new and old.",
        answers={200: Rotated},
        problems=(401, 404, 503),
    ),
    Endpoint(
        method="POST",
        path=f"{_ONE}/enable",
        handler=enable,
        auth=Auth.KEY,
        roles=LEAD,
        tag=_TAG,
        summary="Be told again",
        description="After it was disabled. Events since then are not sent; those given up before can be replayed.",
        answers={200: Subscription},
        problems=(401, 404, 503),
    ),
    Endpoint(
        method="POST",
        path=f"{_ONE}/test",
        handler=test,
        auth=Auth.KEY,
        roles=LEAD,
        tag=_TAG,
        summary="Send a test event",
        description="Of type `test`, whatever the kinds.",
        answers={202: Sent},
        problems=(401, 404, 409, 503),
    ),
    Endpoint(
        method="POST",
        path=f"{_ONE}/replay",
        handler=replay,
        auth=Auth.KEY,
        roles=LEAD,
        tag=_TAG,
        summary="Send what was given up again",
        description="One by one, or to see them: /api/v1/deliveries.",
        body=Why,
        answers={200: Count},
        problems=(400, 401, 404, 409, 413, 415, 422, 503),
    ),
]
