"""A citizen may see all that is kept of them and have it forgotten, and nothing is kept for ever by accident."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.audit.chainer import SETTLE, Chainer
from gateway.audit.verify import verify
from gateway.callers import Caller
from gateway.errors import Conflict, InvalidInput, NotFound
from gateway.metrics import Metrics
from gateway.privacy.erase import erase
from gateway.privacy.export import as_html, as_json, export
from gateway.privacy.retention import retire
from gateway.privacy.subject import Subject, phone_digits, requests_of
from gateway.store import search
from gateway.store.pool import open_pool
from gateway.store.roles import COURIER, INTAKE
from gateway.store.scope import scoped
from gateway.store.writer import IdempotencyKey, Writer
from gateway.work.words import keys_of
from routing_rules.people import Retention
from tests.gateway.store.conftest import make

__all__ = ["make"]

CALLER = Caller(authority="barnet", name="Sue", subject="key:1")
WORDS = "quibble the pothole broke my pram"

# Columns of text in tables of requests that hold no citizen's words: codes, ids, states, staff's own names.
NOT_PERSONAL = {
    "call_backs": {"authority_id", "for_whom", "booked_by", "done_by", "outcome"},
    "clocks": {"authority_id", "service", "promise", "pauses"},
    "fresh_requests": {"authority_id"},
    "messages": {"authority_id", "kind", "by", "reply"},
    "request_links": {"authority_id", "by"},
    "request_search": {"authority_id"},
    "request_tags": {"authority_id", "tag", "by"},
    "alarms": {"authority_id", "service", "acknowledged_by"},
    "audit": {"authority_id", "actor", "subject", "action", "fields", "detail", "trace_id"},
    "corrections": {"authority_id", "service_before", "service_after", "by", "engine"},
    "deliveries": {
        *(
            "authority_id",
            "organisation",
            "role",
            "state",
            "claimed_by",
            "external_reference",
            "external_status",
        ),
        *("last_outcome", "traceparent", "notice"),
    },
    "events": {"authority_id", "kind", "actor"},
    "idempotency": {"authority_id", "scope", "key"},
    "referrals": {
        *("authority_id", "service", "organisation", "state", "priority", "chain"),
        *("claimed_by", "assigned_to", "skill", "offered_to", "offered_by"),
    },
    "requests": {"authority_id", "reference", "channel", "emergency", "created_by", "trace_id"},
}


@pytest.fixture
async def written(database_url, make, clock):
    """Write a request as intake does, with its idempotency key; further options change it."""
    async with open_pool(database_url, size=1, role=INTAKE) as intake:
        writer = Writer(intake, Metrics(), batch=8, most_waiting=8)
        async with writer.group.running(1):

            async def write(state="resolved", *, authority="barnet", service="pothole", **citizen):
                accepted = make(authority, text=WORDS)
                request = msgspec.structs.replace(accepted.request, citizen={"name": "Quentin", **citizen})
                referral = msgspec.structs.replace(
                    accepted.referrals[0], state=type(accepted.referrals[0].state)(state), service=service
                )
                event = msgspec.structs.replace(
                    accepted.events[0], detail={"reason": "Quentin rang again", "service": "pothole"}
                )
                accepted = msgspec.structs.replace(
                    accepted, request=request, referrals=[referral], events=[event]
                )
                answer = msgspec.json.encode({"reference": request.reference, "parts": [{"text": WORDS}]})
                key = IdempotencyKey(scope="s", key=str(request.request_id), body_hash=b"x", answer=answer)
                await writer.submit(accepted, key)
                return request

            yield write


async def staff_worked_on(pool, request_id, other_id, now):
    """A note, a message, a call-back, a link and what search keeps, each with words of the citizen's."""
    for kind in ("note", "message"):
        await pool.execute(
            "INSERT INTO messages (authority_id, message_id, request_id, kind, text, by, at)"
            " VALUES ('barnet', gen_random_uuid(), $1, $2, 'Quibble, says Zebedee', 'key:x', $3)",
            *(request_id, kind, now),
        )
    await pool.execute(
        "INSERT INTO call_backs (authority_id, call_back_id, request_id, due_at, phone, note, booked_by, booked_at)"
        " VALUES ('barnet', gen_random_uuid(), $1, $2, '020 7946 0000', 'ask for Zebedee', 'key:x', $2)",
        *(request_id, now),
    )
    await pool.execute(
        "INSERT INTO request_links VALUES"
        " ('barnet', least($1::uuid, $2), greatest($1::uuid, $2), 'key:x', 'Zebedee too', $3)",
        *(request_id, other_id, now),
    )
    async with scoped(pool, "barnet") as connection:
        fresh = await search.take_fresh(connection, "barnet", 10)
        found = [
            (
                each.request_id,
                keys_of("zebedee" if each.request_id == request_id else "", each.citizen, each.postcode),
            )
            for each in fresh
        ]
        assert {each.request_id for each in fresh} == {request_id, other_id}
        await search.keep(connection, "barnet", found)


