"""Where each referral stands, and whether somebody can be named who has it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final
from uuid import UUID

import msgspec

from gateway.model import ENDED
from gateway.store.pool import Connection

_ENDS: Final = frozenset(state.value for state in ENDED)
_WAITING: Final = frozenset({"waiting", "claimed"})
_WITH_A_PERSON: Final = {
    "uncertain": {"uncertain"},
    "undeliverable": {"refused", "dead", "uncertain", "delivered"},
}
"""A referral left to a person → what its last organisation's delivery then is."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A referral and its deliveries."""

    authority_id: str
    referral_id: UUID
    state: str
    organisation: str | None
    priority: str
    deliveries: list[tuple[str, str, str]]
    """Organisation, role and state of each."""


async def read(connection: Connection) -> list[Row]:
    """Every referral there is."""
    rows = await connection.fetch(
        "SELECT r.authority_id, r.referral_id, r.state, r.organisation, r.priority,"
        " array_agg(d.organisation ORDER BY d.delivery_id) FILTER (WHERE d.delivery_id IS NOT NULL) AS organisations,"
        " array_agg(d.role ORDER BY d.delivery_id) FILTER (WHERE d.delivery_id IS NOT NULL) AS roles,"
        " array_agg(d.state ORDER BY d.delivery_id) FILTER (WHERE d.delivery_id IS NOT NULL) AS states"
        " FROM referrals AS r LEFT JOIN deliveries AS d USING (authority_id, referral_id)"
        " GROUP BY r.authority_id, r.referral_id"
    )
    return [
        Row(
            authority_id=row["authority_id"],
            referral_id=row["referral_id"],
            state=row["state"],
            organisation=row["organisation"],
            priority=row["priority"],
            deliveries=list(
                zip(row["organisations"] or (), row["roles"] or (), row["states"] or (), strict=True)
            ),
        )
        for row in rows
    ]


def faults_of(
    row: Row, worklists: Collection[tuple[str, str]], *, settled: bool, ended: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong with where a referral stands: kind of fault, and what it is.

    A safeguarding referral is ended by a person alone, so that it may stay with its organisation.
    """
    waiting = [organisation for organisation, _, state in row.deliveries if state in _WAITING]
    if settled and waiting:
        yield "not settled", f"still waits for {', '.join(waiting)}"
    if row.state in _ENDS or row.state == "triage":
        return
    held = {
        state
        for organisation, role, state in row.deliveries
        if role == "lead" and organisation == row.organisation
    }
    if row.state == "routed":
        if not held & _WAITING:
            yield "stranded", f"routed to {row.organisation}, whose delivery is {_list(held)}"
    elif row.state in _WITH_A_PERSON:
        if not held & _WITH_A_PERSON[row.state]:
            yield "stranded", f"{row.state} with {row.organisation}, whose delivery is {_list(held)}"
    elif row.state in {"delivered", "in_progress"}:
        if "delivered" not in held:
            yield "stranded", f"{row.state} with {row.organisation}, whose delivery is {_list(held)}"
        elif (
            ended and row.priority != "safeguarding" and (row.authority_id, row.organisation) not in worklists
        ):
            yield "not ended", f"{row.state} with {row.organisation}"
    else:
        yield "stranded", f"{row.state} with {row.organisation} is nobody's to act on"


def _list(states: set[str]) -> str:
    return ", ".join(sorted(states)) or "not there"
