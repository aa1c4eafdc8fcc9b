"""Assembles the web application, one cleanup context a resource, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from gateway import postgres, postgres_cluster
from gateway.api import (
    bulk,
    call_backs,
    callbacks,
    care,
    chat,
    chat_access,
    chat_files,
    chat_pages,
    claims,
    console,
    context,
    conversations,
    corrections,
    decisions,
    docs,
    duplicates,
    health,
    live,
    openapi,
    ops,
    privacy,
    referrals,
    search,
    sign_in,
    staff,
    subscriptions,
    worklist,
    writing,
)
from gateway.api.auth import CALLERS, Callers, authenticate
from gateway.api.desk import DESK
from gateway.api.endpoint import ENDPOINTS, METRICS, Endpoint, add_endpoints, route_name
from gateway.api.limits import LIMITS, Limits
from gateway.api.problems import answer_problems
from gateway.audit.chainer import Chainer
from gateway.audit.key import audit_key
from gateway.audit.tail import checking
from gateway.audit.witness import Witness
from gateway.chat.desk import Desk as ChatDesk
from gateway.chat.hub import Hub
from gateway.chat.keeper import Keeper as ChatKeeper
from gateway.chat.meters import ChatMeters
from gateway.chat.service import Chat
from gateway.chat.surveys import Surveys
from gateway.clock import Clock, SystemClock
from gateway.connections import make_lines
from gateway.delivery.correction import Correcting
from gateway.delivery.courier import Courier
from gateway.delivery.ladder import Ladder
from gateway.delivery.not_fixed import NotFixed
from gateway.delivery.orphans import Orphans
from gateway.delivery.overdue import Overdue
from gateway.delivery.replay import Replay
from gateway.delivery.status import StatusSync
from gateway.delivery.subscribers import Subscribers
from gateway.demo.people import refuse_development
from gateway.errors import StoreUnavailable
from gateway.intake import Intake
from gateway.metrics import Metrics
from gateway.oidc.providers import Providers
from gateway.privacy.retention import retiring
from gateway.reload import Reload, engine_of
from gateway.settings import Settings
from gateway.store import roles
from gateway.store.pool import AWAY, Pool, connecting, pool_of
from gateway.store.prepare import prepare
from gateway.store.writer import Writer
from gateway.understanding import Understanding
from gateway.watch import watching
from gateway.work.desk import Desk
from gateway.work.keeper import Keeper
from gateway.work.live import Live
from routing_rules.authority import Authority
from routing_rules.door import Door

log = structlog.get_logger()

SURFACES = (
    *(staff, decisions, worklist, claims, writing, call_backs, corrections, referrals, duplicates, bulk),
    *(search, context, live, care, health, conversations, subscriptions, callbacks, privacy, sign_in),
    *(chat, chat_files, chat_pages, console, ops, openapi, docs),
)
"""Each module brings its `ENDPOINTS`."""

MOST_BYTES = 256 * 1024
_CLASS = {3: "3xx", 4: "4xx", 5: "5xx"}
DRAINING = web.AppKey("draining", asyncio.Event)
COURIER = web.AppKey("courier", Courier)
RELOAD = web.AppKey("reload", Reload)
COURIER_POOL: web.AppKey[Pool] = web.AppKey("courier_pool")
INTAKE_POOL: web.AppKey[Pool] = web.AppKey("intake_pool")
KEEPER = web.AppKey("keeper", Keeper)


def build(
    settings: Settings, door: Door, environ: Mapping[str, str], *, clock: Clock | None = None
) -> web.Application:
    """The application. Resources open when it starts, in order, and close in reverse."""
    refuse_development(settings)
    clock = clock or SystemClock()
    metrics = Metrics()
    app = web.Application(
        middlewares=[_measure, chat_access.guard_origin, answer_problems, authenticate],
        client_max_size=MOST_BYTES,
    )
    app[METRICS] = metrics
    app[ENDPOINTS] = {}
    app[DRAINING] = asyncio.Event()
    app[chat_access.SETTINGS] = settings
    app[callbacks.CLOCK] = clock
    app[sign_in.SETTINGS] = settings
    app[LIMITS] = Limits(clock, person=settings.person_per_minute, key=settings.key_per_minute)
    app[staff.UNDERSTANDING] = Understanding(door, metrics)
    app[decisions.SUGGESTING] = asyncio.Semaphore(decisions.MOST_AT_ONCE)
    lines = make_lines(door, settings, environ, clock, metrics)
    app[callbacks.LINES] = lines
    app[RELOAD] = Reload(app[staff.UNDERSTANDING], lines, settings, environ, clock, metrics)
    endpoints = _endpoints()
    add_endpoints(app, endpoints)
    metrics.begin_routes(sorted({endpoint.path for endpoint in endpoints}))
    app[openapi.DOCUMENT], app[docs.PAGE] = _documents()
    app.cleanup_ctx.append(lambda app: _store(app, settings))
    app.cleanup_ctx.append(lambda app: _people(app, settings, clock))
    app.cleanup_ctx.append(lambda app: _witness(app, clock))
    app.cleanup_ctx.append(_places)
    app.cleanup_ctx.append(_lines)
    app.cleanup_ctx.append(lambda app: _subscribers(app, settings, clock))
    app.cleanup_ctx.append(lambda app: _courier(app, settings, clock))
    app.cleanup_ctx.append(lambda app: _desk(app, clock))
    app.cleanup_ctx.append(lambda app: _intake(app, settings, clock))
    app.cleanup_ctx.append(lambda app: _chat(app, settings, clock))
    app.on_response_prepare.append(chat_access.allow_origin)
    app.cleanup_ctx.append(lambda app: _watch(app, settings))
    app.cleanup_ctx.append(lambda app: _record_keeping(app, settings, clock))
    app.on_shutdown.append(live.close)
    return app


def _endpoints() -> list[Endpoint]:
    return [endpoint for surface in SURFACES for endpoint in surface.ENDPOINTS]


@functools.cache
def _documents() -> tuple[bytes, str]:
    """The API's description and the page made from it: the same for every application of this process."""
    document = openapi.encode(_endpoints())
    return document, docs.page(msgspec.json.decode(document))


