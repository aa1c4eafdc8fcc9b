"""Opening hours, bank holidays and working time, over the days when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_rules.hours import (
    LONDON,
    Acknowledge,
    Hours,
    HoursTable,
    bank_holiday_years,
    is_bank_holiday,
)
from tests.routing_rules.stand_ins import unhurried

OFFICE = Hours(HoursTable(weekdays="09:00-17:00", saturday="10:00-12:00"))
ALWAYS = Hours(HoursTable(always=True))
NEVER = Hours(HoursTable())


def london(text: str) -> datetime:
    """A wall-clock time in London."""
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-11T08:59:59", False),
        ("2026-03-11T09:00:00", True),
        ("2026-03-11T16:59:59", True),
        ("2026-03-11T17:00:00", False),
        ("2026-03-14T11:00:00", True),
        ("2026-03-14T12:00:00", False),
        ("2026-03-15T11:00:00", False),
        ("2026-12-25T11:00:00", False),
        ("2026-12-26T11:00:00", False),  # Boxing Day on a Saturday, and
        ("2026-12-28T11:00:00", False),  # its substitute on the Monday
        ("2026-12-29T11:00:00", True),
        ("2026-04-03T11:00:00", False),  # Good Friday
        ("2026-04-06T11:00:00", False),  # Easter Monday
    ],
)
def test_open_from_the_first_moment_until_just_before_closing_time(moment: str, is_open: bool) -> None:
    """Opening time is open, closing time is closed, and bank holidays with their substitutes are closed."""
    assert OFFICE.is_open(london(moment)) is is_open


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-03-27T09:00:00", True),  # the Friday before: London is at UTC
        ("2026-03-30T07:59:59", False),
        ("2026-03-30T08:00:00", True),  # the Monday after: nine in London is eight in UTC
        ("2026-03-30T16:00:00", False),
        ("2026-10-23T08:00:00", True),
        ("2026-10-26T08:30:00", False),  # back at UTC
        ("2026-10-26T09:00:00", True),
    ],
)
def test_nine_o_clock_stays_nine_o_clock_when_the_clocks_change(utc: str, is_open: bool) -> None:
    """Hours are wall-clock times in London, whatever UTC says."""
    assert OFFICE.is_open(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is is_open


def test_scotland_has_its_own_bank_holidays() -> None:
    """St Andrew's Day is one in Scotland and none in England; Easter Monday the other way round."""
    assert is_bank_holiday(date(2026, 11, 30), "scotland")
    assert not is_bank_holiday(date(2026, 11, 30), "england-and-wales")
    assert is_bank_holiday(date(2026, 4, 6), "england-and-wales")
    assert not is_bank_holiday(date(2026, 4, 6), "scotland")
    scottish = Hours(HoursTable(weekdays="09:00-17:00"), "scotland")
    assert scottish.is_open(london("2026-04-06T10:00:00"))
    assert not OFFICE.is_open(london("2026-04-06T10:00:00"))


def test_bank_holidays_are_known_for_the_years_around_now() -> None:
    """The packaged list covers this product's present; it says itself how far."""
    first, last = bank_holiday_years()
    assert first <= 2020
    assert last >= 2027


def test_a_bank_holiday_may_have_hours_of_its_own() -> None:
    """Some services open shorter on bank holidays."""
    hours = Hours(HoursTable(weekdays="09:00-17:00", bank_holidays="10:00-12:00"))
    assert hours.is_open(london("2026-12-25T11:00:00"))
    assert not hours.is_open(london("2026-12-25T13:00:00"))


def test_a_days_own_hours_win_over_weekdays_and_may_be_closed() -> None:
    """`friday` replaces `weekdays` for Fridays; `closed` closes the day."""
    hours = Hours(HoursTable(weekdays="09:00-17:00", friday="09:00-16:00", wednesday="closed"))
    assert not hours.is_open(london("2026-03-13T16:30:00"))
    assert not hours.is_open(london("2026-03-11T12:00:00"))
    assert hours.is_open(london("2026-03-12T16:30:00"))


def test_hours_may_break_for_lunch_and_run_to_midnight() -> None:
    """Several spans a day, and 24:00 as the day's end."""
    hours = Hours(HoursTable(weekdays=("13:00-24:00", "09:00-12:00")))
    assert hours.is_open(london("2026-03-11T11:59:00"))
    assert not hours.is_open(london("2026-03-11T12:30:00"))
    assert hours.is_open(london("2026-03-11T23:59:59"))
    assert not hours.is_open(london("2026-03-12T00:00:00"))


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ("9-5", "not opening hours"),
        ("09:00-25:00", "not opening hours"),
        ("17:00-09:00", "end before they begin"),
        ("09:00-09:00", "end before they begin"),
        (("09:00-13:00", "12:00-17:00"), "overlap"),
        (("09:00-24:00", "12:00-17:00"), "overlap"),
    ],
)
def test_hours_that_cannot_be_are_refused(times: str | tuple[str, ...], reason: str) -> None:
    """Typos in hours stop the start and do not close the office silently."""
    with pytest.raises(ValueError, match=reason):
        HoursTable(monday=times)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-11T12:00:00", "2026-03-11T12:00:00"),
        ("2026-03-11T07:00:00", "2026-03-11T09:00:00"),
        ("2026-03-13T17:00:00", "2026-03-14T10:00:00"),
        ("2026-03-14T12:00:00", "2026-03-16T09:00:00"),
        ("2026-04-02T18:00:00", "2026-04-04T10:00:00"),  # over Good Friday
        ("2026-12-24T17:00:00", "2026-12-29T09:00:00"),  # over Christmas, a weekend and a substitute day
        ("2026-03-28T13:00:00", "2026-03-30T09:00:00"),  # over the night the clocks go forward
    ],
)
def test_the_next_opening_is_found_over_nights_weekends_and_holidays(now: str, opens: str) -> None:
    """While open it is now."""
    assert OFFICE.next_opening(london(now)) == london(opens)


