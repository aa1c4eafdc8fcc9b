"""Telling a subscriber: any 2xx is a yes, 410 is an end, all else is tried again, and nothing inside is ever spoken to."""

from __future__ import annotations

import base64
import socket
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook, WebhookVerificationError

from adapters.addresses import OutsideResolver
from adapters.base import CallbackRejected, ConfigurationError, Handover, Refused, Unavailable
from adapters.notices import Notice, NoticeAdapter, check_subscriber_url
from tests.adapters.fake_http import serve

SECRETS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
FIELDS = {
    "delivery_id": "0194e0c5-0000-8000-8000-000000000001",
    "reference": "BAR-7K3M-9QXD",
    "authority": "barnet",
    "organisation": "subscription:x",
    "service": "",
    "service_name": "",
    "created_at": datetime(2026, 3, 2, tzinfo=UTC),
}
NOTICE = Notice(
    **FIELDS, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01", event={"type": "test", "data": {}}
)


async def deliver(url, notice=NOTICE, *, secrets=SECRETS[:1], allow_private=True, resolver=OutsideResolver):
    adapter = NoticeAdapter(
        url, lambda _: secrets, allow_private=allow_private, timeout=5, max_connections=2, resolver=resolver
    )
    try:
        return await adapter.deliver(notice)
    finally:
        await adapter.close()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"x" * 300_000])
async def test_any_2xx_is_a_yes_whatever_else_it_says(status, body):
    """Even more than we read."""
    async with serve(lambda _: web.Response(status=status, body=b"" if status == 204 else body)) as far:
        receipt = await deliver(far.url + "/hook")
    assert receipt.detail == f"HTTP {status}"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 409, 422, 429, 500, 502, 503])
async def test_anything_else_is_tried_again(status):
    """With Retry-After, where it was given; a redirect is not followed."""
    headers = {"Retry-After": "7", "Location": "/elsewhere"}
    async with serve(lambda _: web.Response(status=status, headers=headers)) as far:
        with pytest.raises(Unavailable) as raised:
            await deliver(far.url + "/hook")
        assert [each.path for each in far.requests] == ["/hook"]
    assert (raised.value.status, raised.value.retry_after) == (status, 7.0)


async def test_410_is_an_end():
    """It wants no more."""
    async with serve(lambda _: web.Response(status=410)) as far:
        with pytest.raises(Refused):
            await deliver(far.url)


async def test_the_public_library_verifies_it_by_either_secret():
    """While a secret is changed both sign, and no third one fits."""
    async with serve(lambda _: web.Response()) as far:
        await deliver(far.url, secrets=SECRETS)
    (seen,) = far.requests
    assert seen.headers["webhook-id"] == NOTICE.delivery_id
    assert seen.headers["traceparent"] == NOTICE.traceparent
    for secret in SECRETS:
        assert Webhook(secret).verify(seen.body, dict(seen.headers)) == {"type": "test", "data": {}}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"3" * 32).decode()).verify(seen.body, dict(seen.headers))


async def test_a_hand_over_is_never_posted():
    """What holds a citizen's fields cannot go out by mistake."""
    async with serve(lambda _: web.Response()) as far:
        with pytest.raises(TypeError):
            await deliver(far.url, Handover(**FIELDS, fields={"description": "planted"}))
    assert far.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.0.0.1./",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://0.0.0.0/",
    ],
)
def test_an_inner_address_is_refused_by_its_looks(url):
    """Before anything is stored."""
    with pytest.raises(ConfigurationError, match="leads inside"):
        check_subscriber_url(url, allow_private=False)
    check_subscriber_url(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///hook",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://127.0.0.1\\@example.com/",
        "https://%31%32%37.0.0.1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://017700000001./",
        "https://" + "a" * 2000 + ".example/",
    ],
)
@pytest.mark.parametrize("allow_private", [True, False])
def test_what_is_no_plain_address_is_refused(url, allow_private):
    """Nothing that one parser reads in one way and another in another."""
    with pytest.raises(ConfigurationError):
        check_subscriber_url(url, allow_private=allow_private)


def test_only_https_unless_private_ones_are_allowed():
    """Ids and states are worth hiding too."""
    check_subscriber_url("https://example.com:8443/hook?a=b", allow_private=False)
    with pytest.raises(ConfigurationError, match="https"):
        check_subscriber_url("http://example.com/", allow_private=False)


class Names(AbstractResolver):
    """Names lead where the test says."""

    def __init__(self, address):
        self.address = address

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": self.address, "port": port, "family": family, "proto": 0, "flags": 0}
        ]

    async def close(self):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
async def test_a_name_that_leads_inside_is_never_connected_to(address):
    """A name is checked whenever it is resolved; it may lead elsewhere tomorrow, so it is tried again."""
    async with serve(lambda _: web.Response()) as far:
        port = far.url.rpartition(":")[2]
        with pytest.raises(Unavailable) as raised:
            await deliver(
                f"https://hooks.example:{port}/",
                allow_private=False,
                resolver=lambda: OutsideResolver(Names(address)),
            )
    assert raised.value.detail == "the address leads inside"
    assert far.requests == []


async def test_a_subscriber_reports_nothing():
    """A callback in its name is refused."""
    adapter = NoticeAdapter(
        "https://example.com", lambda _: SECRETS, allow_private=False, timeout=5, max_connections=1
    )
    with pytest.raises(CallbackRejected):
        adapter.read_callback({}, b"{}", datetime.now(UTC))
