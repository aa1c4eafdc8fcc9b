"""`front-door classify`: JSON lines in, JSON lines out, without a database: to try the rules, and to measure them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated

import msgspec

from routing_rules import decision
from routing_rules.decision import Action, Choice, Decision, Facts
from routing_rules.door import Door
from routing_rules.errors import NotKnown


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


def classify(door: Door, lines: Iterable[bytes], now: datetime) -> Iterator[bytes]:
    """One answer for each line, in order; a line that cannot be taken is answered with `{"error": …, "line": n}`."""
    decoder, encoder = msgspec.json.Decoder(Asked), msgspec.json.Encoder()
    for number, line in enumerate(lines, start=1):
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
