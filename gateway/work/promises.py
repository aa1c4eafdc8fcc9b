"""What a citizen is promised, and when: computed from what was promised and the pauses, never from today's rules.

A promise keeps its targets and its opening hours. It begins when the citizen sent the request, whoever has it later: a
transfer changes nothing, another service brings that service's targets from the same beginning, a merge keeps the earliest
beginning. While the citizen is waited for the clock stands still: what was left of the working time when it stopped is left
when it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from routing_rules.authority import Authority
from routing_rules.hours import Acknowledge, Hours, HoursTable, Nation
from routing_rules.targets import Target


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """Targets as they were when they were promised, and the hours that they count in."""

    target: Target
    hours: HoursTable
    nation: Nation


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """The citizen was waited for."""

    since: datetime
    until: datetime
    reason: str


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """When what was promised is due; `None`: not promised."""

    acknowledge_by: datetime | None
    respond_by: datetime | None
    resolve_by: datetime | None


def promised(authority: Authority, service: str | None) -> Promise:
    """What the authority promises today for a service; for none known yet, what it promises for any."""
    settings = authority.settings
    return Promise(target=settings.targets.of(service), hours=settings.hours, nation=settings.nation)


def due(promise: Promise, started_at: datetime, pauses: Sequence[Pause] = ()) -> Due:
    """When each target is due. `pauses` are over and in order; one that still lasts is not among them."""
    hours = Hours(promise.hours, promise.nation)
    target = promise.target
    return Due(
        acknowledge_by=_due(target.acknowledge, hours, started_at, pauses),
        respond_by=_due(target.respond, hours, started_at, pauses),
        resolve_by=_due(target.resolve, hours, started_at, pauses),
    )


def _due(
    length: Acknowledge | None, hours: Hours, started_at: datetime, pauses: Sequence[Pause]
) -> datetime | None:
    if length is None:
        return None
    due_at = length.due(started_at, hours)
    for pause in pauses:
        since = max(pause.since, started_at)
        if since >= due_at or pause.until <= since:
            continue  # it was due before the citizen was waited for: waiting afterwards does not heal that
        if length.minutes is not None:
            due_at += pause.until - since
            continue
        left = _worked(hours, since, due_at)
        due_at = hours.after(pause.until, left) or due_at + (pause.until - since)
    return due_at


def _worked(hours: Hours, begin: datetime, end: datetime) -> timedelta:
    """How long it is open between two moments."""
    return hours.between(begin.astimezone(UTC), end.astimezone(UTC))
