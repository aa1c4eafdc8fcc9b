"""What each way of failing means, step by step, at a mail server that does exactly what a test tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from adapters.base import DeliveryError, Refused, Unavailable, Uncertain
from adapters.smtp import SmtpSender, SmtpServer

HANG = "hang"
CLOSE = "close"
OK: Mapping[str, str] = {
    "greeting": "220 ready",
    "EHLO": "250 fine",
    "MAIL": "250 2.1.0 OK",
    "RCPT": "250 2.1.5 OK",
    "DATA": "354 go on",
    "message": "250 2.0.0 queued as Zephyrine",
    "QUIT": "221 bye",
}


@dataclass
class Scripted:
    """A mail server that answers by a script: a reply, `HANG` or `CLOSE` for each step."""

    script: Mapping[str, str] = field(default_factory=lambda: OK)
    port: int = 0
    connections: int = 0
    messages: list[bytes] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    got_one: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a whole message has arrived."""
    left_one: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has gone."""
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self.talk(reader, writer)
            # Nothing more is said. Whoever lets go of the connection ends this.
            await reader.read()
        self.left_one.set()
        writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self.answer(writer, "greeting"):
            return
        while line := await reader.readline():
            step = line.split()[0].decode().upper() if line.split() else ""
            self.log.append(line.decode().rstrip())
            if not await self.answer(writer, step):
                return
            if step == "DATA" and self.script.get("body") == HANG:
                cast("asyncio.Transport", writer.transport).pause_reading()
                return
            if step == "DATA" and self.script["DATA"].startswith("354"):
                self.messages.append((await reader.readuntil(b"\r\n.\r\n"))[:-5])
                self.got_one.set()
                if not await self.answer(writer, "message"):
                    return
            if step == "QUIT":
                writer.close()
                return

    async def answer(self, writer: asyncio.StreamWriter, step: str) -> bool:
        reply = self.script.get(step, "500 what?")
        if reply == HANG:
            return False
        if reply == CLOSE:
            writer.close()
            return False
        writer.write(reply.encode("latin-1") + b"\r\n")
        await writer.drain()
        return True

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(**changes: str) -> AsyncIterator[Scripted]:
    scripted = Scripted({**OK, **changes})
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        scripted.hang_up()
        await server.wait_closed()


def sender(port: int, **changes: object) -> SmtpSender:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "hello": "door.example",
        "timeout": 60.0,
    } | changes
    return SmtpSender(SmtpServer(**values))


async def send(to: SmtpSender, message: bytes = b"Subject: a\r\n\r\nb\r\n") -> int:
    return await to.send("a@door.example", ["b@charity.example", "c@charity.example"], message)


@pytest.mark.parametrize(
    ("step", "reply", "kind", "status"),
    [
        ("greeting", "554 no service here", Unavailable, 554),
        ("greeting", "421 busy", Unavailable, 421),
        ("greeting", CLOSE, Unavailable, None),
        ("greeting", HANG, Unavailable, None),
        ("greeting", "\x00nonsense", Unavailable, None),
        ("EHLO", CLOSE, Unavailable, None),
        ("EHLO", HANG, Unavailable, None),
        ("MAIL", "451 4.3.0 later", Unavailable, 451),
        ("MAIL", "552 5.3.4 too big", Refused, 552),
        ("MAIL", "530 5.7.0 sign in first", Unavailable, 530),
        ("MAIL", CLOSE, Unavailable, None),
        ("RCPT", "550 5.1.1 no such mailbox", Refused, 550),
        ("RCPT", "450 4.2.1 mailbox busy", Unavailable, 450),
        ("RCPT", "421 4.3.2 closing", Unavailable, 421),
        ("RCPT", HANG, Unavailable, None),
        ("RCPT", "nonsense", Unavailable, None),
        ("DATA", "554 5.5.1 no", Refused, 554),
        ("DATA", "451 4.3.0 later", Unavailable, 451),
        ("DATA", "250 what", Unavailable, None),
        ("DATA", CLOSE, Unavailable, None),
        ("DATA", HANG, Unavailable, None),
        ("message", "554 5.7.1 spam", Refused, 554),
        ("message", "451 4.3.0 later", Unavailable, 451),
        ("message", "421 4.3.2 closing", Unavailable, 421),
        ("message", "354 go on", Uncertain, None),
        ("message", "nonsense", Uncertain, None),
        ("message", CLOSE, Uncertain, None),
        ("message", HANG, Uncertain, None),
    ],
)
async def test_what_a_failure_means(
    step: str, reply: str, kind: type[DeliveryError], status: int | None
) -> None:
    """Until the message leaves nothing was taken; after that only a clear answer says what became of it."""
    # What hangs is waited out; where the message must have left by then, a slow machine has seconds for that.
    waits = 60.0 if reply != HANG else 6.0 if step == "message" else 0.3
    async with serving(**{step: reply}) as server:
        to = sender(server.port, timeout=waits)
        with pytest.raises(DeliveryError) as failed:
            await send(to)
        assert type(failed.value) is kind
        assert failed.value.status == status
        assert not server.messages or kind is Uncertain or step == "message"
        await to.close()


async def test_a_server_that_stops_reading_before_the_end_has_nothing() -> None:
    """However much of the message has gone: without its last dot no server keeps it, so it may be sent again."""
    async with serving(body=HANG) as server:
        with pytest.raises(Unavailable, match="time ran out"):
            await send(sender(server.port, timeout=1.0), b"Subject: a\r\n\r\n" + b"long\r\n" * 4_000_000)
        assert server.messages == []


async def test_a_server_that_hangs_up_in_the_middle_of_the_message_has_nothing() -> None:
    """It went away before the last dot could leave."""
    async with serving(body=HANG) as server:
        sending = asyncio.create_task(
            send(sender(server.port, timeout=60.0), b"Subject: a\r\n\r\n" + b"long\r\n" * 4_000_000)
        )
        while "DATA" not in server.log:
            await asyncio.sleep(0.01)
        server.hang_up()
        with pytest.raises(Unavailable):
            await sending


async def test_a_server_that_is_slow_before_the_message_leaves_time_for_its_answer() -> None:
    """When most of the time has gone before the dot, it is not sent at all: its answer would come too late."""
    async with serving(DATA=HANG) as server:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match="time ran out"):
            await send(sender(server.port, timeout=0.3))
        assert asyncio.get_running_loop().time() - began >= 0.2
        assert server.messages == []


@pytest.mark.parametrize("reply", ["250 OK", "250-a\r\n250 b", "252 maybe"])
async def test_any_clear_yes_is_one(reply: str) -> None:
    """A second-hundred answer, on one line or several, means that the server took it over."""
    async with serving(message=reply) as server:
        to = sender(server.port)
        assert await send(to) in (250, 252)
        await to.close()


async def test_the_servers_words_are_not_repeated() -> None:
    """A server may quote the message in its refusal; only its codes go into the error."""
    async with serving(message="554 5.7.1 we do not like the word Zephyrine") as server:
        to = sender(server.port)
        with pytest.raises(Refused) as refused:
            await send(to)
        assert refused.value.detail == "SMTP 554 5.7.1 after the message"
        assert "Zephyrine" not in repr(refused.value.__cause__)
        await to.close()


async def test_all_recipients_or_none() -> None:
    """If one of two mailboxes says no, the message is not sent to the other either."""
    async with serving() as server:
        replies = iter(["250 OK", "550 5.1.1 no such mailbox"])
        server.script = _Turns(OK, {"RCPT": replies})
        to = sender(server.port)
        with pytest.raises(Refused):
            await send(to)
        assert not server.messages
        assert not any(line.startswith("DATA") for line in server.log)
        await to.close()


class _Turns(dict[str, str]):
    """A script in which a step's reply differs from turn to turn."""

    def __init__(self, script: Mapping[str, str], turns: Mapping[str, object]) -> None:
        super().__init__(script)
        self.turns = turns

    def get(self, step: str, default: str = "") -> str:
        return next(self.turns[step]) if step in self.turns else super().get(step, default)


