"""Open311 in its details: the form, the two formats, tokens, look-up and polling."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import CallbackRejected, ConfigurationError, Handover, Refused, Unavailable, Uncertain
from adapters.http import TooLong
from adapters.open311 import Open311Adapter, Open311Connection
from adapters.open311_form import DESCRIPTION_MOST
from adapters.open311_status import StatusReader, parse_time
from adapters.open311_wire import WireError, read_records, write_records
from adapters.sandbox.core import Faults, Ledger, Lifecycle, Mode, Scope
from adapters.sandbox.open311 import Open311Sandbox, make
from tests.adapters.conformance import FULL_FIELDS, FixedClock

BLNS = Path(__file__).parents[2].parent / "shared" / "data" / "blns.json"
ROOTS = ("service_requests",)


class Pair:
    """An adapter and its back end, by one clock."""

    def __init__(self, adapter: Open311Adapter, backend: Open311Sandbox, clock: FixedClock) -> None:
        self.adapter = adapter
        self.backend = backend
        self.ledger = backend.ledger
        self.clock = clock


@contextlib.asynccontextmanager
async def pair(*, options: Mapping[str, Any] | None = None, **settings_: Any) -> AsyncIterator[Pair]:
    """Start a back end and an adapter that knows it."""
    clock = FixedClock()
    ledger = Ledger("re", clock=clock, keep_raw=True)
    backend = make("re", ledger, Faults(), Lifecycle(ledger), options or {})
    await backend.start(drive=False)
    adapter = Open311Adapter(Open311Connection(url=backend.url, **settings_), clock=clock)
    yield Pair(adapter, backend, clock)
    await adapter.close()
    await backend.close()


def handover(fields: Mapping[str, str] | None = None, **changes: Any) -> Handover:
    """Make a hand-over to an Open311 back end."""
    values: dict[str, Any] = {
        "delivery_id": "0195f0c2-0000-7000-8000-000000000001",
        "reference": "BAR-7K3M-9QXD",
        "authority": "barnet",
        "organisation": "re",
        "service": "pothole",
        "service_name": "Pothole",
        "created_at": datetime(2026, 3, 2, 9, 59, tzinfo=UTC),
        "fields": fields or {},
    }
    return Handover(**(values | changes))


async def test_the_form() -> None:
    """A hand-over is the form that GeoReport v2 specifies, field by field."""
    async with pair(
        options={"api_key": "k", "jurisdiction_id": "barnet"},
        api_key="k",
        jurisdiction_id="barnet",
        attribute_names={"postcode": "POST_CODE"},
    ) as at:
        given_ = handover(FULL_FIELDS, external_code="HW-017", priority="urgent")
        await at.adapter.deliver(given_)
        (case,) = at.ledger
        assert case.fields == {
            "jurisdiction_id": "barnet",
            "service_code": "HW-017",
            "account_id": given_.delivery_id,
            "lat": "51.603125",
            "long": "-0.194037",
            "address_string": "17 Peregrine Mews, London",
            "description": FULL_FIELDS["description"],
            "first_name": "Ottoline",
            "last_name": "Featherstonehaugh",
            "email": "ottoline@example.org",
            "phone": "020 7946 0991",
            "attribute[delivery_id]": given_.delivery_id,
            "attribute[reference]": "BAR-7K3M-9QXD",
            "attribute[priority]": "urgent",
            "attribute[POST_CODE]": "NW4 4BG",
            "attribute[date_of_birth]": "1951-03-27",
            "attribute[nhs_number]": "9434765919",
            "attribute[national_insurance_number]": "QQ123456C",
            "attribute[language]": "cy-GB-x-quill",
            "attribute[notes]": "Marmaduke answers the door",
        }


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, {"address_string": "No address given"}),
        ({"postcode": "NW4 4BG"}, {"address_string": "NW4 4BG"}),
        ({"address": "1 The Burroughs", "postcode": "NW4 4BG"}, {"address_string": "1 The Burroughs"}),
        ({"lat": "51.6", "long": "-0.2"}, {"lat": "51.6", "long": "-0.2"}),
        ({"lat": "51.6"}, {"address_string": "No address given"}),
        ({"name": "Cher"}, {"address_string": "No address given", "last_name": "Cher"}),
    ],
)
async def test_there_is_always_a_place(fields: dict[str, str], place: dict[str, str]) -> None:
    """Open311 knows no request without a place, so the nearest thing to one is given."""
    async with pair() as at:
        await at.adapter.deliver(handover(fields))
        (case,) = at.ledger
        arrived = {key: case.fields[key] for key in case.fields.keys() & {"lat", "long", "address_string"}}
        assert arrived == {key: value for key, value in place.items() if key != "last_name"}
        assert case.fields.get("last_name") == place.get("last_name")


async def test_a_long_description_is_cut_and_that_is_said() -> None:
    """More than 4,000 characters would be refused: the rest is cut, and the attempt's record says so."""
    async with pair() as at:
        receipt = await at.adapter.deliver(handover({"description": "é" * 4001}))
        assert receipt.detail == "description cut from 4001 to 4000 characters"
        (case,) = at.ledger
        assert case.fields["description"] == "é" * 3999 + "…"
        at.ledger.reset()
        receipt = await at.adapter.deliver(handover({"description": "é" * DESCRIPTION_MOST}))
        assert receipt.detail == ""


