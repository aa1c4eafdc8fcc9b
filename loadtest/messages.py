"""The bank of messages, and whole HTTP requests made from it before the run, so that sending costs next to nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from importlib import resources
from random import Random
from typing import Any, Final

import msgspec

from loadtest.errors import ScenarioError
from loadtest.scenario import Ingredient, read_toml

Bank = dict[str, list["Message"]]

PREPARED: Final = 2000
"""Different requests that are made before a run, and then sent in turn."""

_FIRST = (
    "Amina",
    "Brian",
    "Chloe",
    "Dev",
    "Eilidh",
    "Femi",
    "Gwen",
    "Hassan",
    "Ines",
    "Jakub",
    "Kemi",
    "Liam",
)
_LAST = (
    "Abara",
    "Bennett",
    "Chowdhury",
    "Davies",
    "Eze",
    "Fraser",
    "Georgiou",
    "Hussain",
    "Ivanova",
    "Jones",
)
_STREETS = ("Alder Road", "Brook Lane", "Cherry Walk", "Dell Close", "Elm Park", "Field End", "Green Lane")
_POSTCODES = ("EN5 4NA", "N3 1XW", "HA8 0AD", "NW4 4BG", "N12 8QA", "NW9 5XT", "N2 8AG")


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a citizen says."""

    text: str
    service: str | None = None
    """The code staff would pick."""


def load_bank() -> Bank:
    """Messages by kind. Raises `ScenarioError`."""
    text = (resources.files("loadtest") / "messages.toml").read_text(encoding="utf-8")
    return read_toml("messages.toml", text, dict[str, list[Message]])


def services(bank: Bank) -> list[str]:
    """Every service's code in the bank, once."""
    return sorted({each.service for messages in bank.values() for each in messages if each.service})


class RequestMaker:
    """Whole requests in turn, over the keys in turn; only the Idempotency-Key is made while the load runs."""

    def __init__(
        self,
        mix: Sequence[Ingredient],
        bank: Bank,
        keys: Sequence[str],
        *,
        seed: int,
        idempotency_keys: bool,
        prepared: int = PREPARED,
    ) -> None:
        """Raises `ScenarioError` for a kind that is not in the bank, or has no codes where codes are wanted."""
        self._random = Random(seed)
        self._bank = bank
        chosen = self._random.choices(mix, [each.weight for each in mix], k=prepared)
        self._prepared = [
            (number % len(keys), *_request(self._body(ingredient), keys[number % len(keys)]))
            for number, ingredient in enumerate(chosen)
        ]
        self._keyed = idempotency_keys
        self._run = secrets.token_hex(6)
        self._count = 0

    def next(self) -> tuple[int, bytes]:
        """The number of the key, and the next request."""
        key, head, body = self._prepared[self._count % len(self._prepared)]
        self._count += 1
        if self._keyed:
            return key, b'%bIdempotency-Key: "%b-%d"\r\n\r\n%b' % (
                head,
                self._run.encode(),
                self._count,
                body,
            )
        return key, b"%b\r\n%b" % (head, body)

    def _body(self, ingredient: Ingredient) -> bytes:
        messages = self._bank.get(ingredient.kind)
        if messages is None:
            raise ScenarioError(
                f"there are no messages of kind {ingredient.kind!r}; there are: {', '.join(sorted(self._bank))}"
            )
        if ingredient.coded:
            messages = [each for each in messages if each.service]
            if not messages:
                raise ScenarioError(f"no message of kind {ingredient.kind!r} has a service's code")
        message = self._random.choice(messages)
        body: dict[str, Any] = {"text": message.text, "channel": ingredient.channel}
        if ingredient.coded:
            body["service"] = message.service
        if ingredient.citizen:
            body |= self._person()
        return msgspec.json.encode(body)

    def _person(self) -> dict[str, Any]:
        pick, first, last = self._random.choice, self._random.choice(_FIRST), self._random.choice(_LAST)
        citizen = {
            "name": f"{first} {last}",
            "phone": f"020 7946 0{self._random.randrange(1000):03}",
            "email": f"{first}.{last}@example.org".lower(),
            "address": f"{self._random.randrange(1, 200)} {pick(_STREETS)}",
        }
        return {"citizen": citizen, "postcode": pick(_POSTCODES)}


def _request(body: bytes, key: str) -> tuple[bytes, bytes]:
    head = (
        "POST /api/v1/requests HTTP/1.1\r\n"
        "Host: front-door\r\n"
        f"Authorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return head.encode(), body