async def everything(pool):
    """All text in the database, whoever's."""
    names = await pool.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'authority_id'"
    )
    rows = [
        await pool.fetchval(f"SELECT string_agg(t::text, '|') FROM {row['table_name']} AS t") for row in names
    ]
    answers = await pool.fetchval("SELECT string_agg(convert_from(answer, 'UTF8'), '|') FROM idempotency")
    return "".join(filter(None, [*rows, answers]))


async def test_each_place_of_a_citizens_words_is_known_to_erasure(pool):
    """A column of text in a table of requests is either said to hold personal data, or listed above."""
    columns = await pool.fetch(
        "SELECT c.table_name, c.column_name FROM information_schema.columns AS c"
        " JOIN information_schema.columns AS r USING (table_schema, table_name)"
        " WHERE c.table_schema = 'public' AND r.column_name = 'request_id'"
        " AND c.udt_name IN ('text', '_text', 'jsonb', 'json', 'varchar')"
    )
    known = {
        (row["table_name"], row["column_name"]) for row in await pool.fetch("SELECT * FROM personal_data")
    }
    unknown = [
        (row["table_name"], row["column_name"])
        for row in columns
        if (row["table_name"], row["column_name"]) not in known
        and row["column_name"] not in NOT_PERSONAL.get(row["table_name"], set())
    ]
    assert unknown == []


async def test_erasure_leaves_a_tombstone_and_no_word(pool, clock, written, database_url):
    """Gone from everywhere; reference, service, organisation and state stay; the audit is whole, and says so."""
    request = await written(email="quentin@example.org")
    other = await written(name="Somebody Else")
    clock.pass_(SETTLE.total_seconds() + 1)
    async with open_pool(database_url, size=1, role=COURIER) as courier:
        assert await Chainer(courier, clock, Metrics(), lambda: ["barnet"]).chain() == 2
    await pool.execute(
        "INSERT INTO corrections VALUES"
        " ('barnet', gen_random_uuid(), $1, $2, $3, NULL, 'pothole', 'key:x', 'Quentin says', $4, 'e')",
        *(
            await pool.fetchval(
                "SELECT referral_id FROM referrals WHERE request_id = $1", request.request_id
            ),
        ),
        *(request.request_id, WORDS, clock.now()),
    )
    await pool.execute(
        "INSERT INTO status_updates SELECT 'barnet', 're', 'k', delivery_id, 'done', 'told Quentin', $2, $2, 'applied'"
        " FROM deliveries WHERE request_id = $1",
        *(request.request_id, clock.now()),
    )
    await staff_worked_on(pool, request.request_id, other.request_id, clock.now())
    async with scoped(pool, "barnet") as connection:
        found = await requests_of(connection, "barnet", Subject(email=" Quentin@Example.org"))
        assert found == [request.request_id]
        assert (
            await erase(connection, CALLER, found, clock.now(), why="erased", reason="asked by letter") == 1
        )
        assert await erase(connection, CALLER, found, clock.now(), why="erased") == 0
    words = {row["word"] for row in await pool.fetch("SELECT word FROM search_words")}
    assert "somebody" in words  # what others have stays
    assert not words & {"quentin", "zebedee"}
    await pool.execute("DELETE FROM request_search WHERE request_id = $1", other.request_id)
    await pool.execute("DELETE FROM search_words")
    await pool.execute("DELETE FROM requests WHERE request_id <> $1", request.request_id)
    await pool.execute("DELETE FROM referrals WHERE request_id <> $1", request.request_id)
    await pool.execute("DELETE FROM idempotency WHERE request_id <> $1", request.request_id)
    await pool.execute("ALTER TABLE events DISABLE TRIGGER USER")
    left = (await everything(pool)).lower()
    assert "quibble" not in left
    assert "zebedee" not in left
    assert "7946" not in left
    row = await pool.fetchrow("SELECT reference, text, citizen, postcode, erased_at FROM requests")
    assert tuple(row) == (request.reference, "[erased]", {}, None, clock.now())
    rows = await pool.fetch("SELECT detail FROM events WHERE request_id = $1 ORDER BY at", request.request_id)
    told = [row["detail"] for row in rows]
    assert told == [{"service": "pothole", "erased": True}, {}]
    for name in ("corrections", "status_updates"):
        assert "quentin" not in str(await pool.fetch(f"SELECT * FROM {name}")).lower()
    assert await pool.fetchval("SELECT detail FROM audit WHERE action = 'erased'") == {
        "reason": "asked by letter"
    }
    assert (await verify(pool, "barnet", clock.now())).faults == []


