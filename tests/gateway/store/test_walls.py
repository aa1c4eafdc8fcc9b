"""The second wall: whatever a statement forgets, one authority's rows do not reach another."""

from __future__ import annotations

from urllib.parse import urlsplit

import asyncpg
import pytest

from gateway.errors import StartError
from gateway.metrics import Metrics
from gateway.store.migrate import migrate
from gateway.store.pool import open_pool
from gateway.store.prepare import prepare
from gateway.store.roles import COURIER, INTAKE, ROLES, SEARCH, STAFF, check_walls
from gateway.store.scope import scoped, searching
from gateway.store.writer import Writer

TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'authority_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public'
"""


@pytest.fixture
async def store(database_url, make):
    """Store a request as the gateway does: in the intake writer's own role."""
    async with open_pool(database_url, size=1, role=INTAKE) as intake:
        writer = Writer(intake, Metrics(), batch=8, most_waiting=8)
        async with writer.group.running(1):

            async def store(authority, **options):
                return await writer.submit(make(authority, **options))

            yield store


async def test_every_table_of_an_authority_is_behind_the_wall(pool):
    """A new table is behind it too, or this fails."""
    rows = await pool.fetch(TABLES)
    assert len(rows) >= 15
    assert [
        row["relname"] for row in rows if not (row["relrowsecurity"] and row["relforcerowsecurity"])
    ] == []


async def test_the_start_is_refused_while_a_table_is_open(pool):
    """A table that nobody protected, and one whose protection somebody took away, are named."""
    await prepare(pool)
    await pool.execute("CREATE TABLE jottings (authority_id text NOT NULL, words text)")
    with pytest.raises(StartError, match="jottings"):
        await check_walls(pool)
    await pool.execute("SELECT protect('jottings')")
    await prepare(pool)
    await pool.execute("ALTER TABLE requests NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(StartError, match="not forced on requests"):
        await prepare(pool)


async def test_a_later_table_is_protected_by_one_line(pool):
    """`protect` gives staff their own authority's rows, and nobody else anything."""
    await pool.execute(
        "CREATE TABLE jottings (authority_id text NOT NULL, words text); SELECT protect('jottings')"
    )
    for authority in ("barnet", "northamptonshire"):
        async with scoped(pool, authority) as connection:
            await connection.execute("INSERT INTO jottings VALUES ($1, 'x')", authority)
            assert await connection.fetchval("SELECT count(*) FROM jottings") == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with scoped(pool, "barnet") as connection:
            await connection.execute("INSERT INTO jottings VALUES ('northamptonshire', 'x')")
    async with scoped(pool, "barnet") as connection:
        assert await connection.execute("UPDATE jottings SET words = 'y'") == "UPDATE 1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE jottings SET authority_id = 'northamptonshire'")
    async with scoped(pool, "barnet", organisation="pct") as connection:
        assert await connection.fetchval("SELECT count(*) FROM jottings") == 0
    for role in (COURIER, INTAKE, SEARCH):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch("SELECT * FROM jottings")


async def test_without_an_authority_nothing_is_seen(database_url, pool, store):
    """What forgets `scoped` sees an empty database, not everybody's."""
    await store("barnet")
    async with open_pool(database_url, size=1, role=STAFF) as staff:
        assert await staff.fetchval("SELECT current_user") == STAFF
        assert await staff.fetchval("SELECT count(*) FROM requests") == 0
        async with scoped(staff, "barnet") as connection:
            assert await connection.fetchval("SELECT count(*) FROM requests") == 1
        assert await staff.fetchval("SELECT count(*) FROM requests") == 0  # and it does not stick


async def test_a_statement_that_forgets_its_authority_meets_the_wall(pool, store):
    """Reads find nothing of others, changes change nothing of others, in every table there is."""
    await store("barnet")
    tables = [row["relname"] for row in await pool.fetch(TABLES)]
    holding = [name for name in tables if await pool.fetchval(f"SELECT count(*) FROM {name}")]
    assert {"requests", "referrals", "deliveries", "events"} <= {*holding}
    async with scoped(pool, "northamptonshire") as connection:
        for name in tables:
            assert await connection.fetchval(f"SELECT count(*) FROM {name}") == 0, name
        assert await connection.execute("UPDATE requests SET text = 'x'") == "UPDATE 0"
        assert await connection.execute("DELETE FROM requests") == "DELETE 0"


