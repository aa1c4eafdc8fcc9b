"""Signed REST: sign-in, signatures, references, changes, against a case system that checks them for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import (
    CallbackRejected,
    ConfigurationError,
    Deduplication,
    Handover,
    Refused,
    Unavailable,
    Uncertain,
)
from adapters.http_connection import read_connection
from adapters.registry import make_adapter
from adapters.rest import RestAdapter
from adapters.rest_connection import RestConnection, signature
from adapters.rest_names import RestNames, case_body, find, read_changes
from adapters.sandbox.core import Faults, Ledger, Lifecycle, Mode, Scope
from adapters.sandbox.rest import RestOptions, RestSandbox, make
from tests.adapters.fake_http import FakeServer, Seen, answer, serve

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CLIENT = {"client_id": "front door", "client_secret": "s3cret:&"}
SIGNING = {"signing_secret": "0123456789abcdef0123456789abcdef"}
URL = "https://cases.example"


def handover(**changes: Any) -> Handover:
    values: dict[str, Any] = {
        "delivery_id": "0195f0c2-8d5e-7abc-8def-0123456789ab",
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "jobcentre-plus",
        "service": "jobseekers-allowance",
        "service_name": "Jobseeker's Allowance",
        "created_at": NOW,
        "fields": {"description": "Zephyrine lost her job", "name": "Ann"},
    }
    return Handover(**(values | changes))


class Ticks:
    """A monotonic clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def back_end(
    ticks: Ticks | None = None, options: Mapping[str, Any] | None = None, **connection: Any
) -> AsyncIterator[tuple[RestSandbox, RestAdapter]]:
    """A case system, moved by hand, and an adapter that reaches it."""
    ticks = ticks or Ticks()
    ledger = Ledger("jcp", clock=lambda: NOW, keep_raw=True)
    wanted = msgspec.convert(options or {}, RestOptions)
    backend = RestSandbox("jcp", ledger, Faults(), Lifecycle(ledger), wanted, monotonic=ticks)
    await backend.start(drive=False)
    table = {"url": backend.url, "auth": "none", "timeout": 5.0} | connection
    if table["auth"] == "oauth2":
        table |= {"token_url": f"{backend.url}/oauth/token"} | CLIENT
    adapter = RestAdapter(read_connection(table, RestConnection), monotonic=ticks)
    try:
        yield backend, adapter
    finally:
        await adapter.close()
        await backend.close()


OAUTH = {"auth": "oauth2", **CLIENT, "token_seconds": 600.0}


async def test_received_is_not_yet_acknowledged() -> None:
    """The hand-over ends in the organisation's reference and its word for received; acknowledged comes later."""
    async with back_end() as (backend, adapter):
        receipt = await adapter.deliver(handover())
        assert receipt.external_reference == "JCP-000001"
        assert receipt.status == "RECEIVED"
        assert not receipt.duplicate
        poll = await adapter.poll(None, [receipt.external_reference])
        assert poll.updates == []
        backend.lifecycle.advance(NOW + timedelta(seconds=1))
        (update,) = (await adapter.poll(poll.cursor, [receipt.external_reference])).updates
        assert update.status == "ACKNOWLEDGED"
        assert update.external_reference == "JCP-000001"
        assert update.delivery_id == handover().delivery_id


async def test_the_same_case_again_is_as_good_as_received() -> None:
    """409 with the case's reference means that an earlier attempt came through."""
    async with back_end() as (backend, adapter):
        first = await adapter.deliver(handover())
        again = await adapter.deliver(handover(attempt=2))
        assert again.duplicate
        assert again.external_reference == first.external_reference
        assert len(backend.ledger) == 1


async def test_what_is_sent() -> None:
    """The listed fields and nothing else of the citizen; our delivery id as their external reference and as key."""
    async with back_end() as (backend, adapter):
        await adapter.deliver(
            handover(external_code="JSA", lgsl=99, priority="urgent", traceparent="00-a-b-01")
        )
        (case,) = list(backend.ledger)
        assert msgspec.json.decode(case.raw) == {
            "externalReference": handover().delivery_id,
            "citizenReference": "BAR-7K3M-9QXD",
            "authority": "barnet",
            "service": "JSA",
            "serviceName": "Jobseeker's Allowance",
            "lgsl": 99,
            "priority": "urgent",
            "createdAt": "2026-03-02T10:00:00+00:00",
            "details": {"description": "Zephyrine lost her job", "name": "Ann"},
        }


