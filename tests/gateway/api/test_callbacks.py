"""Organisations report status: each proves who it is, and nothing that it sends twice or late does harm."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from adapters.email import _token
from gateway.app import build
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.store.writer import Writer
from tests.gateway.delivery.conftest import away, rules
from tests.gateway.store.conftest import make

__all__ = ["away", "make", "rules"]


def whsec(name):
    return "whsec_" + base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


NOWHERE = "http://127.0.0.1:9"
CALLBACK_SECRET = whsec("barnet homes, back")
MAIL_SECRET = "a secret for the links in mails, long enough"
ENVIRON = {
    "BARNET_BARNET_HOMES_URL": NOWHERE,
    "BARNET_BARNET_HOMES_SECRET": whsec("barnet homes"),
    "BARNET_BARNET_HOMES_CALLBACK_SECRET": CALLBACK_SECRET,
    "BARNET_BARNET_HOMES_ALLOW_PRIVATE": "true",
    "BARNET_YOUR_CHOICE_URL": NOWHERE,
    "BARNET_YOUR_CHOICE_SECRET": whsec("your choice"),
    "BARNET_YOUR_CHOICE_CALLBACK_SECRET": whsec("your choice, back"),
    "BARNET_YOUR_CHOICE_ALLOW_PRIVATE": "true",
    "BARNET_VOLUNTARY_HOST": "127.0.0.1",
    "BARNET_VOLUNTARY_PORT": "9",
    "BARNET_VOLUNTARY_SENDER": "front-door@example.org",
    "BARNET_VOLUNTARY_TO": "intake@example.org",
    "BARNET_VOLUNTARY_CALLBACK_SECRET": MAIL_SECRET,
    "BARNET_COUNCIL_URL": NOWHERE,
    "BARNET_COUNCIL_API_KEY": "key",
}
HOMES = "/callbacks/barnet/barnet-homes"


class Desk:
    """Where organisations call."""

    def __init__(self, url, session, pool, make):
        self.url, self.session, self.pool, self.make = url, session, pool, make

    async def delivered(self, organisation="barnet-homes"):
        """A case that the organisation has, as BH-1; its delivery's id."""
        writer = Writer(self.pool, Metrics(), batch=1, most_waiting=9)
        accepted = self.make(organisation=organisation)
        async with writer.group.running(1):
            await writer.submit(accepted)
        await self.pool.execute("UPDATE deliveries SET state = 'delivered', external_reference = 'BH-1'")
        await self.pool.execute("UPDATE referrals SET state = 'delivered'")
        return str(accepted.deliveries[0].delivery_id)

    async def post(self, path, body, headers=None):
        """Post and return status and decoded body."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        async with self.session.post(self.url + path, data=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def tell(self, status, *, after=0.0, message="m-1", secret=CALLBACK_SECRET, path=HOMES, **data):
        """Report a status as Barnet Homes does, signed."""
        now = datetime.now(UTC)
        data = {"reference": "BH-1", **data, "status": status, "at": now + timedelta(seconds=after)}
        body = msgspec.json.encode({"type": "case.updated", "timestamp": now, "data": data}).decode()
        return await self.post(path, body, sign(secret, message, now, body))

    async def stands(self):
        """The referral's state."""
        return await self.pool.fetchval("SELECT state FROM referrals")


def sign(secret, message, now, body):
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, now, body),
    }