async def test_lines_that_begin_with_a_dot_arrive() -> None:
    """A line of one dot would end the message; it is doubled on the way, as the far end expects."""
    async with serving() as server:
        to = sender(server.port)
        await send(to, b"Subject: a\r\n\r\n.\r\n..b\r\nc.\r\n")
        assert server.messages == [b"Subject: a\r\n\r\n..\r\n...b\r\nc."]
        await to.close()


async def test_a_connection_is_kept_and_used_again() -> None:
    """Several messages go over one connection, and closing takes leave properly."""
    async with serving() as server:
        to = sender(server.port)
        for _ in range(3):
            await send(to)
        assert server.connections == 1
        await to.close()
        assert server.log[-1] == "QUIT"
        await to.close()


async def test_a_connection_that_went_away_is_replaced() -> None:
    """A server that closed the kept connection meanwhile costs nothing: a new one is made."""
    async with serving() as server:
        to = sender(server.port)
        await send(to)
        server.hang_up()
        await send(to)
        assert server.connections == 2
        assert len(server.messages) == 2
        await to.close()


async def test_a_kept_connection_that_is_shut_down_is_replaced() -> None:
    """A server that says 421 on the kept connection gets the message over a new one, once."""
    async with serving() as server:
        to = sender(server.port)
        await send(to)
        server.script = _Turns(OK, {"MAIL": iter(["421 4.4.2 idle for too long", "250 OK"])})
        await send(to)
        assert server.connections == 2
        assert len(server.messages) == 2
        await to.close()


async def test_a_connection_that_failed_is_not_kept() -> None:
    """After a refusal in mid-talk the next message starts on a clean connection."""
    async with serving(RCPT="550 5.1.1 no") as server:
        to = sender(server.port)
        with pytest.raises(Refused):
            await send(to)
        await server.left_one.wait()
        server.script = OK
        await send(to)
        assert server.connections == 2
        await to.close()


async def test_giving_up_waiting_leaves_nothing_open() -> None:
    """A hand-over that is cancelled lets go of its connection."""
    async with serving(message=HANG) as server:
        to = sender(server.port, timeout=30.0)
        task = asyncio.create_task(send(to))
        await server.got_one.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left_one.wait()
        await to.close()


async def test_connecting_has_its_own_limit() -> None:
    """A server that never greets is given up after the time for connecting, not the time for everything."""
    async with serving(greeting=HANG) as server:
        to = sender(server.port, timeout=3600.0, connect_timeout=0.1)
        with pytest.raises(Unavailable):
            await send(to)
        await to.close()
