"""The gateway as a textbook has it: for each request one connection from the pool, one transaction, one INSERT a row.

It stores the same rows in the same tables as the front door does for a request with a service's code: the request with its
decision, the referral, the delivery that waits, and the two events. What the front door decides for each service it is
told beforehand (`--routes`), so it does not even pay for deciding. It checks no API key, and delivers nothing.

`DATABASE_URL=postgresql://… python -m loadtest.partners.textbook --routes routes.json --port 0`, on the front door's schema.
"""

from __future__ import annotations

import os
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import msgspec
import uvloop
from aiohttp import web

from loadtest.partners.reading import READER, NewRequest
from loadtest.partners.serving import arguments, serve

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

PRIORITIES = {"safeguarding": 0, "urgent": 1, "normal": 2}
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What the front door made of a service's code."""

    decision: dict[str, Any]
    organisation: str | None
    state: str
    priority: str
    chain: list[str]
    """Who was behind the organisation."""
    answer: dict[str, Any]
    """The part of the acknowledgement that tells it."""


POOL: web.AppKey[Pool] = web.AppKey("pool")
ROUTES: web.AppKey[dict[str, Route]] = web.AppKey("routes")


async def create(request: web.Request) -> web.Response:
    """Store it, then acknowledge it."""
    body = READER.decode(await request.read())
    route = request.app[ROUTES].get(body.service or "")
    if route is None:
        return web.Response(status=422)
    now = datetime.now(UTC)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        reference = await store(connection, body, route, now)
    answer = {"reference": reference, "created_at": now, "parts": [{**route.answer, "text": body.text}]}
    return web.Response(status=201, body=msgspec.json.encode(answer), content_type="application/json")


async def store(connection: Connection, body: NewRequest, route: Route, now: datetime) -> str:
    """The rows, one after the other."""
    request_id, referral_id, trace_id = _id(), _id(), os.urandom(16).hex()
    reference = _reference()
    await connection.execute(
        "INSERT INTO requests (authority_id, request_id, reference, channel, text, citizen, postcode, decision,"
        " created_at, created_by, trace_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        *("barnet", request_id, reference, body.channel, body.text, _json(body.citizen), body.postcode),
        *(_json(route.decision), now, "key:load", trace_id),
    )
    await connection.execute(
        "INSERT INTO referrals (authority_id, referral_id, request_id, part, text, service, organisation, state, priority,"
        " chain, created_at, updated_at) VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $10)",
        *("barnet", referral_id, request_id, body.text, body.service, route.organisation, route.state),
        *(route.priority, route.chain, now),
    )
    await _event(connection, request_id, None, now, "received", {"channel": body.channel})
    why = {"action": "route", "service": body.service, "organisation": route.organisation, "confidence": 1.0}
    await _event(connection, request_id, referral_id, now, "decided", why)
    if route.organisation is not None and route.state == "routed":
        await connection.execute(
            "INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, role, state,"
            " priority, due_at, traceparent, created_at, updated_at)"
            " VALUES ($1, $2, $3, $4, $5, 'lead', 'waiting', $6, $7, $8, $7, $7)",
            *("barnet", _id(), referral_id, request_id, route.organisation, PRIORITIES[route.priority], now),
            f"00-{trace_id}-{os.urandom(8).hex()}-01",
        )
    return reference


async def _event(
    connection: Connection,
    request_id: uuid.UUID,
    referral_id: uuid.UUID | None,
    now: datetime,
    kind: str,
    detail: dict[str, Any],
) -> None:
    await connection.execute(
        "INSERT INTO events (authority_id, event_id, request_id, referral_id, at, kind, actor, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *("barnet", _id(), request_id, referral_id, now, kind, "key:load", _json(detail)),
    )


def _id() -> uuid.UUID:
    """Time-ordered like the front door's, so that indexes cost the same."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10)) & (1 << 74) - 1
    return uuid.UUID(
        int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0x2 << 62 | random & (1 << 62) - 1
    )


def _reference() -> str:
    body = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"BAR-{body[:4]}-{body[4:]}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def main() -> None:
    """Serve."""
    parser = arguments("The textbook gateway.")
    parser.add_argument(
        "--routes", required=True, type=Path, help="JSON: what the front door decides, by service"
    )
    parser.add_argument("--pool", type=int, default=10, help="connections (10 is asyncpg's own default)")
    chosen = parser.parse_args()
    url = os.environ["DATABASE_URL"]  # not an argument: it holds a password, and everybody may list processes

    async def database(app: web.Application) -> AsyncIterator[None]:
        async with asyncpg.create_pool(url, min_size=chosen.pool, max_size=chosen.pool) as pool:
            app[POOL] = pool
            yield

    app = web.Application()
    app[ROUTES] = msgspec.json.decode(chosen.routes.read_bytes(), type=dict[str, Route])
    app.cleanup_ctx.append(database)
    app.router.add_post("/api/v1/requests", create)
    uvloop.run(serve(app, chosen.port))


if __name__ == "__main__":
    main()
