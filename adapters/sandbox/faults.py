"""Failing on demand: the faults themselves, and how an HTTP back end commits them."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]

HUGE: Final = 64 * 1024 * 1024
_CHUNK: Final = b" " * 65536


class Mode(enum.StrEnum):
    """What goes wrong. Unless it says otherwise the back end does not take the hand-over."""

    NONE = "none"
    REFUSE = "refuse"
    """Answers in its protocol's words that it will not take this one."""
    DUPLICATE = "duplicate"
    """It has it already, as if an earlier attempt had come through, and says so."""
    LOST_ANSWER = "lost_answer"
    """Takes it, then closes the connection without an answer."""
    SLOW = "slow"
    """Takes it after `delay` seconds, whether or not anybody still waits."""
    HANG_BEFORE_ACCEPT = "hang_before_accept"
    """Reads it and says nothing for `delay` seconds (or for good)."""
    HANG_AFTER_ACCEPT = "hang_after_accept"
    """Takes it and says nothing for `delay` seconds (or for good)."""
    HTTP_500 = "http_500"
    HTTP_500_AFTER_ACCEPT = "http_500_after_accept"
    """Takes it, then answers that it broke."""
    HTTP_503 = "http_503"
    HTTP_429 = "http_429"
    """Too many requests; `retry_after` says for how many seconds."""
    RESET_AFTER_ACCEPT = "reset_after_accept"
    """Takes it, then resets the connection (TCP RST)."""
    TRUNCATED = "truncated"
    """Takes it and cuts its answer off half-way."""
    GARBAGE = "garbage"
    """Takes it and answers 200 with nonsense under the right content type."""
    WRONG_CONTENT_TYPE = "wrong_content_type"
    """Takes it and answers 200 with somebody's HTML."""
    HUGE_BODY = "huge_body"
    """Takes it and answers with 64 MiB."""


