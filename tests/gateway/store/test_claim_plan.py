"""Claiming costs what the batch costs, however long the queue is."""

from __future__ import annotations

import re
from datetime import timedelta

from gateway.store.claims import _CLAIM

_FILL = """
WITH n AS (SELECT gen_random_uuid() AS id, number FROM generate_series(1, 5000) AS number), q AS (
    INSERT INTO requests (authority_id, request_id, reference, channel, text, decision, created_at, created_by, trace_id)
    SELECT 'barnet', id, number, 'phone', '', '{}', $1, '', '' FROM n
), r AS (
    INSERT INTO referrals (authority_id, referral_id, request_id, part, text, state, priority, created_at, updated_at)
    SELECT 'barnet', id, id, 1, '', 'routed', 'normal', $1, $1 FROM n
)
INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, state, priority, due_at,
                        created_at, updated_at)
SELECT 'barnet', id, id, id, 're', 'waiting', 2, $1, $1, $1 FROM n
"""


async def test_no_table_is_read_from_end_to_end(pool, clock):
    """With thousands waiting, every table is read by its keys."""
    async with pool.acquire() as connection:
        await connection.execute(_FILL, clock.now())
        await connection.execute("ANALYZE")
        rows = await connection.fetch(
            "EXPLAIN " + _CLAIM, ["barnet"], ["re"], [8], [timedelta(seconds=30)], clock.now(), "w"
        )
    plan = "\n".join(row[0] for row in rows)
    read = set(re.findall(r"Index Scan using (\w+)", plan))
    assert {"deliveries_due", "deliveries_pkey", "referrals_pkey", "requests_pkey"} <= read, plan
    assert set(re.findall(r"Seq Scan on (\w+)", plan)) <= {"attempts"}, plan
