"""The database roles that row-level security is written for: who may do what, whatever a statement forgets.

All connections are opened by the user of DATABASE_URL, who owns the tables; each pool then takes one of these roles, none
of which owns anything or may step over a policy.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from gateway.errors import StartError
from gateway.store.pool import Connection, Pool

STAFF: Final = "front_door_staff"
"""All that staff and citizens do: sees the authority that its transaction names (`scoped`), and nothing without one."""
INTAKE: Final = "front_door_intake"
"""The intake writer: adds requests of several authorities in one statement, and reads next to nothing."""
COURIER: Final = "front_door_courier"
"""The courier and what else runs by itself: hands over for all authorities. Knows no keys, sessions or corrections."""
SEARCH: Final = "front_door_search"
"""Finds ids by likeness (`searching`); reads the columns made searchable, and writes nothing."""
ROLES: Final = (STAFF, INTAKE, COURIER, SEARCH)


async def ensure_roles(connection: Connection) -> None:
    """Make the roles if need be, and let the connection's user take them. Raises `StartError` saying what to run."""
    user = await connection.fetchval("SELECT session_user")
    for role in ROLES:
        try:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
                await _create(connection, role)
            if not await _may_take(connection, role):
                await connection.execute(f'GRANT {role} TO "{user}"')
        except asyncpg.InsufficientPrivilegeError:
            raise StartError(_help(user)) from None
        if not await _may_take(connection, role):
            raise StartError(_help(user))


async def _create(connection: Connection, role: str) -> None:
    try:
        await connection.execute(f"CREATE ROLE {role} NOLOGIN NOINHERIT")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # another database of this server was made ready at the same moment


async def _may_take(connection: Connection, role: str) -> bool:
    """Whether `SET ROLE` works. Asked by doing it: what membership allows differs between versions."""
    try:
        await connection.execute(f"SET ROLE {role}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    await connection.execute("RESET ROLE")
    return True


def _help(user: str) -> str:
    lines = [f'CREATE ROLE {role} NOLOGIN NOINHERIT; GRANT {role} TO "{user}";' for role in ROLES]
    return (
        f"the database user {user!r} may not make the roles that keep authorities apart; "
        f"have an administrator run, once for this server (leave out what exists): {' '.join(lines)}"
    )


async def check_walls(pool: Pool) -> None:
    """Raise `StartError` unless row-level security is on, and cannot be stepped over, for every table of an authority."""
    async with pool.acquire() as connection:
        open_tables = await connection.fetch(_OPEN_TABLES)
        if open_tables:
            names = ", ".join(row["relname"] for row in open_tables)
            raise StartError(
                f"row-level security is not forced on {names}; the tables of an authority need it: "
                "run SELECT protect('…') in the migration that makes them, and ALTER TABLE … FORCE ROW LEVEL SECURITY"
            )
        too_strong = await connection.fetch(_TOO_STRONG, list(ROLES))
        if too_strong:
            names = ", ".join(row["rolname"] for row in too_strong)
            raise StartError(
                f"the database roles {names} may step over row-level security: they must be neither SUPERUSER nor "
                "BYPASSRLS, and neither own the tables nor be members of who does"
            )
        for role in ROLES:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {role}")
                if not await connection.fetchval("SELECT row_security_active('requests')"):
                    raise StartError(f"row-level security does not hold for the database role {role}")


_OPEN_TABLES: Final = """
SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'authority_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema()
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY c.relname
"""
_TOO_STRONG: Final = """
SELECT r.rolname FROM pg_roles AS r WHERE r.rolname = ANY ($1) AND (r.rolsuper OR r.rolbypassrls OR EXISTS (
    SELECT FROM pg_class AS c WHERE c.oid = 'requests'::regclass AND pg_has_role(r.rolname, c.relowner, 'MEMBER')))
"""