class Scope(enum.StrEnum):
    """Which requests fail: hand-overs, everything else (look-ups, polls, tokens), or all."""

    DELIVER = "deliver"
    OTHER = "other"
    ALL = "all"


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order to fail, as it is POSTed to `/_sandbox/faults`."""

    mode: Mode
    count: int | None = None
    """How many requests fail; none given: until told otherwise."""
    delay: float | None = None
    """Seconds, for `slow` (default 1) and the hangs (default: for good)."""
    retry_after: float | None = None
    """Seconds, for `http_429` and `http_503`."""
    scope: Scope = Scope.DELIVER


NO_FAULT: Final = Fault(mode=Mode.NONE)


class Faults:
    """The fault that is in force, how many more times, and how many requests are being failed right now."""

    def __init__(self) -> None:
        self.fault = NO_FAULT
        self.committed = 0
        """How many times a fault was committed since the start."""
        self._left: int | None = None
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._released = asyncio.Event()

    def set(
        self,
        mode: Mode | str,
        *,
        count: int | None = None,
        delay: float | None = None,
        retry_after: float | None = None,
        scope: Scope = Scope.DELIVER,
    ) -> None:
        """Put a fault in force, instead of the one before it."""
        self.apply(Fault(mode=Mode(mode), count=count, delay=delay, retry_after=retry_after, scope=scope))

    def apply(self, fault: Fault) -> None:
        """Put a fault in force, instead of the one before it."""
        self.fault = fault
        self._left = fault.count

    def clear(self) -> None:
        """Stop failing, and let go of whatever hangs."""
        self.apply(NO_FAULT)
        self._released.set()
        self._released = asyncio.Event()

    def take(self, scope: Scope = Scope.DELIVER) -> Fault:
        """Use up one failure for a request of this scope. `NO_FAULT` means: behave."""
        fault = self.fault
        if fault.mode is Mode.NONE or fault.scope not in (scope, Scope.ALL) or self._left == 0:
            return NO_FAULT
        if self._left is not None:
            self._left -= 1
        self.committed += 1
        return fault

    async def hang(self, seconds: float | None) -> None:
        """Wait so many seconds, or for good; `clear` ends it."""
        try:
            await asyncio.wait_for(self._released.wait(), seconds)
        except TimeoutError:
            return

    async def quiet(self) -> None:
        """Wait until no request is being failed any more: what a fault was going to do is done."""
        await self._quiet.wait()

    def busy(self, by: int) -> None:
        """Count a request that is being failed (+1) or has been (-1)."""
        self._busy += by
        if self._busy:
            self._quiet.clear()
        else:
            self._quiet.set()

    async def around(
        self, scope: Scope, request: web.Request, handler: Handler, refusal: Handler
    ) -> web.StreamResponse:
        """Let an HTTP handler answer a request, or fail it as told. `refusal` is the protocol's own no."""
        fault = self.take(scope)
        if fault.mode is Mode.NONE:
            return await handler(request)
        self.busy(+1)
        try:
            await request.read()  # every fault comes after the request was received whole
            return await self._fail(fault, request, handler, refusal)
        finally:
            self.busy(-1)

    async def _fail(  # noqa: PLR0911  one return a fault
        self, fault: Fault, request: web.Request, handler: Handler, refusal: Handler
    ) -> web.StreamResponse:
        match fault.mode:
            case Mode.REFUSE:
                return await refusal(request)
            case Mode.HANG_BEFORE_ACCEPT:
                await self.hang(fault.delay)
                return web.Response(status=504)
            case Mode.HTTP_500:
                return web.Response(status=500, text="Internal Server Error")
            case Mode.HTTP_503:
                return web.Response(status=503, headers=_retry_after(fault), text="Service Unavailable")
            case Mode.HTTP_429:
                return web.Response(status=429, headers=_retry_after(fault), text="Too Many Requests")
            case Mode.SLOW:
                await self.hang(1.0 if fault.delay is None else fault.delay)
                return await handler(request)
            case Mode.DUPLICATE:
                await handler(request)
                return await handler(request)
            case _:
                return await self._fail_after(fault, request, await handler(request))

    async def _fail_after(
        self, fault: Fault, request: web.Request, answer: web.Response
    ) -> web.StreamResponse:
        """Commit a fault that comes after the hand-over was taken."""
        match fault.mode:
            case Mode.LOST_ANSWER:
                if request.transport is not None:
                    request.transport.close()
            case Mode.RESET_AFTER_ACCEPT:
                _reset(request)
            case Mode.HANG_AFTER_ACCEPT:
                await self.hang(fault.delay)
            case Mode.HTTP_500_AFTER_ACCEPT:
                return web.Response(status=500, text="Internal Server Error")
            case Mode.TRUNCATED:
                return await _truncate(request, answer)
            case Mode.GARBAGE:
                return _like(answer, b'\x00{"<]] nonsense \xff')
            case Mode.WRONG_CONTENT_TYPE:
                return web.Response(text="<html><body>Please sign in</body></html>", content_type="text/html")
            case _:
                return await _flood(request, answer)
        return answer


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}


def _reset(request: web.Request) -> None:
    """Close with RST instead of FIN: what a dying load balancer does."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _like(answer: web.Response, body: bytes) -> web.Response:
    content_type = answer.headers.get("Content-Type", "application/octet-stream")
    return web.Response(status=200, body=body, headers={"Content-Type": content_type})


async def _truncate(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = answer.body if isinstance(answer.body, bytes) and answer.body else b"{}"
    cut = web.StreamResponse(status=answer.status)
    cut.headers["Content-Type"] = answer.headers.get("Content-Type", "application/json")
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


async def _flood(request: web.Request, answer: web.Response) -> web.StreamResponse:
    flood = web.StreamResponse(status=answer.status)
    flood.headers["Content-Type"] = answer.headers.get("Content-Type", "application/json")
    await flood.prepare(request)
    with contextlib.suppress(ConnectionError):  # whoever has had enough hangs up
        for _ in range(HUGE // len(_CHUNK)):
            await flood.write(_CHUNK)
        await flood.write_eof()
    return flood
