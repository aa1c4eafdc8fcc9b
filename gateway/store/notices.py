"""Notices to subscriptions: deliveries with the role `notice`.

They are made by the database (`migrations/0003`), in the transaction of the event they tell of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from gateway.store.pool import Connection

_SETTLE: Final = """
UPDATE deliveries AS d
SET state = CASE WHEN EXISTS (SELECT FROM subscriptions AS s WHERE s.authority_id = d.authority_id
                              AND d.organisation = 'subscription:' || s.subscription_id) THEN 'dead' ELSE 'withdrawn' END,
    updated_at = $1
FROM (SELECT DISTINCT authority_id, organisation FROM deliveries WHERE role = 'notice' AND state = 'waiting') AS w
WHERE d.authority_id = w.authority_id AND d.organisation = w.organisation AND d.role = 'notice' AND d.state = 'waiting'
  AND NOT EXISTS (SELECT FROM subscriptions AS s WHERE s.authority_id = w.authority_id
                  AND w.organisation = 'subscription:' || s.subscription_id AND s.disabled_at IS NULL)
"""


async def settle_unsent(connection: Connection, now: datetime) -> int:
    """End the waiting notices of subscriptions that are not live: `dead` if it is disabled, `withdrawn` if it is gone.

    Run from time to time as well: an event may have been on its way while the subscription ended.
    """
    status = await connection.execute(_SETTLE, now)
    return int(status.split()[-1])


async def forget_ended(connection: Connection, older_than: datetime, limit: int = 5000) -> int:
    """Delete notices that ended before `older_than`, with their attempts; how many. Dead ones are kept for a person."""
    status = await connection.execute(
        "WITH old AS (SELECT authority_id, delivery_id FROM deliveries WHERE role = 'notice'"
        "   AND state IN ('delivered', 'refused', 'withdrawn') AND updated_at < $1 ORDER BY updated_at LIMIT $2),"
        " tries AS (DELETE FROM attempts AS a USING old"
        "   WHERE a.authority_id = old.authority_id AND a.delivery_id = old.delivery_id)"
        " DELETE FROM deliveries AS d USING old"
        " WHERE d.authority_id = old.authority_id AND d.delivery_id = old.delivery_id",
        *(older_than, limit),
    )
    return int(status.split()[-1])


async def add(
    connection: Connection,
    live: tuple[str, UUID],
    delivery_id: UUID,
    notice: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Queue one notice that no event made; `False` unless the subscription (authority, id) is live."""
    status = await connection.execute(
        "INSERT INTO deliveries (authority_id, delivery_id, organisation, role, state, priority, due_at, created_at,"
        " updated_at, notice) SELECT authority_id, $3, 'subscription:' || subscription_id, 'notice', 'waiting', 3, $4, $4,"
        " $4, $5 FROM subscriptions WHERE authority_id = $1 AND subscription_id = $2 AND disabled_at IS NULL",
        *(*live, delivery_id, now, notice),
    )
    return bool(status.endswith(" 1"))