async def test_one_token_serves_many() -> None:
    """Sixty hand-overs at once fetch one token, and later ones use it until shortly before its end."""
    ticks = Ticks()
    async with back_end(ticks, OAUTH, auth="oauth2") as (backend, adapter):
        await asyncio.gather(*(adapter.deliver(handover(delivery_id=f"d{n}")) for n in range(60)))
        assert backend.tokens_given == 1
        ticks.now += 569
        await adapter.deliver(handover(delivery_id="d60"))
        assert backend.tokens_given == 1
        ticks.now += 2
        await adapter.deliver(handover(delivery_id="d61"))
        assert backend.tokens_given == 2
        assert len(backend.ledger) == 62


async def test_a_token_that_is_not_taken_is_renewed_once() -> None:
    """A token revoked early costs one more try; one case comes of it."""
    async with back_end(None, OAUTH, auth="oauth2") as (backend, adapter):
        await adapter.deliver(handover(delivery_id="d1"))
        backend.revoke()
        receipt = await adapter.deliver(handover(delivery_id="d2"))
        assert not receipt.duplicate
        assert backend.tokens_given == 2
        assert len(backend.ledger) == 2
        backend.revoke()
        assert (await adapter.poll(None, [])).updates == []
        assert backend.tokens_given == 3


async def test_a_service_that_takes_no_token_at_all_is_left_alone() -> None:
    """It is asked once with the token held and once with a new one, and then it is our configuration's fault."""
    tokens = iter(range(100))

    def reply(request: Seen) -> web.Response:
        if request.path == "/token":
            return answer(200, {"access_token": f"t{next(tokens)}", "expires_in": 60})()
        return answer(401, b"")()

    async with serve(reply) as server:
        table = {"url": server.url, "auth": "oauth2", "token_url": f"{server.url}/token", **CLIENT}
        adapter = RestAdapter.from_connection(table)
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == 401
        posts = [request.headers["Authorization"] for request in server.requests if request.path == "/cases"]
        assert posts == ["Bearer t0", "Bearer t1"]
        await adapter.close()


async def test_a_wrong_client_secret_is_not_the_cases_fault() -> None:
    """Sign-in that fails is unavailable: the case was not even shown."""
    wrong = OAUTH | {"client_secret": "another"}
    async with back_end(None, wrong, auth="oauth2") as (backend, adapter):
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == 401
        assert len(backend.ledger) == 0


async def test_the_token_endpoint_may_want_the_secret_in_the_body() -> None:
    """Both ways of naming the client to the token endpoint are spoken."""
    async with back_end(None, OAUTH, auth="oauth2", secret_in_body=True) as (backend, adapter):
        await adapter.deliver(handover())
        assert backend.tokens_given == 1


@pytest.mark.parametrize(
    "mode", [Mode.HTTP_500, Mode.HTTP_503, Mode.GARBAGE, Mode.LOST_ANSWER, Mode.HUGE_BODY]
)
async def test_without_a_token_nothing_is_handed_over(mode: Mode) -> None:
    """Whatever is wrong with the token endpoint, the case never left, so trying again is safe."""
    async with back_end(None, OAUTH, auth="oauth2") as (backend, adapter):
        backend.faults.set(mode, scope=Scope.OTHER)
        with pytest.raises(Unavailable):
            await adapter.deliver(handover())
        backend.faults.clear()
        assert len(backend.ledger) == 0
        await adapter.deliver(handover())
        assert len(backend.ledger) == 1


async def test_waiting_for_a_token_has_its_limit() -> None:
    """A token endpoint that hangs uses up the hand-over's time and no more, and gives no doubt about the case."""
    async with back_end(None, OAUTH, auth="oauth2", timeout=0.1) as (backend, adapter):
        backend.faults.set(Mode.HANG_BEFORE_ACCEPT, scope=Scope.OTHER)
        with pytest.raises(Unavailable):
            await adapter.deliver(handover())
        assert len(backend.ledger) == 0


