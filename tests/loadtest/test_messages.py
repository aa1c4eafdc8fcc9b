"""Requests are made as the gateway takes them, from a bank of our own words."""

from __future__ import annotations

import re
from collections import Counter

import msgspec
import pytest

from gateway.api.staff import NewRequest
from loadtest.errors import ScenarioError
from loadtest.messages import RequestMaker, load_bank, services
from loadtest.scenario import Ingredient
from routing_rules.door import Door


def body_of(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    assert int(re.search(rb"Content-Length: (\d+)", head)[1]) == len(body)
    return body


def maker(*mix: Ingredient, keys=("fd.barnet.x.y",), idempotency_keys=True) -> RequestMaker:
    return RequestMaker(mix, load_bank(), keys, seed=1, idempotency_keys=idempotency_keys, prepared=300)


def test_every_request_is_one_the_gateway_takes():
    """Whatever is mixed: the body fits the API's own type, unknown fields forbidden."""
    requests = maker(
        Ingredient(kind="usual"),
        Ingredient(kind="chat", channel="chat", citizen=False),
        Ingredient(kind="flood", coded=True, channel="web"),
        Ingredient(kind="danger"),
    )
    for _ in range(300):
        _, request = requests.next()
        msgspec.json.decode(body_of(request), type=NewRequest)


def test_a_coded_request_gives_the_code_and_the_others_do_not():
    """Coded: staff know it."""
    coded, free = maker(Ingredient(kind="chat", coded=True)), maker(Ingredient(kind="chat"))
    for _ in range(100):
        assert msgspec.json.decode(body_of(coded.next()[1]))["service"]
        assert "service" not in msgspec.json.decode(body_of(free.next()[1]))


def test_the_mix_follows_the_weights():
    """Nine to one is nine to one, roughly."""
    requests = maker(
        Ingredient(kind="usual", weight=9), Ingredient(kind="chat", channel="chat", weight=1, citizen=False)
    )
    channels = Counter(msgspec.json.decode(body_of(requests.next()[1]))["channel"] for _ in range(300))
    assert 10 <= channels["chat"] <= 55


def test_every_request_has_an_idempotency_key_of_its_own_if_wanted():
    """Also between two makers of the same seed, or the second run would only be answered from the first."""
    one, other = maker(Ingredient(kind="usual")), maker(Ingredient(kind="usual"))
    keys = [
        re.search(rb'Idempotency-Key: "([^"]+)"', each.next()[1])[1]
        for each in (one, other)
        for _ in range(400)
    ]
    assert len(set(keys)) == 800
    without = maker(Ingredient(kind="usual"), idempotency_keys=False).next()[1]
    assert b"Idempotency-Key" not in without
    body_of(without)


def test_requests_take_turns_among_the_keys():
    """Several authorities are loaded alike, and each request says with which key it was sent."""
    requests = maker(Ingredient(kind="usual"), keys=("fd.a.1.s", "fd.b.2.s"))
    for number in range(10):
        key, request = requests.next()
        assert key == number % 2
        assert (b"Bearer fd.a.1.s", b"Bearer fd.b.2.s")[key] in request


def test_a_kind_that_is_not_there_is_named():
    """With those that are."""
    with pytest.raises(
        ScenarioError, match="no messages of kind 'fire'; there are: chat, danger, flood, usual"
    ):
        maker(Ingredient(kind="fire"))


def test_the_bank_is_varied_and_its_codes_are_services(door: Door):
    """About 150 different lines, and no code the catalogue does not know."""
    bank = load_bank()
    texts = [each.text for messages in bank.values() for each in messages]
    assert len(texts) == len(set(texts)) >= 150
    assert set(services(bank)) <= set(door.catalogue.services)