@pytest.fixture
async def desk(rules, database_url, pool, make):
    """The gateway with a few organisations connected; its courier sleeps."""
    settings = Settings(database_url=database_url, courier_poll=3600, public_url="http://door.example")
    runner = web.AppRunner(build(settings, rules, ENVIRON), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        try:
            yield Desk(f"http://127.0.0.1:{runner.addresses[0][1]}", session, pool, make)
        finally:
            await runner.cleanup()


async def test_a_signed_report_moves_the_case(desk):
    """Acknowledged with what was received."""
    await desk.delivered()
    assert await desk.tell("started") == (200, {"received": 1})
    assert await desk.stands() == "in_progress"


async def test_it_may_name_our_delivery_instead_of_its_own_reference(desk):
    """Whatever its system keeps."""
    delivery = await desk.delivered()
    assert (await desk.tell("finished", reference=None, deliveryId=delivery))[0] == 200
    assert await desk.stands() == "resolved"


async def test_repeated_and_out_of_order_is_harmless(desk):
    """Retried by a careful sender, overtaken on the way: it ends where it should, with one event each."""
    await desk.delivered()
    told = [("finished", 3, "m-3"), ("started", 1, "m-1"), ("visit_booked", 2, "m-2"), ("finished", 3, "m-3")]
    for status, after, message in told:
        assert (await desk.tell(status, after=after - 10, message=message))[0] == 200
    assert await desk.stands() == "resolved"
    assert await desk.pool.fetchval("SELECT count(*) FROM events WHERE kind = 'resolved'") == 1
    assert await desk.pool.fetchval("SELECT count(*) FROM status_updates") == 3


async def test_the_same_report_many_times_at_once_is_one(desk):
    """Ten connections, one case handed on once."""
    await desk.delivered()
    answers = await asyncio.gather(*(desk.tell("declined", note="not our tenant") for _ in range(10)))
    assert {status for status, _ in answers} == {200}
    assert await desk.pool.fetchval("SELECT count(*) FROM events WHERE kind = 'rejected'") == 1
    assert await desk.pool.fetchval("SELECT organisation FROM referrals") == "worklist"


async def test_an_unknown_case_is_acknowledged_and_kept_for_a_person(desk):
    """The sender did nothing wrong that a retry would mend."""
    assert (await desk.tell("started", reference="NOBODY'S"))[0] == 200
    row = await desk.pool.fetchrow("SELECT external_reference, status, applied FROM status_updates")
    assert tuple(row) == ("NOBODY'S", "started", "unknown")


WRONG = [
    {"webhook-signature": None},
    {"webhook-signature": "v1,AAAA"},
    {"webhook-signature": "é"},
    {"webhook-id": "another"},
    {"webhook-id": None},
    {"webhook-timestamp": "1"},
    {"webhook-timestamp": "soon"},
    {"webhook-timestamp": None},
]


async def test_a_wrong_signature_is_refused_clearly_and_nothing_happens(desk):
    """Missing, forged, for another message or of another time."""
    await desk.delivered()
    for change in WRONG:
        now = datetime.now(UTC)
        body = '{"data": {"reference": "BH-1", "status": "finished"}}'
        headers = {**sign(CALLBACK_SECRET, "m-1", now, body), **change}
        headers = {name: value for name, value in headers.items() if value is not None}
        answered, problem = await desk.post(HOMES, body, headers)
        assert answered in {400, 401}, change
        assert (problem["type"], problem["status"]) == ("/api/docs#callback-rejected", answered)
        assert problem["detail"]
    assert await desk.stands() == "delivered"


async def test_a_changed_body_does_not_pass(desk):
    """One letter is enough."""
    await desk.delivered()
    now = datetime.now(UTC)
    body = '{"data": {"reference": "BH-1", "status": "finished"}}'
    status, _ = await desk.post(HOMES, body.replace("BH-1", "BH-2"), sign(CALLBACK_SECRET, "m", now, body))
    assert status == 401


async def test_another_organisations_signature_opens_nothing(desk):
    """Each organisation has its own secret, and its own cases."""
    await desk.delivered()
    theirs = whsec("your choice, back")
    assert (await desk.tell("finished", secret=theirs))[0] == 401
    assert (await desk.tell("finished", secret=theirs, path="/callbacks/barnet/your-choice"))[0] == 200
    assert await desk.stands() == "delivered", "signed rightly, but the case is not theirs"


NONSENSE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"data": {}}',
    b'{"data": {"status": "x"}}',
    b"\xff\xfe",
    b"[" * 50_000,
]


async def test_a_signed_body_that_makes_no_sense_is_a_clear_error(desk):
    """Not a fault of ours, and not a silence."""
    secret = base64.b64decode(CALLBACK_SECRET.removeprefix("whsec_"))
    for body in NONSENSE:
        stamp = str(int(datetime.now(UTC).timestamp()))
        signed = b"m-1." + stamp.encode() + b"." + body
        signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        headers = {
            "webhook-id": "m-1",
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{signature}",
        }
        status, problem = await desk.post(HOMES, body, headers)
        assert (status, problem["type"]) == (400, "/api/docs#callback-rejected"), body[:20]


async def test_a_body_of_any_length_is_not_read(desk):
    """Past the limit nobody reads on."""
    status, problem = await desk.post(HOMES, b"x" * 300_000)
    assert (status, problem["status"]) == (413, 413)


async def test_a_mails_link_reports_with_its_token(desk):
    """A charity without a system presses a button; another delivery's token does not fit."""
    delivery = await desk.delivered("voluntary")
    other = "00000000-0000-7000-8000-000000000000"
    path = "/callbacks/barnet/voluntary"
    token = _token(MAIL_SECRET.encode(), delivery)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for wrong in (
        f"?delivery={other}&token={token}",
        f"?delivery={delivery}&token=",
        f"?delivery={delivery}",
    ):
        status, problem = await desk.post(path + wrong, "status=done", form)
        assert (status, problem["type"]) == (401, "/api/docs#callback-rejected")
    assert await desk.stands() == "delivered"
    right = f"?delivery={delivery}&token={token}"
    for _ in range(2):
        assert (await desk.post(path + right, "status=done&note=helped", form))[0] == 200
    assert await desk.stands() == "resolved"
    assert await desk.pool.fetchval("SELECT count(*) FROM events WHERE kind = 'resolved'") == 1


async def test_who_does_not_call_back_is_not_listened_to(desk):
    """Polled, without a back end, not connected, or not there at all: 404, whatever is sent."""
    for name in (
        "barnet/council",
        "barnet/worklist",
        "barnet/csg",
        "barnet/x",
        "x/council",
        "barnet/%00",
        "%F0/x",
    ):
        status, problem = await desk.post(f"/callbacks/{name}", "{}")
        assert (status, problem["status"]) == (404, 404), name


async def test_while_the_database_is_away_the_sender_is_asked_to_come_again(desk, away):
    """503 with Retry-After: a report is acknowledged only once it is kept."""
    await desk.delivered()
    async with away():
        status, problem = await desk.tell("finished")
        assert (status, problem["type"]) == (503, "/api/docs#unavailable")
    assert (await desk.tell("finished"))[0] == 200
    assert await desk.stands() == "resolved"