async def test_one_who_gives_up_does_not_spoil_it_for_the_others() -> None:
    """If the hand-over that asked for the token first is cancelled, the one waiting beside it still goes through."""
    async with back_end(None, OAUTH, auth="oauth2") as (backend, adapter):
        first = asyncio.create_task(adapter.deliver(handover(delivery_id="d1")))
        second = asyncio.create_task(adapter.deliver(handover(delivery_id="d2")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).external_reference
        with pytest.raises(asyncio.CancelledError):
            await first
        assert backend.ledger.effects("d1") == 0


async def test_the_signature_is_checked_at_the_far_end() -> None:
    """A request signed with another secret is turned away, like a wrong key: our set-up, not the case."""
    async with back_end(None, SIGNING, **SIGNING) as (backend, adapter):
        await adapter.deliver(handover())
        assert (await adapter.poll(None, [])).updates == []
    async with back_end(None, SIGNING, signing_secret="another secret of thirty-two chars") as (
        backend,
        adapter,
    ):
        with pytest.raises(Unavailable) as failed:
            await adapter.deliver(handover())
        assert failed.value.status == 401
        assert len(backend.ledger) == 0


def test_a_signature_made_elsewhere() -> None:
    """The scheme is HMAC-SHA256 over `timestamp.body` in hexadecimal; this one was made by OpenSSL's command."""
    by_openssl = "9ac6b1f1db2ec3ff64eaf10ff67ba9bb5f0b3d84c62eb3353a298c4a3b3a9d8b"
    assert signature("Jefe", "1772445600", b'{"a": 1}') == f"sha256={by_openssl}"


@pytest.mark.parametrize("key", ["right", "wrong"])
async def test_an_api_key(key: str) -> None:
    """The other way of signing in: a key in a header whose name the organisation chose."""
    options = {"auth": "api_key", "api_key": "right", "api_key_header": "Ocp-Key"}
    async with back_end(None, options, auth="api_key", api_key=key, api_key_header="Ocp-Key") as (
        backend,
        adapter,
    ):
        if key == "right":
            await adapter.deliver(handover())
        else:
            with pytest.raises(Unavailable):
                await adapter.deliver(handover())
        assert len(backend.ledger) == (key == "right")


async def test_a_refusal_says_the_code_and_no_more() -> None:
    """The organisation's error code is kept for staff."""
    async with back_end() as (backend, adapter):
        backend.faults.set(Mode.REFUSE, count=1)
        with pytest.raises(Refused) as refused:
            await adapter.deliver(handover())
        assert refused.value.detail == "HTTP 422 not_ours"


async def test_asking_before_sending_again() -> None:
    """A back end that does not know keys says by our reference whether it has the case."""
    async with back_end(None, {"deduplicate": False}, deduplication="lookup") as (_, adapter):
        assert adapter.deduplication is Deduplication.LOOKUP
        assert await adapter.lookup(handover().delivery_id) is None
        sent = await adapter.deliver(handover())
        found = await adapter.lookup(handover().delivery_id)
        assert found is not None
        assert (found.external_reference, found.duplicate) == (sent.external_reference, True)


async def test_changes_come_page_by_page() -> None:
    """All pages are read in one poll, the cursor goes on from there, and nothing comes twice."""
    async with back_end(None, {"page": 7}) as (backend, adapter):
        for n in range(20):
            await adapter.deliver(handover(delivery_id=f"d{n}"))
        backend.lifecycle.advance(NOW + timedelta(seconds=1))
        first = await adapter.poll(None, [])
        assert len(first.updates) == 20
        assert len({update.update_id for update in first.updates}) == 20
        assert (await adapter.poll(first.cursor, [])).updates == []
        backend.lifecycle.advance(NOW + timedelta(seconds=3))
        second = await adapter.poll(first.cursor, [])
        assert {update.status for update in second.updates} == {"IN_PROGRESS"}


async def test_a_cursor_that_is_too_old_begins_anew() -> None:
    """410 for a cursor means that everything is read again: repeated updates are harmless, lost ones are not."""
    async with back_end() as (backend, adapter):
        await adapter.deliver(handover())
        backend.lifecycle.advance(NOW + timedelta(seconds=1))
        poll = await adapter.poll("9999", [])
        assert [update.status for update in poll.updates] == ["ACKNOWLEDGED"]
        assert poll.cursor == "1"


async def test_polling_that_fails_is_unavailable() -> None:
    """A poll changes nothing, so whatever goes wrong it is tried again."""
    async with back_end() as (backend, adapter):
        for mode in (Mode.HTTP_500, Mode.GARBAGE, Mode.TRUNCATED, Mode.WRONG_CONTENT_TYPE, Mode.LOST_ANSWER):
            backend.faults.set(mode, scope=Scope.OTHER)
            with pytest.raises(Unavailable):
                await adapter.poll(None, [])


def test_no_callback_is_taken() -> None:
    """Status is polled for."""
    adapter = RestAdapter.from_connection({"url": URL, "auth": "none"})
    with pytest.raises(CallbackRejected):
        adapter.read_callback({}, b"{}", NOW)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(201, {"reference": 4711}), "4711"),
        (answer(200, {"reference": " A-1 "}), "A-1"),
        (answer(202, {}), Uncertain),
        (answer(202, {"reference": ""}), Uncertain),
        (answer(202, {"reference": None}), Uncertain),
        (answer(202, {"reference": True}), Uncertain),
        (answer(202, {"reference": {"id": 1}}), Uncertain),
        (answer(202, {"reference": "x" * 201}), Uncertain),
        (answer(202, [1]), Uncertain),
        (answer(202, b""), Uncertain),
        (answer(204, b""), Uncertain),
        (answer(409, {"error": "busy"}), Uncertain),
        (answer(409, b""), Uncertain),
        (answer(409, {"reference": "A-1"}), "A-1"),
        (answer(400, b""), Refused),
        (answer(404, {"error": "Zephyrine lost her job"}), Refused),
        (answer(302, b""), Uncertain),
        (answer(301, b""), Unavailable),
        (answer(401, {"error": "x"}), Unavailable),
        (answer(429, b"", {"Retry-After": "3"}), Unavailable),
    ],
)
async def test_what_an_answer_means(reply: Any, kind: Any) -> None:
    """A reference is a receipt; anything that is no clear yes or no is uncertain; nothing of it is repeated."""
    async with serve(lambda _request: reply()) as server:
        adapter = RestAdapter.from_connection({"url": server.url, "auth": "none", "timeout": 5.0})
        if isinstance(kind, str):
            assert (await adapter.deliver(handover())).external_reference == kind
        else:
            with pytest.raises(kind) as failed:
                await adapter.deliver(handover())
            assert type(failed.value) is kind
            assert "Zephyrine" not in failed.value.detail
        await adapter.close()


