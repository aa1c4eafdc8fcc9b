"""`front-door classify`: JSON lines in, JSON lines out, without a database: to try the rules, and to measure them."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import IO, Annotated, Final

import msgspec

from routing_rules import decision
from routing_rules.decision import Action, Choice, Decision, Facts
from routing_rules.door import Door
from routing_rules.errors import NotKnown

_CHUNK: Final = 50
"""Lines that one process takes at a time."""

_BLOCK: Final = 1 << 18


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of input."""

    text: Annotated[str, msgspec.Meta(min_length=1)]
    authority: str = "barnet"
    postcode: str | None = None
    channel: str = "phone"
    age: int | None = None
    service: str | None = None
    provider: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One need in it."""

    text: str
    service: str | None
    organisation: str | None
    confidence: float
    action: str
    alternatives: list[Choice]


class Classified(msgspec.Struct, frozen=True, kw_only=True):
    """One line of output."""

    parts: list[Part]
    emergency: str | None
    """The service of the danger that was found."""
    microseconds: int
    """What the whole decision took."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A line that could not be taken."""

    error: str
    line: int


def classify_stream(door: Door, file: IO[bytes], now: datetime, *, processes: int) -> Iterator[list[bytes]]:
    """Answers in order, block by block as the input comes: a line that stands alone is answered at once.

    Where much comes together, `processes` share it.
    """
    # The door is inherited by fork, not sent: it is large, and holds what cannot be pickled.
    _inherited[:] = [(door, now)]
    with contextlib.ExitStack() as stack:
        pool = None
        for block in blocks(file):
            if len(block) <= _CHUNK or processes == 1:
                yield list(classify(door, block, now))
                continue
            if pool is None:
                pool = stack.enter_context(multiprocessing.get_context("fork").Pool(processes))
            chunks = [block[at : at + _CHUNK] for at in range(0, len(block), _CHUNK)]
            yield from pool.imap(_classify_chunk, chunks)


def blocks(file: IO[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Whatever lines are there, numbered from 1, without waiting for more of them."""
    number, rest = 0, b""
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    while data := read(_BLOCK):
        *whole, rest = (rest + data).split(b"\n")
        if whole:
            yield list(enumerate(whole, start=number + 1))
            number += len(whole)
    if rest:
        yield [(number + 1, rest)]


_inherited: list[tuple[Door, datetime]] = []


def _classify_chunk(chunk: list[tuple[int, bytes]]) -> list[bytes]:
    door, now = _inherited[0]
    return list(classify(door, chunk, now))


def classify(door: Door, lines: Iterable[tuple[int, bytes]], now: datetime) -> Iterator[bytes]:
    """One answer for each numbered line, in order.

    A line that cannot be taken is answered with `{"error": …, "line": n}`.
    """
    decoder, encoder = msgspec.json.Decoder(Asked), msgspec.json.Encoder()
    for number, line in lines:
        if not line.strip():
            continue
        try:
            asked = decoder.decode(line)
            began = time.perf_counter_ns()
            made = door.decide(asked.text, _facts(asked, now))
            took = time.perf_counter_ns() - began
        except (msgspec.DecodeError, NotKnown) as error:
            yield encoder.encode(Failed(error=str(error), line=number))
            continue
        yield encoder.encode(_answer(made, took // 1000))


def _facts(asked: Asked, now: datetime) -> Facts:
    return Facts(
        authority=asked.authority,
        now=now,
        channel=asked.channel,
        postcode=asked.postcode,
        age=asked.age,
        service=asked.service,
        provider=asked.provider,
    )


def _organisation(part: decision.Part) -> str | None:
    """Who answers for it. In an emergency that is the body to call, although somebody of ours is alerted as well."""
    if part.action is Action.EMERGENCY and part.signpost is not None:
        return "signpost"
    return part.organisation


def _answer(made: Decision, microseconds: int) -> Classified:
    return Classified(
        parts=[
            Part(
                text=part.text,
                service=part.service,
                organisation=_organisation(part),
                confidence=round(part.confidence, 4),
                action=part.action.value,
                alternatives=part.alternatives,
            )
            for part in made.parts
        ],
        emergency=made.emergency.service if made.emergency else None,
        microseconds=microseconds,
    )