@pytest.mark.parametrize("form", ["xml", "json"])
async def test_errors(form: str) -> None:
    """A wrong key is our fault and unavailable; what the organisation does not know is refused, with its code."""
    options = {"api_key": "right", "jurisdiction_id": "barnet", "services": ["pothole"]}
    words = handover({"description": "Zephyrine"})
    async with pair(options=options, format=form, api_key="wrong", jurisdiction_id="barnet") as at:
        with pytest.raises(Unavailable, match=r"HTTP 403 \(code 403\)"):
            await at.adapter.deliver(words)
    async with pair(options=options, format=form, api_key="right", jurisdiction_id="camden") as at:
        with pytest.raises(Refused, match=r"HTTP 404 \(code 404\)"):
            await at.adapter.deliver(words)
    async with pair(options=options, format=form, api_key="right", jurisdiction_id="barnet") as at:
        with pytest.raises(Refused, match=r"HTTP 404 \(code 404\)"):
            await at.adapter.deliver(handover(service="dragons"))
        at.backend.faults.set(Mode.REFUSE, count=1)
        with pytest.raises(Refused) as refused:
            await at.adapter.deliver(words)
        assert refused.value.detail == "HTTP 400 (code unsupported_area)"
        assert await at.adapter.deliver(words)


async def test_a_token_that_is_not_ready() -> None:
    """A token stands for the reference until there is one, and status comes back under the token that we hold."""
    async with pair(options={"tokens": True, "token_delay": 60}) as at:
        receipt = await at.adapter.deliver(handover())
        held = receipt.external_reference
        assert held == "token:t-RE-000001"
        at.backend.lifecycle.advance(at.clock.forward(1))
        first = await at.adapter.poll(None, [held])
        assert first.updates == []
        at.clock.forward(60)
        poll = await at.adapter.poll(first.cursor, [held])
        assert [(update.external_reference, update.status) for update in poll.updates] == [
            (held, "investigating")
        ]


async def test_a_token_that_cannot_be_asked_about() -> None:
    """When asking about the token fails the hand-over has still been taken."""
    async with pair(options={"tokens": True}) as at:
        at.backend.faults.set(Mode.HTTP_500, scope=Scope.OTHER)
        receipt = await at.adapter.deliver(handover())
        assert receipt.external_reference == "token:t-RE-000001"


async def test_a_back_end_that_ignores_the_filter() -> None:
    """An answer with other people's requests is no answer to "do you have this one", least of all a no."""
    async with pair(options={"deduplication": "none"}) as at:
        assert await at.adapter.lookup("0195f0c2-0000-7000-8000-00000000000f") is None
        await at.adapter.deliver(handover())
        with pytest.raises(Unavailable, match="does not filter by account_id"):
            await at.adapter.lookup(handover().delivery_id)