async def test_the_headers_of_a_request() -> None:
    """Key, trace and content type are there; the key is quoted as the draft standard wants it."""
    async with serve(lambda _request: answer(202, {"reference": "A-1"})()) as server:
        adapter = RestAdapter.from_connection(
            {"url": server.url + "/", "auth": "none", "cases_path": "/v2/enquiries"}
        )
        await adapter.deliver(handover(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        (request,) = server.requests
        assert request.path == "/v2/enquiries"
        assert request.headers["Idempotency-Key"] == f'"{handover().delivery_id}"'
        assert request.headers["traceparent"].startswith("00-0af7")
        assert request.headers["Content-Type"] == "application/json"
        assert "X-Signature" not in request.headers
        assert "Authorization" not in request.headers
        await adapter.close()


def lookups(server: FakeServer) -> RestAdapter:
    return RestAdapter.from_connection({"url": server.url, "auth": "none", "deduplication": "lookup"})


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, b""),
        answer(200, {"cases": None}),
        answer(200, {}),
        answer(200, {"cases": [{"externalReference": "another", "reference": "A-1"}]}),
        answer(200, {"cases": [{"reference": "A-1"}]}),
        answer(200, {"cases": ["A-1"]}),
        answer(200, {"cases": [{"externalReference": "d1"}]}),
    ],
)
async def test_a_look_up_that_is_no_clear_answer(reply: Any) -> None:
    """Only an empty list is a no and only this very delivery is a yes: a wrong no would make a second case."""
    async with serve(lambda _request: reply()) as server:
        adapter = lookups(server)
        with pytest.raises(Unavailable):
            await adapter.lookup("d1")
        await adapter.close()


async def test_a_list_of_several_cases_is_searched() -> None:
    """A service that lists more than was asked for is no trouble as long as ours is among them."""
    cases = [{"externalReference": "d2", "reference": "A-2"}, {"externalReference": "d1", "reference": "A-1"}]
    async with serve(lambda _request: answer(200, {"cases": cases})()) as server:
        adapter = lookups(server)
        found = await adapter.lookup("d1")
        assert found is not None
        assert found.external_reference == "A-1"
        assert server.requests[0].query == {"externalReference": "d1"}
        await adapter.close()


async def test_pages_that_lead_nowhere_end() -> None:
    """A service that always says more, with the same cursor or a new one, does not hold the poll for ever."""
    for cursors in (iter(lambda: "c", None), iter(range(10_000))):
        async with serve(
            lambda _request, c=cursors: answer(200, {"changes": [], "cursor": next(c), "more": True})()
        ) as server:
            adapter = RestAdapter.from_connection({"url": server.url, "auth": "none"})
            poll = await adapter.poll(None, [])
            assert poll.cursor is not None
            assert len(server.requests) <= 50
            await adapter.close()