async def test_erasure_reaches_tags_and_saved_views(pool, clock, written):
    """A tag or a saved search may be their name or number; what is about others stays."""
    request = await written(email="quentin@example.org", name="Quentin Quill", phone="020 7946 0777")
    other = await written(name="Somebody Else")
    kept = {"potholes of the week": {"q": "pothole"}, "else": {"q": "somebody"}}
    gone = {
        "Quentin Quill's": {"tag": "x"},
        "by surname": {"q": "quill bin"},
        "by number": {"q": "+44 20 7946 0777"},
        "by address": {"q": "QUENTIN@example.org"},
        "by reference": {"q": request.reference},
    }
    for name, query in {**kept, **gone}.items():
        await pool.execute(
            "INSERT INTO saved_views VALUES ('barnet', gen_random_uuid(), 'key:x', $1, 'search', $2, true, $3)",
            *(name, query, clock.now()),
        )
    for each in (request, other):
        await pool.execute(
            "INSERT INTO request_tags VALUES ('barnet', $1, 'quill', 'key:x', $2)",
            each.request_id,
            clock.now(),
        )
    async with scoped(pool, "barnet") as connection:
        assert await erase(connection, CALLER, [request.request_id], clock.now(), why="erased") == 1
    assert {row["name"] for row in await pool.fetch("SELECT name FROM saved_views")} == set(kept)
    assert [row["request_id"] for row in await pool.fetch("SELECT request_id FROM request_tags")] == [
        other.request_id
    ]


async def test_an_erased_request_is_still_read_and_explained(pool, clock, written):
    """Its tombstone is a request like any other to whoever lists and reads."""
    from gateway.store.decisions import read_decision  # noqa: PLC0415
    from gateway.store.reading import list_requests, read_request  # noqa: PLC0415

    request = await written()
    async with scoped(pool, "barnet") as connection:
        await erase(connection, CALLER, [request.request_id], clock.now(), why="erased")
    found = await read_request(pool, "barnet", request.reference)
    assert (found.text, found.referrals[0].text, found.referrals[0].service) == (
        "[erased]",
        "[erased]",
        "pothole",
    )
    explained = await read_decision(pool, "barnet", request.reference)
    assert (explained.decision.parts[0].text, explained.decision.parts[0].service) == ("[erased]", "pothole")
    assert [row.text for row in await list_requests(pool, "barnet", before=None, limit=5)] == ["[erased]"]


async def test_what_is_still_being_worked_on_is_not_erased(pool, clock, written):
    """Somebody waits for help: end it first."""
    request = await written("in_progress")
    with pytest.raises(Conflict, match=request.reference):
        async with scoped(pool, "barnet") as connection:
            await erase(connection, CALLER, [request.request_id], clock.now(), why="erased")
    assert WORDS in await everything(pool)


