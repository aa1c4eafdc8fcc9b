"""Whatever is changed, removed, added or reordered in what happened shows, and which row it was."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from gateway.audit.chainer import AT_ONCE, SETTLE, Chainer
from gateway.audit.verify import verify
from gateway.callers import Caller
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.store.audit import Entry, record
from gateway.store.chain import forget_salts
from gateway.store.pool import open_pool
from gateway.store.roles import COURIER
from gateway.store.scope import scoped

KEY = b"k" * 32
CALLER = Caller(authority="barnet", name="Ann", subject="key:1")


@pytest.fixture
async def chainer(database_url, clock):
    """In the courier's own role, by a clock set by hand."""
    async with open_pool(database_url, size=2, role=COURIER) as courier:
        yield Chainer(courier, clock, Metrics(), lambda: ["barnet", "northamptonshire"], key=KEY)


async def happen(pool, clock, count=1, authority="barnet", **options):
    """Let events and looks happen."""
    async with scoped(pool, authority) as connection:
        for number in range(count):
            clock.pass_(0.001)
            await connection.execute(
                "INSERT INTO events VALUES ($1, $2, $3, NULL, $4, 'corrected', 'key:x', $5)",
                *(authority, uuid7(clock.now()), UUID(int=number + 1), clock.now()),
                {"reason": f"said {number}", "service": "missed-bin", "confidence": 0.8123},
            )
            caller = Caller(authority=authority, name="Ann", subject="key:1")
            entry = Entry.of(
                caller, "read", clock.now(), request_id=UUID(int=number + 1), fields=["name"], **options
            )
            await record(connection, [entry])


async def tamper(pool, statement, *arguments):
    """As somebody who owns the server: no trigger and no policy in the way."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        assert not (await connection.execute(statement, *arguments)).endswith(" 0")


@pytest.fixture
async def chained(pool, clock, chainer):
    """Three batches of events and as many of looks."""
    for _ in range(3):
        await happen(pool, clock, 5)
        clock.pass_(SETTLE.total_seconds() + 1)
        assert await chainer.chain() == 10
    return chainer


async def faults(pool, clock, **options):
    report = await verify(pool, "barnet", clock.now(), key=KEY, **options)
    return [str(fault) for fault in report.faults]


async def test_what_nobody_touched_verifies(pool, clock, chained):
    """All of it, signed, with a head to note down."""
    report = await verify(pool, "barnet", clock.now(), key=KEY)
    assert (report.faults, report.entries, report.batches, report.waiting, report.signed) == (
        [],
        30,
        6,
        0,
        True,
    )
    await happen(pool, clock, 2)
    later = await verify(pool, "barnet", clock.now(), key=KEY, expect=report.head)
    assert (later.faults, later.waiting) == ([], 4)


@pytest.mark.parametrize(
    "column",
    [
        "at = at + interval '1 second'",
        "actor = 'key:y'",
        "kind = 'resolved'",
        'detail = detail || \'{"service": "x"}\'',
        "request_id = gen_random_uuid()",
        "detail = codes_only(detail)",
    ],
)
async def test_a_changed_event_is_named(pool, clock, chained, column):
    """Any column of any one row; taking out its words without an erasure, too."""
    row = await pool.fetchval("SELECT event_id FROM events ORDER BY event_id OFFSET 7 LIMIT 1")
    await tamper(pool, f"UPDATE events SET {column} WHERE event_id = $1", row)
    assert await faults(pool, clock) == [f"batch 3, events {row}: the row was changed"]


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'x'",
        "fields = '{}'",
        "action = 'listed'",
        "request_id = NULL",
        "subject = 'x'",
        "trace_id = 'x'",
    ],
)
async def test_a_changed_look_is_named(pool, clock, chained, change):
    """Who looked, and at what, is part of it."""
    row = await pool.fetchval("SELECT audit_id FROM audit ORDER BY audit_id DESC LIMIT 1")
    await tamper(pool, f"UPDATE audit SET {change} WHERE audit_id = $1", row)
    assert await faults(pool, clock) == [f"batch 6, audit {row}: the row was changed"]


async def test_a_removed_row_is_named(pool, clock, chained):
    """In the middle and at the end."""
    for order in ("ASC", "DESC"):
        row = await pool.fetchval(f"SELECT event_id FROM events ORDER BY event_id {order} LIMIT 1")
        await tamper(pool, "DELETE FROM events WHERE event_id = $1", row)
    found = await faults(pool, clock)
    assert len(found) == 2
    assert all("the row was removed" in each for each in found)


async def test_rows_that_changed_places_are_named(pool, clock, chained):
    """Two rows with each other's contents."""
    one, two = [row[0] for row in await pool.fetch("SELECT event_id FROM events ORDER BY event_id LIMIT 2")]
    await tamper(
        pool,
        "UPDATE events AS e SET at = o.at, request_id = o.request_id, detail = o.detail FROM events AS o"
        " WHERE (e.event_id, o.event_id) IN (($1, $2), ($2, $1))",
        *(one, two),
    )
    assert sorted(await faults(pool, clock)) == sorted(
        f"batch 1, events {row}: the row was changed" for row in (one, two)
    )