def test_a_change_is_read_with_care() -> None:
    """Numbers are taken for references, missing times for now, missing ids are made; nonsense is not guessed at."""
    names = RestNames()

    def read(**change: Any) -> Any:
        return read_changes({"changes": [change], "cursor": 7}, names, NOW)

    page = read(reference=7, status="OPEN", note="a\x00b")
    assert page.cursor == "7"
    assert not page.more
    (update,) = page.updates
    assert (update.external_reference, update.status, update.at, update.note) == (
        "7",
        "OPEN",
        NOW,
        "a\ufffdb",
    )
    assert update.update_id == read(reference=7, status="OPEN").updates[0].update_id
    assert update.update_id != read(reference=7, status="SHUT").updates[0].update_id
    at = read(externalReference="d", status="X", at="2026-03-02T11:00:00").updates[0].at
    assert at == datetime(2026, 3, 2, 11, tzinfo=UTC)
    assert read(externalReference="d", status="X", at="yesterday").updates[0].at == NOW
    assert read(reference="r") is None
    assert read(status="OPEN") is None
    assert read(reference="r", status=["OPEN"]) is None
    assert read_changes({"changes": {}}, names, NOW) is None
    assert read_changes({}, names, NOW) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_no_page_breaks_the_reading(page: Any) -> None:
    """Whatever JSON a service answers, reading it gives changes or says that it makes no sense."""
    for wrapped in (page, {"changes": page}, {"changes": [page]}):
        read_changes(wrapped, RestNames(), NOW)
    assert find(page, "a.b.c") is None or isinstance(page, dict)


@given(
    st.dictionaries(
        st.sampled_from(["description", "name", "notes", "address"]), st.text(st.characters(codec="utf-8"))
    )
)
def test_texts_arrive_exactly(fields: dict[str, str]) -> None:
    """JSON carries any text as it is, and only the fields that were given."""
    raw = msgspec.json.encode(case_body(handover(fields=fields), RestNames(), {}))
    assert msgspec.json.decode(raw)["details"] == fields


def test_a_lone_surrogate_does_not_stop_a_case() -> None:
    """What no encoding can carry is replaced, and the rest arrives."""
    body = case_body(handover(fields={"description": "a\ud800b"}), RestNames(), {})
    assert msgspec.json.encode(body)
    assert body["details"] == {"description": "a?b"}


def test_a_crm_gets_its_own_names() -> None:
    """Renaming, flat details and fixed members are data in the organisation's file."""
    names = RestNames(
        delivery="ExternalId__c",
        service="Type",
        details="",
        fields={"description": "Description", "email": "Mail"},
    )
    body = case_body(handover(fields={"description": "x", "name": "Ann"}), names, {"Origin": "Front door"})
    assert body["ExternalId__c"] == handover().delivery_id
    assert body["Type"] == "jobseekers-allowance"
    assert body["Description"] == "x"
    assert body["name"] == "Ann"
    assert body["Origin"] == "Front door"
    assert "Mail" not in body
    assert "details" not in body


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"auth": "oauth2"}, "token_url"),
        ({"auth": "oauth2", "token_url": f"{URL}/token"}, "client_id"),
        ({"auth": "oauth2", "token_url": f"{URL}/token", "client_id": "a"}, "client_secret"),
        ({"auth": "oauth2", **CLIENT, "token_url": "http://login.example/token"}, "token_url"),
        ({"auth": "api_key"}, "api_key"),
        ({"auth": "basic"}, "auth"),
        ({"auth": "none", "signing_secret": "short"}, "signing_secret"),
        ({"auth": "none", "signature_header": "X Signature"}, "signature_header"),
        ({"auth": "none", "cases_path": "cases"}, "cases_path"),
        ({"auth": "none", "deduplication": "maybe"}, "deduplication"),
        ({"auth": "none", "names": {"refrence": "x"}}, "refrence"),
        ({"auth": "none", "url": "ftp://cases.example"}, "url"),
        ({"auth": "none", "url": "http://cases.example"}, "url"),
        ({"auth": "none", "colour": "red"}, "colour"),
    ],
)
def test_a_mistake_in_the_file_stops_the_start(changes: dict[str, Any], key: str) -> None:
    """What cannot work is found when the file is read, and the key is named."""
    with pytest.raises(ConfigurationError, match=key):
        make_adapter("rest", {"url": URL} | changes)


def test_the_stand_in_wants_right_options() -> None:
    """An option that does not exist is a mistake."""
    ledger = Ledger("jcp")
    with pytest.raises(ValueError, match="tokens"):
        make("jcp", ledger, Faults(), Lifecycle(ledger), {"tokens": 1})