async def test_a_back_end_that_cannot_be_asked() -> None:
    """Where the organisation's file says that it cannot be asked, it is not asked."""
    async with pair(deduplication="none") as at:
        with pytest.raises(Unavailable):
            await at.adapter.lookup(handover().delivery_id)


async def test_polling_with_a_cursor() -> None:
    """Each poll goes on from the last, asks a little further back, and brings only what we wait for."""
    async with pair(overlap=5.0) as at:
        ours = await at.adapter.deliver(handover())
        at.ledger.take("somebody-else", {}, service="pothole")
        for case in at.ledger:
            at.ledger.change(case, "acknowledged", note="Seen", at=at.clock.forward(1))
        first = await at.adapter.poll(None, [ours.external_reference])
        (update,) = first.updates
        assert (update.status, update.note) == ("investigating", "Seen")
        assert parse_time(first.cursor) == at.clock.now  # the other one's time counts too
        at.clock.forward(100)
        again = await at.adapter.poll(first.cursor, [ours.external_reference])
        assert [one.update_id for one in again.updates] == [update.update_id]  # the overlap; harmless
        at.backend.lifecycle.move(ours.external_reference, "rejected", note="Not ours")
        last = await at.adapter.poll(again.cursor, [ours.external_reference])
        assert [one.status for one in last.updates][-1] == "not_councils_responsibility"
        at.clock.forward(100)
        assert (await at.adapter.poll(last.cursor, [ours.external_reference])).cursor == last.cursor
        assert (await at.adapter.poll(last.cursor, [])).updates == []


async def test_an_answer_too_long_is_asked_for_in_parts() -> None:
    """When an outage left more updates than one answer may hold, they are asked for in shorter spans."""
    async with pair(max_body=4000, overlap=5.0) as at:
        receipt = await at.adapter.deliver(handover())
        (case,) = at.ledger
        for number in range(60):
            at.ledger.change(case, "in_progress", note=f"step {number}", at=at.clock.forward(600))
        poll = await at.adapter.poll(None, [receipt.external_reference])
        assert [update.note for update in poll.updates] == [f"step {number}" for number in range(60)]


async def test_a_second_too_full_for_one_answer() -> None:
    """Where even the shortest span is too long the poll fails aloud and does not skip anything."""
    async with pair(max_body=4000, overlap=1.0) as at:
        receipt = await at.adapter.deliver(handover())
        (case,) = at.ledger
        for _ in range(60):
            at.ledger.change(case, "in_progress")
        with pytest.raises(TooLong):
            await at.adapter.poll(None, [receipt.external_reference])


async def test_a_cursor_older_than_one_question_may_reach() -> None:
    """After a year's silence the span is asked for in pieces of less than 90 days, without a gap."""
    asked: list[tuple[datetime, datetime]] = []
    now = datetime(2026, 3, 2, tzinfo=UTC)

    async def ask(_resource: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        start, end = parse_time(parameters["start_date"]), parse_time(parameters["end_date"])
        assert start is not None
        assert end is not None
        asked.append((start, end))
        return []

    reader = StatusReader(ask, extension=True, overlap=timedelta(seconds=60), clock=lambda: now)
    await reader.poll("2025-03-02T00:00:00Z", ["RE-1"])
    assert all(end - start < timedelta(days=90) for start, end in asked)
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(asked))
    assert asked[0][0] < datetime(2025, 3, 2, tzinfo=UTC)
    assert asked[-1][1] > now