async def _store(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = await stack.enter_async_context(
                postgres.running(postgres_cluster.data_folder(settings.data_dir))
            )
        connector = await stack.enter_async_context(connecting(url, timeout=settings.connect_timeout))
        async with pool_of(connector, size=1) as owner:
            await prepare(owner)
        for key, role, size in (
            (staff.POOL, roles.STAFF, settings.pool_size),
            (COURIER_POOL, roles.COURIER, settings.pool_size + 1),  # one is held by the witness
            (INTAKE_POOL, roles.INTAKE, settings.writers),
        ):
            name = role.removeprefix("front_door_")
            waits = app[METRICS].pool_wait.labels(name)
            app[METRICS].pool_size.labels(name).set(size)
            app[key] = await stack.enter_async_context(pool_of(connector, size=size, role=role, waits=waits))
        app[ops.CHECKS] = lambda: asyncio.ensure_future(_checks(app))
        yield


async def _people(app: web.Application, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    async with Providers(settings.sign_in, clock).running() as providers:
        app[sign_in.PROVIDERS] = providers
        app[CALLERS] = Callers(app[staff.POOL], clock, providers, app[staff.UNDERSTANDING], settings)
        yield


async def _witness(app: web.Application, clock: Clock) -> AsyncIterator[None]:
    async with Witness(app[COURIER_POOL], clock).running() as witness:
        app[staff.WITNESS] = witness
        yield


async def _places(app: web.Application) -> AsyncIterator[None]:
    """Read the national postcodes beside the rest: three seconds that no citizen should wait for."""
    loading = asyncio.create_task(
        asyncio.to_thread(app[staff.UNDERSTANDING].door.places.preload), name="postcodes"
    )
    yield
    await loading


async def _lines(app: web.Application) -> AsyncIterator[None]:
    async with app[RELOAD].running():
        yield
    for line in app[callbacks.LINES].values():
        await line.adapter.close()


async def _subscribers(app: web.Application, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    subscribers = Subscribers(
        app[COURIER_POOL],
        clock,
        app[METRICS],
        lease_margin=settings.lease_margin,
        allow_private=settings.private_subscribers,
    )
    app[subscriptions.SUBSCRIBERS] = subscribers
    async with subscribers.running():
        yield
    await subscribers.close()


async def _courier(app: web.Application, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    understanding, lines = app[staff.UNDERSTANDING], app[callbacks.LINES]
    courier = Courier(
        app[COURIER_POOL],
        lines,
        understanding,
        clock,
        app[METRICS],
        worker=f"{socket.gethostname()}:{os.getpid()}",
        poll=settings.courier_poll,
        callback_base=settings.public_url or f"http://{settings.host}:{settings.port}",
        subscribers=app[subscriptions.SUBSCRIBERS],
    )
    app[COURIER] = courier
    app[subscriptions.SUBSCRIBERS].wake = courier.wake
    sync = StatusSync(app[COURIER_POOL], lines, understanding, clock, app[METRICS], on_handed_on=courier.wake)
    app[callbacks.STATUS] = sync
    app[care.REPLAY] = Replay(app[staff.POOL], clock, wake=courier.wake)
    app[corrections.CORRECTING] = Correcting(
        app[staff.POOL], understanding, clock, app[METRICS], wake=courier.wake
    )
    orphans = Orphans(app[COURIER_POOL], understanding, clock, wake=courier.wake)
    app[RELOAD].on_swapped += [sync.follow, orphans.look]
    overdue = Overdue(app[COURIER_POOL], lines, understanding, clock, wake=courier.wake)
    ladder = Ladder(app[COURIER_POOL], understanding, clock, app[METRICS], wake=courier.wake)
    async with (
        courier.running(settings.drain),
        sync.polling(),
        overdue.watching(),
        ladder.climbing(),
        orphans.watching(),
    ):
        yield


async def _desk(app: web.Application, clock: Clock) -> AsyncIterator[None]:
    app[DESK] = Desk(app[staff.POOL], app[staff.UNDERSTANDING], clock, app[METRICS], wake=app[COURIER].wake)
    app[live.LIVE] = Live(app[DESK])
    app[KEEPER] = Keeper(app[DESK])
    async with app[KEEPER].keeping():
        yield


async def _intake(app: web.Application, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    writer = Writer(app[INTAKE_POOL], app[METRICS], batch=settings.batch, most_waiting=settings.max_in_flight)
    app[staff.INTAKE] = Intake(
        app[staff.UNDERSTANDING],
        writer,
        clock,
        app[METRICS],
        most_in_flight=settings.max_in_flight,
        on_accepted=app[COURIER].wake,
    )
    app[corrections.NOT_FIXED] = NotFixed(
        app[staff.POOL], app[staff.UNDERSTANDING], app[corrections.CORRECTING], app[staff.INTAKE], clock
    )
    async with writer.group.running(settings.writers):
        yield


async def _chat(app: web.Application, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    pool, understanding, intake = app[staff.POOL], app[staff.UNDERSTANDING], app[staff.INTAKE]
    meters = ChatMeters(app[METRICS].registry, understanding.door.authorities)
    hub = Hub(pool)
    talks = Chat(pool, understanding, intake, hub, clock, meters)
    app[chat_access.CHAT], app[chat_access.METERS] = talks, meters
    app[chat_access.LIMITS] = chat_access.Limits(clock, settings.chat_starts)
    app[chat_files.UNPACKING] = asyncio.Semaphore(chat_files.MOST_AT_ONCE)
    app[conversations.DESK] = ChatDesk(talks)
    app[chat.SURVEYS] = Surveys(pool, intake, app[corrections.NOT_FIXED], clock, meters)
    closing = asyncio.create_task(_close_streams(app[DRAINING], hub), name="chat-closing")
    async with hub.running(), ChatKeeper(talks, understanding).running():
        yield
    closing.cancel()


async def _close_streams(draining: asyncio.Event, hub: Hub) -> None:
    """Whoever listens goes to another process while this one ends."""
    await draining.wait()
    hub.close()


async def _watch(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    wanted = settings.data_dir
    folder = wanted or Path("var")
    if settings.database_url is None:
        folder = await asyncio.to_thread(postgres_cluster.data_folder, wanted)
    organisations, subscribers = app[callbacks.LINES], app[subscriptions.SUBSCRIBERS]
    async with watching(
        app[COURIER_POOL],
        app[METRICS],
        app[callbacks.CLOCK],
        names=lambda: [*organisations, *subscribers.lines],
        authorities=lambda: app[staff.UNDERSTANDING].door.authorities,
        pools={"staff": app[staff.POOL], "courier": app[COURIER_POOL], "intake": app[INTAKE_POOL]},
        folder=folder,
    ):
        yield


async def _record_keeping(app: web.Application, settings: Settings, clock: Clock) -> AsyncIterator[None]:
    understanding, pool, metrics = app[staff.UNDERSTANDING], app[COURIER_POOL], app[METRICS]
    key = await asyncio.to_thread(audit_key, settings)

    def authorities() -> Mapping[str, Authority]:
        return understanding.door.authorities

    async with (
        Chainer(pool, clock, metrics, authorities, key=key).running(),
        checking(pool, metrics, authorities, key=key),
        retiring(app[staff.POOL], clock, authorities),
    ):
        yield


async def _checks(app: web.Application) -> ops.Readiness:
    door, refused = app[staff.UNDERSTANDING].door, app[RELOAD].refused
    checks = {
        "rules": f"degraded: {len(refused)} errors in the folder, the older rules are in use"
        if refused
        else "ok",
        "engine": f"{engine_of(door)}, rules {door.fingerprint[:12]}",
    }
    ready = True
    if app[DRAINING].is_set():
        checks["process"], ready = "shutting down", False
    try:
        async with asyncio.timeout(2):
            await app[staff.POOL].fetchval("SELECT 1")
        checks["database"] = "ok"
    except (*AWAY, StoreUnavailable):
        checks["database"], ready = "away", False
    missing = sorted("/".join(name) for name, line in app[callbacks.LINES].items() if not line.connected)
    checks["organisations"] = (
        f"degraded: to the worklist, not connected: {', '.join(missing)}" if missing else "ok"
    )
    return ops.Readiness(ready=ready, checks=checks)


@web.middleware
async def _measure(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    metrics, route = request.app[METRICS], route_name(request)
    status, began = 500, time.perf_counter()
    metrics.in_flight.inc()
    try:
        answer = await handler(request)
        status = answer.status
    except web.HTTPException as other:  # a redirection: everything else is an answer by now
        status = other.status
        raise
    except (ConnectionResetError, asyncio.CancelledError):
        status = 499  # the caller went away: no fault of ours
        raise
    else:
        return answer
    finally:
        metrics.in_flight.dec()
        metrics.http.labels(route).observe(time.perf_counter() - began)
        metrics.answers.labels(route, _CLASS.get(status // 100, "2xx")).inc()
