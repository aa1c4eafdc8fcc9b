"""When what was promised is due: working hours, bank holidays, pauses, and nothing that today's rules could change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.work.promises import Pause, Promise, due, promised
from routing_rules.hours import Acknowledge, Hours, HoursTable
from routing_rules.targets import Target, Targets

HOURS = HoursTable(weekdays="09:00-17:00", bank_holidays="closed")
MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)


def promise(nation="england-and-wales", **target):
    return Promise(target=Target(**target), hours=HOURS, nation=nation)


def pause(since, until):
    return Pause(since=since, until=until, reason="citizen")


def test_targets_count_in_working_time_and_in_the_nations_bank_holidays():
    """Good Friday is one in England and Wales and in Scotland, Easter Monday is not in Scotland."""
    thursday = datetime(2026, 4, 2, 10, tzinfo=UTC)
    what = {"resolve": Acknowledge(working_days=1)}
    england = due(promise(**what), thursday).resolve_by
    scotland = due(promise("scotland", **what), thursday).resolve_by
    assert england == datetime(2026, 4, 7, 16, tzinfo=UTC)  # 17:00 in London, in summer
    assert scotland == datetime(2026, 4, 6, 16, tzinfo=UTC)


def test_what_is_not_promised_is_never_due():
    """Only what has a target."""
    found = due(promise(respond=Acknowledge(minutes=30)), MONDAY)
    assert (found.acknowledge_by, found.respond_by, found.resolve_by) == (
        None,
        MONDAY + timedelta(minutes=30),
        None,
    )


def test_waiting_for_the_citizen_stops_the_clock():
    """Two of four working hours were left on Monday; on Thursday, when they answer, two are left."""
    what = promise(resolve=Acknowledge(working_hours=4))
    assert due(what, MONDAY).resolve_by == MONDAY + timedelta(hours=4)
    waited = pause(MONDAY + timedelta(hours=2), MONDAY + timedelta(days=3))
    assert due(what, MONDAY, [waited]).resolve_by == MONDAY + timedelta(days=3, hours=2)


def test_what_was_late_before_the_citizen_was_asked_stays_late():
    """Asking does not heal it."""
    what = promise(resolve=Acknowledge(working_hours=1))
    waited = pause(MONDAY + timedelta(hours=2), MONDAY + timedelta(days=3))
    assert due(what, MONDAY, [waited]).resolve_by == MONDAY + timedelta(hours=1)


def test_pauses_add_up_and_one_of_no_length_changes_nothing():
    """By the clock where the target is by the clock."""
    what = promise(resolve=Acknowledge(minutes=60))
    first = pause(MONDAY + timedelta(minutes=10), MONDAY + timedelta(minutes=40))
    second = pause(MONDAY + timedelta(minutes=80), MONDAY + timedelta(minutes=100))
    none = pause(MONDAY + timedelta(minutes=41), MONDAY + timedelta(minutes=41))
    assert due(what, MONDAY, [first, none, second]).resolve_by == MONDAY + timedelta(minutes=110)


@given(
    st.floats(0.25, 40),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), max_size=4),
)
def test_a_pause_leaves_exactly_the_working_time_that_was_promised(hours, gaps):
    """Working time from beginning to due date, less that of the pauses, is the target; however they lie."""
    what = promise(resolve=Acknowledge(working_hours=hours))
    open_ = Hours(HOURS)
    pauses, at = [], MONDAY
    for before, length in gaps:
        since = at + timedelta(minutes=before)
        at = since + timedelta(minutes=length)
        pauses.append(pause(since, at))
    found = due(what, MONDAY, pauses).resolve_by
    counted = [each for each in pauses if each.since < found]
    worked = open_.between(MONDAY, found) - sum(
        (open_.between(each.since, min(each.until, found)) for each in counted), timedelta()
    )
    assert abs(worked - timedelta(hours=hours)) < timedelta(seconds=1)
    for each in counted:
        assert each.until <= found or each.since == found


def test_a_services_own_targets_win_and_what_they_leave_out_is_the_usual(door):
    """As the authority's file says."""
    targets = Targets(
        default=Target(resolve=Acknowledge(working_days=9), respond=Acknowledge(minutes=5)),
        services={"pothole": Target(resolve=Acknowledge(working_days=1))},
    )
    assert targets.of("pothole").resolve.working_days == 1
    assert targets.of("pothole").respond.minutes == 5
    assert targets.of("pothole").acknowledge is None
    assert targets.of(None).resolve.working_days == 9
    barnet = promised(door.authorities["barnet"], "missed-bin")
    assert barnet.target.resolve.working_days == 2
    assert barnet.nation == "england-and-wales"


@pytest.mark.parametrize(("begin", "end", "hours"), [(0, 24, 8), (7, 23, 0), (-72, 0, 8), (5, 5, 0)])
def test_how_long_it_was_open_between_two_moments(begin, end, hours):
    """Nights and week-ends do not count."""
    found = Hours(HOURS).between(MONDAY + timedelta(hours=begin), MONDAY + timedelta(hours=end))
    assert found == timedelta(hours=hours)