@pytest.mark.parametrize("cursor", [None, "1-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
async def test_an_odd_date_is_no_place_to_go_on_from(cursor: str | None) -> None:
    """No date written as the year 1: the update is brought, and the next poll does not ask after two thousand years."""
    asked = 0

    async def ask(_resource: str, _parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        return [
            {"service_request_id": "RE-1", "status": "open", "updated_datetime": date}
            for date in ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00Z")
        ]

    now = datetime(2026, 3, 2, tzinfo=UTC)
    reader = StatusReader(ask, extension=True, overlap=timedelta(seconds=60), clock=lambda: now)
    for _ in range(2):
        poll = await reader.poll(cursor, ["RE-1"])
        assert {update.status for update in poll.updates} == {"open"}
        cursor = poll.cursor
        assert cursor is None
    assert asked < 8


async def test_a_back_end_without_updates() -> None:
    """Where the extension is missing, the requests themselves say open or closed."""
    async with pair(options={"updates": False}) as at:
        receipt = await at.adapter.deliver(handover())
        at.backend.lifecycle.move(receipt.external_reference, "resolved", note="Filled")
        poll = await at.adapter.poll(None, [receipt.external_reference])
        (update,) = poll.updates
        assert (update.status, update.note) == ("closed", "Filled")
        assert await at.adapter.poll(poll.cursor, [receipt.external_reference]) == poll


async def test_a_poll_that_fails() -> None:
    """A poll that is not answered as it should be is unavailable, and never half a poll."""
    async with pair() as at:
        receipt = await at.adapter.deliver(handover())
        for mode in (Mode.HTTP_500, Mode.GARBAGE, Mode.TRUNCATED, Mode.WRONG_CONTENT_TYPE, Mode.HTTP_429):
            at.backend.faults.set(mode, scope=Scope.OTHER)
            with pytest.raises(Unavailable):
                await at.adapter.poll(None, [receipt.external_reference])


async def test_no_callbacks() -> None:
    """GeoReport does not call back, so whoever does is turned away."""
    async with pair(status="none") as at:
        assert not at.adapter.polls
        assert (await at.adapter.poll("c", ["RE-1"])).cursor == "c"
        with pytest.raises(CallbackRejected):
            at.adapter.read_callback({}, b"", at.clock.now)


@pytest.mark.parametrize(
    "table",
    [
        {"url": "https://a.example", "format": "yaml"},
        {"url": "https://a.example", "deduplication": "maybe"},
        {"url": "https://a.example", "apikey": "x"},
        {"api_key": "x"},
    ],
)
def test_a_wrong_file(table: dict[str, Any]) -> None:
    """A connection table that cannot be used is found at start."""
    with pytest.raises(ConfigurationError):
        Open311Adapter.from_connection(table)


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<service_requests><request><service_request_id>&b;</service_request_id></request></service_requests>"""


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS,
        LAUGHS.decode().encode("utf-16"),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><service_requests/>',
        b"<service_requests>",
        b"",
        b"\x00\x01",
        b"<html><body>Please sign in</body></html>",
        b"<a>" * 200_000,
        '<?xml version="1.0" encoding="utf-16"?><service_requests>é'.encode(),
    ],
)
def test_xml_that_is_not_taken(body: bytes) -> None:
    """Entities, other documents and broken ones are not read, and nothing outside is fetched."""
    with pytest.raises(WireError) as raised:
        read_records(body, "text/xml", "xml", ROOTS)
    assert "passwd" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "media", "records"),
    [
        (b"<service_requests/>", "text/xml", []),
        (
            b"\xef\xbb\xbf<?xml version='1.0'?><service_requests><request><a> 1 </a><b/></request></service_requests>",
            "application/xml",
            [{"a": "1"}],
        ),
        (b'[{"a": 1, "b": null}]', "application/json", [{"a": 1}]),
    ],
)
def test_what_is_taken(body: bytes, media: str, records: list[dict[str, Any]]) -> None:
    """Absent is absent, whichever way the back end writes it; a byte order mark does no harm."""
    form = "json" if media == "application/json" else "xml"
    assert read_records(body, media, form, ROOTS) == records


async def test_an_id_that_is_a_number() -> None:
    """A back end may write its ids as numbers: they are text to us."""
    asked: list[str] = []

    async def ask(resource: str, parameters: Mapping[str, str]) -> list[dict[str, Any]] | None:
        asked.append(parameters.get("service_request_id", resource))
        if resource == "servicerequestupdates":
            return None
        return [{"service_request_id": 638344, "status": "open", "requested_datetime": "yesterday"}]

    clock = FixedClock()
    reader = StatusReader(ask, extension=True, overlap=timedelta(0), clock=clock)
    poll = await reader.poll(None, ["638344"])
    (update,) = poll.updates
    assert (update.external_reference, update.status, update.at) == ("638344", "open", clock.now)
    assert asked == ["servicerequestupdates", "638344"]


def test_xml_holds_what_it_can() -> None:
    """What XML cannot hold at all becomes a replacement character and breaks nothing."""
    record = {"service_request_id": "1", "address": "a\x00b\x0bc\ufffe<&>\u2028"}
    body = write_records([record], "xml", "service_requests", "request")
    (read,) = read_records(body, "text/xml", "xml", ROOTS)
    assert read["address"] == "a\ufffdb\ufffdc\ufffd<&>\u2028"


@pytest.fixture(scope="module")
async def wire() -> AsyncIterator[Pair]:
    """Keep one pair for many examples."""
    async with pair(timeout=30.0) as at:
        yield at


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@settings(max_examples=150, deadline=None)
@given(description=TEXTS, name=TEXTS, notes=TEXTS, address=TEXTS)
async def test_any_words_arrive_exactly(
    wire: Pair, description: str, name: str, notes: str, address: str
) -> None:
    """Whatever a citizen says arrives as it was said, odd characters and all."""
    wire.ledger.reset()
    fields = {"description": description, "name": name, "notes": notes, "address": address}
    await wire.adapter.deliver(handover(fields))
    (case,) = wire.ledger
    assert case.fields["description"] == description
    assert case.fields["attribute[notes]"] == notes
    assert case.fields["address_string"] == address
    names = [case.fields[key] for key in ("first_name", "last_name") if key in case.fields]
    assert " ".join(names) == name


@pytest.mark.skipif(not BLNS.exists(), reason="the list of naughty strings is not beside the project")
async def test_naughty_strings(wire: Pair) -> None:
    """Every string of the list of naughty strings arrives exactly."""
    for text in json.loads(BLNS.read_text(encoding="utf-8")):
        if not text:
            continue
        wire.ledger.reset()
        await wire.adapter.deliver(handover({"description": text}))
        (case,) = wire.ledger
        assert case.fields["description"] == text.encode("utf-8", "replace").decode()


async def test_half_a_character(wire: Pair) -> None:
    """A lone surrogate, which no encoding can carry, is replaced; the rest arrives."""
    wire.ledger.reset()
    await wire.adapter.deliver(handover({"description": "bin \ud83d full"}))
    (case,) = wire.ledger
    assert case.fields["description"] == "bin ? full"


async def test_a_receipt_needs_a_reference(wire: Pair) -> None:
    """An answer of 200 that names no request proves nothing."""
    wire.ledger.reset()
    wire.backend.faults.set(Mode.GARBAGE, count=1)
    with pytest.raises(Uncertain):
        await wire.adapter.deliver(handover())


@pytest.mark.parametrize("form", ["xml", "json"])
async def test_the_sandbox_speaks_to_others(form: str) -> None:
    """An Open311 client that is not ours reads the stand-in back end."""
    georeport = pytest.importorskip("georeport")
    async with pair(options={"jurisdiction_id": "barnet"}, jurisdiction_id="barnet") as at:
        for number in ("1", "2"):
            await at.adapter.deliver(handover(delivery_id=f"0195f0c2-0000-7000-8000-00000000000{number}"))
        client = georeport.GeoReport(at.backend.url, jurisdiction="barnet", output_format=form)
        requests = await asyncio.to_thread(client.get_service_requests, status="open")
        assert [request["service_request_id"] for request in requests] == ["RE-000001", "RE-000002"]
        services = await asyncio.to_thread(client.get_service_list)
        service = services if form == "xml" else services[0]  # its XML reader makes no list of one
        assert service["service_code"] == "pothole"
