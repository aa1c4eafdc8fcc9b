"""Group commit stores every request exactly once, and one bad row hurts nobody else."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest

from gateway.errors import Overloaded, StoreUnavailable
from gateway.metrics import Metrics
from gateway.store.pool import open_pool
from gateway.store.writer import DuplicateReference, IdempotencyKey, Writer


@pytest.fixture
def writer(pool):
    return Writer(pool, Metrics(), batch=128, most_waiting=10_000)


def key(name, body=b"body", answer=b"answer"):
    return IdempotencyKey(scope="test", key=name, body_hash=body, answer=answer)


async def counts(pool):
    tables = ("requests", "referrals", "deliveries", "events")
    return [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_many_at_once_are_each_stored_once(writer, pool, make):
    """A thousand together: a thousand rows in each table, in fewer commits."""
    accepted = [make() for _ in range(1000)]
    async with writer.group.running(2):
        stored = await asyncio.gather(*(writer.submit(each) for each in accepted))
    assert [each.request_id for each in stored] == [each.request.request_id for each in accepted]
    assert await counts(pool) == [1000] * 4


async def test_what_was_stored_is_what_was_given(writer, pool, make):
    """Odd words come back to the letter."""
    text = 'Zażółć 🚮 "quotes" \\ \' ; DROP TABLE requests; -- \t\n \u202e end'
    async with writer.group.running(1):
        await writer.submit(make(text=text, chain=["council", "worklist"]))
    row = await pool.fetchrow(
        "SELECT q.text, q.citizen, q.decision, r.chain FROM requests q JOIN referrals r USING (request_id)"
    )
    assert row["text"] == text
    assert row["citizen"] == {"name": "Ann"}
    assert row["decision"]["parts"][0]["text"] == text
    assert row["chain"] == ["council", "worklist"]


async def test_one_bad_row_hurts_nobody_else(writer, pool, make):
    """A taken reference among twenty fails alone."""
    async with writer.group.running(1):
        await writer.submit(make(reference="BAR-AAAA-AAAA"))
        batch = [make() for _ in range(20)]
        batch[7] = make(reference="BAR-AAAA-AAAA")
        results = await asyncio.gather(*(writer.submit(each) for each in batch), return_exceptions=True)
    assert [type(each) for each in results if isinstance(each, Exception)] == [DuplicateReference]
    assert isinstance(results[7], DuplicateReference)
    assert await counts(pool) == [20] * 4


async def test_the_same_reference_may_stand_in_two_authorities(writer, make):
    """No unique index reaches across authorities."""
    async with writer.group.running(1):
        await writer.submit(make("barnet", reference="X-AAAA-AAAA"))
        await writer.submit(make("northamptonshire", reference="X-AAAA-AAAA"))


async def test_a_replayed_key_stores_nothing_and_tells_the_first_answer(writer, pool, make):
    """Sending it again is harmless."""
    first = make()
    async with writer.group.running(1):
        await writer.submit(first, key("k", answer=b"first"))
        again = await writer.submit(make(), key("k", body=b"other", answer=b"second"))
    assert again.request_id == first.request.request_id
    assert (again.answer, again.body_hash) == (b"first", b"body")
    assert await counts(pool) == [1] * 4


async def test_one_key_many_times_in_one_moment_is_stored_once(pool, make):
    """Fifty at once, over two writers of two processes: one row."""
    writers = [Writer(pool, Metrics(), batch=16, most_waiting=1000) for _ in range(2)]
    async with writers[0].group.running(2), writers[1].group.running(2):
        stored = await asyncio.gather(*(writers[n % 2].submit(make(), key("k")) for n in range(50)))
    assert len({each.request_id for each in stored}) == 1
    assert await counts(pool) == [1] * 4


async def test_keys_of_different_callers_and_authorities_are_apart(writer, pool, make):
    """Two callers may choose the same key."""
    other = msgspec.structs.replace(key("k"), scope="other")
    async with writer.group.running(1):
        await writer.submit(make("barnet"), key("k"))
        await writer.submit(make("northamptonshire"), key("k"))
        await writer.submit(make("barnet"), other)
    assert await counts(pool) == [3] * 4


async def test_too_many_waiting_is_said_at_once(pool, make):
    """The queue never grows past its bound."""
    writer = Writer(pool, Metrics(), batch=1, most_waiting=3)
    waiting = [asyncio.ensure_future(writer.submit(make())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await writer.submit(make())
    async with writer.group.running(1):
        await asyncio.gather(*waiting)
    assert await counts(pool) == [3] * 4


async def test_a_lost_connection_is_unavailable_and_the_next_one_works(writer, pool, database_url, make):
    """Every caller hears of it; nothing is half-stored; recovery needs nobody."""
    admin = await asyncpg.connect(database_url)
    async with writer.group.running(1):
        await writer.submit(make())
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        results = await asyncio.gather(*(writer.submit(make()) for _ in range(10)), return_exceptions=True)
        failed = sum(isinstance(each, StoreUnavailable) for each in results)
        stored = [each for each in results if not isinstance(each, BaseException)]
        assert failed + len(stored) == 10, results
        await writer.submit(make())
    await admin.close()
    assert await counts(pool) == [len(stored) + 2] * 4


async def test_no_database_is_unavailable():
    """Where nothing listens the error says so, within the host's deadline."""
    async with open_pool("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=1) as pool:
        writer = Writer(pool, Metrics(), batch=1, most_waiting=3)
        async with writer.group.running(1):
            with pytest.raises(StoreUnavailable):
                await writer.submit(None)
