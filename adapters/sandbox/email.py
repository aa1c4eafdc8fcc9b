"""A charity's mailbox: a mail server that keeps what it gets, and somebody who opens the link in each mail.

Status words are the ones of the page behind the link: `received`, `working`, `done`, `declined`.

HTTP's faults become what a mail server does instead: 500 is 451, 503 is 421, 429 is 450, and a wrong
content type is an answer in HTTP. A mail server neither recognises a delivery nor says no after it said
yes, so `duplicate` and `http_500_after_accept` are an ordinary acceptance.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl as tls
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from typing import Any, ClassVar, Final, Literal

import msgspec
from aiohttp import web

from adapters.sandbox.callbacks import Callback, CallbackSender
from adapters.sandbox.core import Change, Fault, Faults, Ledger, Lifecycle, Mode, add_control
from adapters.sandbox.email_reading import decoded, sections
from adapters.sandbox.email_session import EmailOptions, Session
from adapters.sandbox.faults import HUGE

WORDS: Final = {
    "acknowledged": "received",
    "in_progress": "working",
    "resolved": "done",
    "rejected": "declined",
}
"""The sandbox's neutral status to the page's word."""

_ACCEPTED: Final = "250 2.0.0 OK"
_LINK: Final = re.compile(r"^https?://\S+$", re.MULTILINE)
_REFUSALS: Final = {
    Mode.REFUSE: "554 5.7.1 This mailbox does not take it",
    Mode.HTTP_500: "451 4.3.0 Local error",
    Mode.HTTP_503: "421 4.3.2 Closing",
    Mode.HTTP_429: "450 4.7.1 Too many mails",
}
_CHUNK: Final = b"2" * 65536
_NONSENSE: Final = {
    Mode.GARBAGE: b'\x00{"<]] nonsense \xff\r\n',
    Mode.WRONG_CONTENT_TYPE: b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\r\n",
    Mode.TRUNCATED: b"250 2.0.0",
}

# It would write every line of every mail into the log of whoever asks for debugging.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class EmailSandbox:
    """A mail server on one port, the control surface on another."""

    protocol: ClassVar[str] = "email"

    def __init__(
        self, code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: EmailOptions
    ) -> None:
        self.code = code
        self.ledger = ledger
        self.faults = faults
        self.lifecycle = lifecycle
        self.url = ""
        self.control_url = ""
        self.tls: Literal["none", "starttls", "implicit"] = "none"
        """How TLS is spoken, once started."""
        self._options = options
        self._sender = CallbackSender()
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._driver: asyncio.Task[None] | None = None
        self._sessions: set[Session] = set()
        self._failing: set[asyncio.Task[str]] = set()

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ssl: tls.SSLContext | None = None,
        drive: bool = True,
    ) -> str:
        """Listen and say the URL. With `drive=False` cases move only when told to."""
        self.tls = "none" if ssl is None else self._options.tls
        implicit = self.tls == "implicit"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Session(self._sessions, self, None if implicit else ssl, self._options),
            host,
            port,
            ssl=ssl if implicit else None,
        )
        self.url = f"{'smtps' if implicit else 'smtp'}://{host}:{self._server.sockets[0].getsockname()[1]}"
        app = web.Application()
        add_control(app, self)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, 0).start()
        self.control_url = f"http://{host}:{self._runner.addresses[0][1]}"
        if drive:
            self._driver = asyncio.create_task(self.lifecycle.run(self.publish))
        return self.url

    async def publish(self, changes: Sequence[Change]) -> None:
        """Report through the link of each mail that has one, as the mailbox's owner would."""
        for change in changes:
            case = self.ledger.get(change.external_reference)
            if case is None or case.callback_url is None:
                continue
            body = {
                "status": WORDS.get(change.status, change.status),
                "note": change.note,
                "update_id": change.update_id,
            }
            self._sender.send(
                change.external_reference,
                Callback(
                    url=case.callback_url,
                    body=msgspec.json.encode(body),
                    headers={"Content-Type": "application/json"},
                ),
            )

    async def flush(self) -> None:
        """Wait until every queued report was delivered or given up."""
        await self._sender.flush()

    async def close(self) -> None:
        """Stop listening, let go of whatever hangs, close the ledger's file."""
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
            self._driver = None
        self.faults.clear()
        await self._sender.close()
        if self._server is not None:
            self._server.close()
            sessions = list(self._sessions)
            for session in sessions:
                session.abort()
            await asyncio.gather(*(session.gone for session in sessions))
            await self._server.wait_closed()
            self._server = None
        await asyncio.gather(*self._failing, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.ledger.close()

    async def handle_DATA(self, session: Session, _state: Any, envelope: Any) -> str:  # noqa: N802  its name
        """Take a mail, or fail as told. Gives the answer."""
        content: bytes = envelope.original_content
        fault = self.faults.take()
        if fault.mode is Mode.NONE:
            return self._take(content)
        # In a task of its own: aiosmtpd drops what it is doing when the client goes; no real server does.
        task = asyncio.create_task(self._fail(fault, session, content))
        self._failing.add(task)
        task.add_done_callback(self._failing.discard)
        return await asyncio.shield(task)

    async def handle_exception(self, _error: Exception) -> str:
        """Answer for what went wrong here or in TLS, instead of logging it with what was in the mail."""
        return "451 4.3.0 Local error"

    async def _fail(self, fault: Fault, session: Session, content: bytes) -> str:
        self.faults.busy(+1)
        try:
            if fault.mode in _REFUSALS:
                return _REFUSALS[fault.mode]
            if fault.mode is Mode.HANG_BEFORE_ACCEPT:
                await self.faults.hang(fault.delay)
                return _REFUSALS[Mode.HTTP_500]
            if fault.mode is Mode.SLOW:
                await self.faults.hang(1.0 if fault.delay is None else fault.delay)
            answer = self._take(content)
            if fault.mode is Mode.HANG_AFTER_ACCEPT:
                await self.faults.hang(fault.delay)
            elif fault.mode in _NONSENSE:
                session.say(_NONSENSE[fault.mode])
                session.hang_up()
            elif fault.mode is Mode.HUGE_BODY:
                for _ in range(HUGE // len(_CHUNK)):
                    session.say(_CHUNK)
                    await asyncio.sleep(0)
            elif fault.mode is Mode.LOST_ANSWER:
                session.hang_up()
            elif fault.mode is Mode.RESET_AFTER_ACCEPT:
                session.reset()
            return answer
        finally:
            self.faults.busy(-1)

    def _take(self, content: bytes) -> str:
        # The older parser, which reads no header before it is asked for: five times as fast.
        mail = message_from_bytes(content)
        body = mail.get_payload(decode=True)
        if mail.get_content_type() != "text/plain" or not isinstance(body, bytes):
            return "554 5.6.1 Plain text only"
        text = body.decode(mail.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
        fields = {name.lower(): decoded(value) for name, value in mail.items()} | sections(text)
        link = _LINK.search(text)
        case, _ = self.ledger.take(
            mail.get("X-Front-Door-Delivery", ""),
            fields | {"text": text},
            service=mail.get("X-Front-Door-Service", ""),
            callback_url=link[0] if link else None,
            deduplicate=False,
            raw=content,
        )
        self.lifecycle.begin(case)
        return _ACCEPTED


def make(
    code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Mapping[str, Any]
) -> EmailSandbox:
    """Make a mailbox. Raises `ValueError` for wrong options."""
    return EmailSandbox(code, ledger, faults, lifecycle, msgspec.convert(options, EmailOptions))