async def test_an_export_holds_all_that_is_kept_and_reads_well(pool, clock, written, door):
    """Words, details, who was given what and why, what happened, who looked; as a page and as JSON."""
    request = await written(phone="+44 20 8000 0000")
    await written(phone="020 8111 1111")
    async with scoped(pool, "barnet") as connection:
        ids = await requests_of(connection, "barnet", Subject(phone="(020) 8000 0000"))
        assert ids == [request.request_id]
        found = await export(connection, "barnet", ids, clock.now())
    data = msgspec.json.decode(as_json(found))
    assert [each["reference"] for each in data["requests"]] == [request.reference]
    assert data["requests"][0]["citizen"] == {"name": "Quentin", "phone": "+44 20 8000 0000"}
    assert {"referrals", "deliveries", "events"} <= data["requests"][0].keys()
    page = as_html(found, door.authorities["barnet"], door.catalogue)
    for said in (
        request.reference,
        WORDS,
        "Quentin",
        "N12 0AB",
        "Regional Enterprise",
        "Lawful basis",
        "Quentin rang again",
    ):
        assert said in page, said
    assert "8111" not in page
    assert "<script" not in page


async def test_an_export_shows_words_as_words(pool, clock, written, door):
    """What somebody wrote is not taken for markup."""
    request = await written(notes="<script>alert(1)</script>")
    async with scoped(pool, "barnet") as connection:
        found = await export(connection, "barnet", [request.request_id], clock.now())
    assert "<script" not in as_html(found, door.authorities["barnet"], door.catalogue)


async def test_a_person_is_found_within_their_authority_alone(pool, written):
    """And only by what identifies somebody."""
    request = await written(email="quentin@example.org")
    async with scoped(pool, "northamptonshire") as connection:
        for subject in (Subject(email="quentin@example.org"), Subject(reference=request.reference)):
            with pytest.raises(NotFound):
                await requests_of(connection, "northamptonshire", subject)
    async with scoped(pool, "barnet") as connection:
        for wrong in (Subject(), Subject(phone="12"), Subject(reference="BAR-1"), Subject(phone="")):
            with pytest.raises(InvalidInput):
                await requests_of(connection, "barnet", wrong)


@pytest.mark.parametrize(
    "phone", ["+44 20 8000 0000", "0044 (0)20 8000-0000", "020 8000 0000", "44208000 0000"]
)
def test_a_number_is_one_number_however_it_is_written(phone):
    """With and without the country."""
    assert phone_digits(phone) == "02080000000"


async def test_retention_is_by_service_and_leaves_what_is_open(pool, clock, written, door):
    """The authority's days, a service's own, and nothing that is still being worked on."""
    place = door.authorities["barnet"]
    retention = Retention(days=100, services={"gas-leak": 1000})
    settings = msgspec.structs.replace(place.settings, retention=retention)
    place = msgspec.structs.replace(place, settings=settings)
    short, long, waiting = await written(), await written(service="gas-leak"), await written("in_progress")
    assert await retire(pool, place, clock.now() + timedelta(days=99)) == 0
    assert await retire(pool, place, clock.now() + timedelta(days=101)) == 1
    assert await retire(pool, place, clock.now() + timedelta(days=101)) == 0
    kept = {
        row["request_id"]
        for row in await pool.fetch("SELECT request_id FROM requests WHERE erased_at IS NULL")
    }
    assert kept == {long.request_id, waiting.request_id}
    assert await retire(pool, place, clock.now() + timedelta(days=1001)) == 1
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'retired'") == 2
    assert (
        await pool.fetchval("SELECT text FROM requests WHERE request_id = $1", short.request_id) == "[erased]"
    )


async def test_without_a_schedule_nothing_is_forgotten(pool, clock, written, door):
    """Forgetting is decided, never assumed."""
    await written()
    assert await retire(pool, door.authorities["barnet"], clock.now() + timedelta(days=36500)) == 0
