"""Migrations go forward, once, and never change behind our back."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gateway.errors import StartError
from gateway.store.migrate import Migration, known, migrate

FIRST = Migration(1, "0001_a", "CREATE TABLE a (n int)")
SECOND = Migration(2, "0002_b", "CREATE TABLE b (n int)")


@pytest.fixture
async def connection(empty_database_url):
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


async def test_what_is_missing_is_applied_in_order_and_once(connection):
    """A second run finds nothing to do."""
    assert await migrate(connection, [FIRST]) == ["0001_a"]
    assert await migrate(connection, [FIRST, SECOND]) == ["0002_b"]
    assert await migrate(connection, [FIRST, SECOND]) == []


async def test_a_changed_migration_stops_the_start(connection):
    """What was applied must not differ from what is in the package."""
    await migrate(connection, [FIRST])
    with pytest.raises(StartError, match="0001_a was changed"):
        await migrate(connection, [Migration(1, "0001_a", "CREATE TABLE a (n bigint)")])


async def test_an_older_version_refuses_a_newer_database(connection):
    """A roll-back does not run against tables it does not know."""
    await migrate(connection, [FIRST, SECOND])
    with pytest.raises(StartError, match="newer than this version: it has 0002_b"):
        await migrate(connection, [FIRST])


async def test_a_failing_migration_leaves_nothing(connection):
    """Each is one transaction."""
    broken = Migration(2, "0002_b", "CREATE TABLE b (n int); SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(connection, [FIRST, broken])
    assert await connection.fetchval("SELECT to_regclass('b') IS NULL")
    assert await migrate(connection, [FIRST, SECOND]) == ["0002_b"]


async def test_gateways_that_start_together_take_turns(empty_database_url):
    """Four at once apply each migration once."""
    connections = [await asyncpg.connect(empty_database_url) for _ in range(4)]
    applied = await asyncio.gather(*(migrate(connection) for connection in connections))
    assert sorted(name for names in applied for name in names) == [each.name for each in known()]
    for connection in connections:
        await connection.close()


async def test_every_key_begins_with_the_authority(pool):
    """An authority can be moved or sharded whole: no key and no unique index reaches across authorities."""
    rows = await pool.fetch(
        "SELECT i.indrelid::regclass::text AS name, a.attname FROM pg_index AS i"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE i.indisunique AND n.nspname = 'public' AND c.relname NOT IN ('schema_migrations', 'personal_data')"
    )
    assert rows
    assert {row["name"] for row in rows if row["attname"] != "authority_id"} == set()