async def test_a_row_slipped_in_afterwards_is_named(pool, clock, chained):
    """With a time long past, as if it had always been there."""
    before = clock.now() - timedelta(seconds=150)
    row = uuid7(before)
    await tamper(
        pool,
        "INSERT INTO events VALUES ('barnet', $1, $2, NULL, $3, 'resolved', 'x', '{}')",
        *(row, UUID(int=1), clock.now() - timedelta(hours=1)),
    )
    assert await faults(pool, clock) == [f"head, events {row}: the row was added afterwards"]


async def test_the_chains_own_batches_cannot_be_changed_removed_or_reordered(pool, clock, chained):
    """Each of them, in the middle."""
    await tamper(pool, "UPDATE audit_chain SET at = at + interval '1 second' WHERE number = 2")
    assert await faults(pool, clock) == ["batch 2: the batch itself was changed"]
    await tamper(pool, "UPDATE audit_chain SET at = at - interval '1 second' WHERE number = 2")
    await tamper(
        pool, "UPDATE audit_chain SET number = CASE number WHEN 3 THEN -5 ELSE 3 END WHERE number IN (3, 5)"
    )
    await tamper(pool, "UPDATE audit_chain SET number = 5 WHERE number = -5")
    assert any("reordered" in each for each in await faults(pool, clock))


async def test_a_batch_that_was_removed_is_missed(pool, clock, chained):
    """With its rows or without."""
    ids = await pool.fetchval("SELECT ids FROM audit_chain WHERE number = 3")
    await tamper(pool, "DELETE FROM audit_chain WHERE number = 3")
    assert any("the whole batch was removed" in each for each in await faults(pool, clock))
    await tamper(pool, "DELETE FROM events WHERE event_id = ANY($1)", ids)
    assert any("the whole batch was removed" in each for each in await faults(pool, clock))


async def test_an_end_that_was_cut_off_is_missed(pool, clock, chained):
    """Rows, batches and head cut back together: without the key the head cannot be signed, and the noted one is gone."""
    noted = (await verify(pool, "barnet", clock.now(), key=KEY)).head
    row = await pool.fetchrow("SELECT ids, previous FROM audit_chain WHERE number = 6")
    await tamper(pool, "DELETE FROM audit WHERE audit_id = ANY($1)", row["ids"])
    await tamper(pool, "DELETE FROM audit_chain WHERE number = 6")
    assert any("its end was cut off" in each for each in await faults(pool, clock))
    await tamper(pool, "UPDATE audit_heads SET number = 5, entries = 25, hash = $1", row["previous"])
    assert await faults(pool, clock) == ["head: the head's signature is not ours"]
    found = (await verify(pool, "barnet", clock.now(), expect=noted)).faults
    assert [each.what for each in found] == [f"the chain does not hold the head that was noted: {noted}"]


async def test_erasure_leaves_the_chain_whole(pool, clock, chained):
    """The words go, the salt goes, the digest stays; and it counts only where the audit says that they were erased."""
    row = await pool.fetchrow("SELECT event_id, request_id FROM events ORDER BY event_id LIMIT 1")
    async with scoped(pool, "barnet") as connection:
        await connection.execute(
            "UPDATE events SET detail = codes_only(detail) WHERE event_id = $1", row["event_id"]
        )
        await forget_salts(connection, "barnet", [row["event_id"]])
    assert "without an erasure" in (await faults(pool, clock))[0]
    async with scoped(pool, "barnet") as connection:
        await record(connection, [Entry.of(CALLER, "erased", clock.now(), request_id=row["request_id"])])
    assert await faults(pool, clock) == []
    assert await pool.fetchval("SELECT detail FROM events ORDER BY event_id LIMIT 1") == {
        "service": "missed-bin",
        "confidence": 0.8123,
        "erased": True,
    }
    await tamper(pool, "UPDATE events SET actor = 'x' WHERE event_id = $1", row["event_id"])
    assert "the row was changed" in (await faults(pool, clock))[0]


async def test_what_came_late_is_chained_by_the_sweep(pool, clock, chained):
    """A clock that was behind, a commit that hung: nothing stays outside."""
    clock.wall -= timedelta(minutes=3)
    await happen(pool, clock, 2)
    clock.wall += timedelta(minutes=3)
    assert await chained.chain() == 0
    assert await chained.sweep() == 4
    assert await faults(pool, clock) == []


async def test_each_authority_has_a_chain_of_its_own_and_large_ones_take_several_batches(
    pool, clock, chainer
):
    """Nobody's chain waits for another's."""
    await happen(pool, clock, AT_ONCE + 10)
    await happen(pool, clock, 1, authority="northamptonshire")
    clock.pass_(SETTLE.total_seconds() + 1)
    assert await chainer.chain() == 2 * (AT_ONCE + 10) + 2
    numbers = await pool.fetch("SELECT authority_id, count(*) FROM audit_chain GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in numbers] == [("barnet", 4), ("northamptonshire", 2)]
    assert await faults(pool, clock) == []