async def test_an_organisations_own_people_see_their_referrals_and_no_others(pool, store):
    """Requests in which nothing is theirs do not exist for them."""
    await store("barnet", organisation="re")
    await store("barnet", organisation="pct")
    async with scoped(pool, "barnet", organisation="pct") as connection:
        for name, expected in (("requests", 1), ("referrals", 1), ("deliveries", 1), ("corrections", 0)):
            assert await connection.fetchval(f"SELECT count(*) FROM {name}") == expected, name
        assert {
            row["organisation"] for row in await connection.fetch("SELECT organisation FROM referrals")
        } == {"pct"}
        assert await connection.fetchval("SELECT count(DISTINCT request_id) FROM events") == 1
        assert (
            await connection.execute("UPDATE referrals SET state = 'x' WHERE organisation = 're'")
            == "UPDATE 0"
        )


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (INTAKE, "SELECT text FROM requests"),
        (INTAKE, "SELECT secret FROM subscriptions"),
        (INTAKE, "UPDATE requests SET text = ''"),
        (INTAKE, "DELETE FROM events"),
        (INTAKE, "SELECT * FROM api_keys"),
        (COURIER, "SELECT * FROM api_keys"),
        (COURIER, "SELECT session_hash FROM sessions"),
        (COURIER, "SELECT * FROM corrections"),
        (COURIER, "UPDATE requests SET text = ''"),
        (COURIER, "INSERT INTO requests (authority_id) VALUES ('x')"),
        (COURIER, "DELETE FROM audit"),
        (STAFF, "UPDATE audit SET actor = 'x'"),
        (STAFF, "DELETE FROM events"),
        (STAFF, "INSERT INTO audit_chain (authority_id) VALUES ('barnet')"),
        (STAFF, "UPDATE audit_heads SET number = 0"),
        (STAFF, "ALTER TABLE requests DISABLE ROW LEVEL SECURITY"),
        (STAFF, "CREATE TABLE mine ()"),
        (SEARCH, "SELECT * FROM requests"),
        (SEARCH, "SELECT text FROM referrals"),
        (SEARCH, "SELECT text FROM messages"),
        (SEARCH, "DELETE FROM search_words"),
        (INTAKE, "SELECT * FROM fresh_requests"),
        (INTAKE, "SELECT * FROM request_search"),
        (COURIER, "SELECT * FROM messages"),
        (COURIER, "UPDATE clocks SET resolve_by = now()"),
        (STAFF, "UPDATE messages SET by = 'x'"),
        (STAFF, "DELETE FROM messages"),
    ],
    ids=str,
)
async def test_each_role_may_do_its_own_work_and_no_more(pool, role, statement):
    """The writer cannot read citizens' words, the courier knows no keys, nobody rewrites what happened."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {role}")
        await connection.execute("SELECT set_config('front_door.authority', 'barnet', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_what_happened_is_not_rewritten_even_by_the_owner(pool, store):
    """Events and audit are append-only to everybody who does not take the triggers away."""
    await store("barnet")
    for statement in (
        "DELETE FROM events",
        "UPDATE events SET actor = 'x'",
        "UPDATE events SET detail = '{}'",
        "TRUNCATE events",
        "TRUNCATE audit",
        "TRUNCATE audit_chain",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await pool.execute(statement)


async def test_a_policy_costs_no_index(pool, store):
    """Behind the wall the reference is still found by its index, and the courier's claim as before."""
    await store("barnet")
    async with scoped(pool, "barnet") as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(
            "EXPLAIN SELECT * FROM requests WHERE authority_id = 'barnet' AND reference = 'BAR-1'"
        )
        assert "Index Scan using requests_authority_id_reference_key" in "".join(row[0] for row in plan)
        assert any("reference = " in row[0] for row in plan if "Index Cond" in row[0])


async def test_search_by_likeness_may_use_its_index(pool, store):
    """LIKE is not leakproof: behind a policy it could not. What is searchable is said column by column."""
    await store("barnet")
    await pool.execute("SELECT searchable('deliveries', 'authority_id, delivery_id, organisation')")
    await pool.execute("CREATE INDEX by_organisation ON deliveries (organisation text_pattern_ops)")
    statement = (
        "SELECT delivery_id FROM deliveries"
        " WHERE authority_id = current_setting('front_door.authority') AND organisation LIKE 'missed%'"
    )
    async with searching(pool, "barnet") as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}"))
        assert "by_organisation" in plan
        assert "Index Cond: ((organisation ~>=~" in plan
    async with searching(pool, "barnet") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT state FROM deliveries")


@pytest.fixture
async def stranger(server_url, empty_database_url):
    """An owner of this database who may not make roles."""
    admin = await asyncpg.connect(server_url)
    name = urlsplit(empty_database_url).path.removeprefix("/")
    user = f"owner_of_{name}"
    await admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'x'")
    await admin.execute(f"ALTER DATABASE {name} OWNER TO {user}")
    inside = await asyncpg.connect(empty_database_url)
    await inside.execute(f"ALTER SCHEMA public OWNER TO {user}")
    try:
        yield inside, user
    finally:
        await inside.execute("RESET SESSION AUTHORIZATION")
        await inside.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"DROP ROLE {user}")
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()


async def test_an_owner_who_may_not_make_roles_is_told_what_to_run(stranger):
    """A managed database: the lines to have an administrator run are in the message, and with them it works."""
    inside, user = stranger
    await inside.execute(f"SET SESSION AUTHORIZATION {user}")
    with pytest.raises(StartError, match=f'GRANT front_door_staff TO "{user}"'):
        await migrate(inside)
    await inside.execute("RESET SESSION AUTHORIZATION")
    for role in ROLES:
        await inside.execute(f"GRANT {role} TO {user}")
    await inside.execute(f"SET SESSION AUTHORIZATION {user}")
    assert "0006_people_and_rights" in await migrate(inside)
    # The owner is no superuser: forced policies hold for it as well.
    async with inside.transaction():
        await inside.execute("SELECT set_config('front_door.authority', 'barnet', true)")
        await inside.execute(
            "INSERT INTO api_keys (authority_id, key_id, name, secret_hash, created_at)"
            " VALUES ('barnet', gen_random_uuid(), 'x', '', now())"
        )
    assert await inside.fetchval("SELECT count(*) FROM api_keys") == 0
