"""What every stand-in back end has: a ledger, a lifecycle, faults, and a control surface over HTTP.

    backend = make("re", ledger, faults, lifecycle, options)     # in each protocol's sandbox module
    url = await backend.start("127.0.0.1", 0)
    ...
    await backend.close()

Control, on the same port (sandboxes listen on loopback only):

    POST /_sandbox/faults   {"mode": "http_503", "count": 2, "retry_after": 1}
    GET  /_sandbox/ledger   ?delivery_id=… | ?external_reference=…
    POST /_sandbox/advance  {"seconds": 3600}
    POST /_sandbox/move     {"external_reference": "…", "status": "rejected", "note": "…"}
    POST /_sandbox/reset
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl as tls
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import msgspec
from aiohttp import web

from adapters.sandbox.callbacks import Callback, CallbackSender
from adapters.sandbox.faults import Fault, Faults, Handler, Mode, Scope
from adapters.sandbox.ledger import Case, Change, Clock, Ledger, utc_now
from adapters.sandbox.lifecycle import STAGES, Lifecycle

__all__ = [
    "STAGES",
    "Callback",
    "Case",
    "Change",
    "Clock",
    "Fault",
    "Faults",
    "HttpSandbox",
    "Ledger",
    "Lifecycle",
    "Mode",
    "SandboxBackend",
    "Scope",
    "add_control",
    "utc_now",
]


@runtime_checkable
class SandboxBackend(Protocol):
    """One organisation's stand-in back end."""

    protocol: ClassVar[str]
    code: str
    ledger: Ledger
    faults: Faults
    lifecycle: Lifecycle
    url: str
    """Where the protocol is spoken, once started."""
    control_url: str
    """Where `/_sandbox/…` is, once started."""

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ssl: tls.SSLContext | None = None,
        drive: bool = True,
    ) -> str:
        """Listen and say the URL. With `ssl`, TLS only; with `drive=False` cases move only when told to."""
        ...

    async def publish(self, changes: Sequence[Change]) -> None:
        """Tell the front door what changed, where the protocol calls back."""
        ...

    async def flush(self) -> None:
        """Wait until everything published was delivered or given up."""
        ...

    async def close(self) -> None:
        """Stop listening, let go of whatever hangs, close the ledger's file."""
        ...


class HttpSandbox:
    """A back end that speaks HTTP: add routes in `__init__`, override `refusal` and perhaps `callback`."""

    protocol: ClassVar[str]
    path: ClassVar[str] = ""
    """Appended to the address to make `url`."""

    def __init__(self, code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle) -> None:
        self.code = code
        self.ledger = ledger
        self.faults = faults
        self.lifecycle = lifecycle
        self.url = ""
        self.control_url = ""
        self.app = web.Application(client_max_size=4 * 1024 * 1024)
        add_control(self.app, self)
        self._sender = CallbackSender()
        self._runner: web.AppRunner | None = None
        self._driver: asyncio.Task[None] | None = None

    def route(self, method: str, path: str, handler: Handler, *, scope: Scope = Scope.OTHER) -> None:
        """Serve a path, failing it as told. `scope=Scope.DELIVER` marks the hand-over itself."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self.faults.around(scope, request, handler, self.refusal)

        self.app.router.add_route(method, path, handle)

    async def refusal(self, request: web.Request) -> web.Response:  # noqa: ARG002  for those who override it
        """Say no in the protocol's own words."""
        return web.json_response({"error": "refused"}, status=422)

    def callback(self, change: Change, case: Case) -> Callback | None:  # noqa: ARG002
        """Make the message that reports a change, or none where the protocol is polled."""
        return None

    async def publish(self, changes: Sequence[Change]) -> None:
        """Queue the callbacks for what changed: in order for each case, and tried again for a while."""
        for change in changes:
            case = self.ledger.get(change.external_reference)
            callback = self.callback(change, case) if case is not None else None
            if callback is not None:
                self._sender.send(change.external_reference, callback)

    async def flush(self) -> None:
        """Wait until every queued callback was delivered or given up."""
        await self._sender.flush()

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ssl: tls.SSLContext | None = None,
        drive: bool = True,
    ) -> str:
        """Listen and say the URL. With `drive=False` cases move only when told to."""
        # Callers have gone away by the time a hung handler is let go, so there is nothing to wait for.
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=ssl)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.control_url = f"{'https' if ssl else 'http'}://{host}:{bound}"
        self.url = self.control_url + self.path
        if drive:
            self._driver = asyncio.create_task(self.lifecycle.run(self.publish))
        return self.url

    async def close(self) -> None:
        """Stop listening, let go of whatever hangs, close the ledger's file."""
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
            self._driver = None
        self.faults.clear()
        await self._sender.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.ledger.close()

    def opened(self, case: Case) -> Case:
        """Put a newly opened case on its way. Call it when `Ledger.take` says that it is no repeat."""
        self.lifecycle.begin(case)
        return case


_T = TypeVar("_T")


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float = 0.0


class _Move(msgspec.Struct, forbid_unknown_fields=True):
    external_reference: str
    status: str
    note: str = ""


def add_control(app: web.Application, backend: SandboxBackend) -> None:
    """Add `/_sandbox/…` to an application."""

    async def faults(request: web.Request) -> web.Response:
        fault = await _body(request, Fault)
        if fault.mode is Mode.NONE:
            backend.faults.clear()
        else:
            backend.faults.apply(fault)
        return _json(fault)

    async def ledger(request: web.Request) -> web.Response:
        delivery_id, reference = request.query.get("delivery_id"), request.query.get("external_reference")
        if delivery_id is not None:
            cases = backend.ledger.by_delivery(delivery_id)
        elif reference is not None:
            found = backend.ledger.get(reference)
            cases = [found] if found is not None else []
        else:
            cases = list(backend.ledger)
        return _json({"code": backend.code, "count": len(cases), "cases": cases})

    async def advance(request: web.Request) -> web.Response:
        order = await _body(request, _Advance)
        now = backend.ledger.clock()
        changes = backend.lifecycle.advance(now + timedelta(seconds=order.seconds), stamp=now)
        await backend.publish(changes)
        return _json({"changes": changes})

    async def move(request: web.Request) -> web.Response:
        order = await _body(request, _Move)
        try:
            change = backend.lifecycle.move(order.external_reference, order.status, note=order.note)
        except KeyError:
            raise web.HTTPNotFound(text="unknown external_reference") from None
        await backend.publish([change])
        return _json({"changes": [change]})

    async def reset(_request: web.Request) -> web.Response:
        backend.faults.clear()
        backend.ledger.reset()
        return _json({})

    app.router.add_post("/_sandbox/faults", faults)
    app.router.add_get("/_sandbox/ledger", ledger)
    app.router.add_post("/_sandbox/advance", advance)
    app.router.add_post("/_sandbox/move", move)
    app.router.add_post("/_sandbox/reset", reset)


async def _body(request: web.Request, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=shape)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