def test_what_never_opens_has_no_next_opening() -> None:
    """Hours without any day say so instead of searching for ever."""
    assert NEVER.next_opening(london("2026-03-11T12:00:00")) is None
    assert NEVER.after(london("2026-03-11T12:00:00"), timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-03-11T09:00:00", 4, "2026-03-11T13:00:00"),
        ("2026-03-11T15:00:00", 4, "2026-03-12T11:00:00"),
        ("2026-03-11T02:00:00", 8, "2026-03-11T17:00:00"),
        ("2026-03-13T16:00:00", 4, "2026-03-16T10:00:00"),  # one hour Friday, two Saturday, one Monday
        ("2026-04-02T16:30:00", 1, "2026-04-04T10:30:00"),
    ],
)
def test_working_hours_count_only_while_open(start: str, hours: float, due: str) -> None:
    """Nights, Sundays and holidays do not count."""
    assert Acknowledge(working_hours=hours).due(london(start), OFFICE) == london(due)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-03-09T10:00:00", 1, "2026-03-10T17:00:00"),
        ("2026-03-09T18:00:00", 1, "2026-03-11T17:00:00"),  # after closing counts as received the next day
        ("2026-03-12T10:00:00", 2, "2026-03-14T12:00:00"),
        ("2026-12-23T10:00:00", 2, "2026-12-29T17:00:00"),
    ],
)
def test_working_days_end_at_closing_time(start: str, days: int, due: str) -> None:
    """Two working days are the closing time of the second open day after the one of receipt."""
    assert Acknowledge(working_days=days).due(london(start), OFFICE) == london(due)


def test_minutes_run_day_and_night() -> None:
    """Safeguarding does not wait for the office to open."""
    start = datetime(2026, 3, 29, 0, 50, tzinfo=UTC)  # ten minutes before the clocks go forward
    assert Acknowledge(minutes=15).due(start, OFFICE) == datetime(2026, 3, 29, 1, 5, tzinfo=UTC)


def test_where_hours_never_come_the_clock_runs_instead() -> None:
    """Nothing waits for ever because somebody's file has no hours."""
    start = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
    assert Acknowledge(working_days=2).due(start, NEVER) == start + timedelta(days=2)


def test_open_all_hours_counts_real_time_over_the_night_that_lacks_an_hour() -> None:
    """On the night the clocks go forward, three working hours are three real ones."""
    start = london("2026-03-28T23:30:00")
    due = ALWAYS.after(start, timedelta(hours=3))
    assert due == start.astimezone(UTC) + timedelta(hours=3)
    assert due is not None
    assert due.astimezone(LONDON).time().isoformat() == "03:30:00"


@pytest.mark.parametrize(
    "given_", [{}, {"minutes": 5, "working_days": 1}, {"working_hours": 0}, {"minutes": -1}]
)
def test_an_acknowledgement_time_is_exactly_one_length(given_: dict[str, float]) -> None:
    """None, two, or nothing at all cannot be meant."""
    with pytest.raises((ValueError, msgspec.ValidationError), match="give one of"):
        Acknowledge(**given_)


MOMENTS = st.integers(0, 1060 * 24 * 60).map(
    lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@unhurried
@given(
    MOMENTS,
    st.integers(1, 60 * 60 * 30),
)
def test_working_time_never_ends_early_and_ends_while_open_or_at_closing(
    start: datetime, seconds: int
) -> None:
    """Due times rise with the length, and lie in opening hours."""
    length = timedelta(seconds=seconds)
    due = OFFICE.after(start, length)
    assert due is not None
    assert due >= start + length
    assert OFFICE.is_open(due - timedelta(microseconds=1))
    longer = OFFICE.after(start, length + timedelta(minutes=1))
    assert longer is not None
    assert longer > due


@unhurried
@given(
    MOMENTS,
    st.sampled_from([{"minutes": 90.0}, {"working_hours": 2.0}, {"working_hours": 0.5}, {"working_days": 3}]),
)
def test_what_passed_is_what_was_due(now: datetime, length: dict[str, float]) -> None:
    """Whatever began by then is late, and what began two minutes after it is not."""
    acknowledge = Acknowledge(**length)
    since = acknowledge.passed_since(now, OFFICE)
    assert acknowledge.due(since, OFFICE) <= now
    assert acknowledge.due(since + timedelta(minutes=2), OFFICE) > now


def test_what_began_two_months_ago_is_late_whatever_was_agreed() -> None:
    """A year's patience is none."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert Acknowledge(minutes=60 * 24 * 365).passed_since(now, OFFICE) == now - timedelta(days=60)
