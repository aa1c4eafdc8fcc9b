"""Opening hours and working time, in UK local time, with bank holidays.

Hours are wall-clock times: 09:00 is nine o'clock in London on the day the clocks change, too. Lengths of time are
real ones: two working hours across such a change are two hours on a stopwatch.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

LONDON: Final = ZoneInfo("Europe/London")
Nation = Literal["england-and-wales", "scotland", "northern-ireland"]
Times = str | tuple[str, ...]
Span = tuple[time, time | None]
"""From, until; `None` is midnight at the day's end."""

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_EVERY_YEAR: Final = frozenset({(12, 25), (12, 26), (1, 1)})
_LATEST: Final = timedelta(days=60)
"""What began longer ago is late whatever was agreed."""
_SEARCH_DAYS: Final = 400
"""How far ahead to look for an open day. Longer than any year of holidays; shorter than for ever."""


class HoursTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[hours]` table of a file. A day's own key wins over `weekdays`; a day that is not named is closed."""

    always: bool = False
    """Open day and night, all year."""
    weekdays: Times = ()
    """Monday to Friday, `"09:00-17:00"`, or a list of such spans."""
    monday: Times | None = None
    tuesday: Times | None = None
    wednesday: Times | None = None
    thursday: Times | None = None
    friday: Times | None = None
    saturday: Times | None = None
    sunday: Times | None = None
    bank_holidays: Times = ()

    def __post_init__(self) -> None:
        """Raise `ValueError` for a span that is none, so that it is found at start."""
        Hours(self)


class Hours:
    """Opening hours, ready to be asked. `nation` says whose bank holidays count."""

    def __init__(self, table: HoursTable, nation: Nation = "england-and-wales") -> None:
        whole_day: tuple[Span, ...] = ((time(0), None),)
        _holidays()  # read the file now, not under an event loop
        self.nation = nation
        self._week = tuple(
            whole_day if table.always else _spans(_times_of(table, number)) for number in range(7)
        )
        self._holiday = whole_day if table.always else _spans(table.bank_holidays)

    def spans(self, day: date) -> tuple[Span, ...]:
        """When it is open on that day, earliest first."""
        return self._holiday if is_bank_holiday(day, self.nation) else self._week[day.weekday()]

    def is_open(self, now: datetime) -> bool:
        """Whether it is open at that moment. The closing time itself is closed."""
        local = now.astimezone(LONDON)
        clock = local.time()
        return any(start <= clock and (end is None or clock < end) for start, end in self.spans(local.date()))

    def next_opening(self, now: datetime) -> datetime | None:
        """`now` when it is open, else the moment it opens next, in UTC; `None` if it never does."""
        for start, end in self._from(now):
            if end > now:
                return max(start, now.astimezone(UTC))
        return None

    def after(self, start: datetime, length: timedelta) -> datetime | None:
        """The moment by which it will have been open for `length` since `start`, in UTC."""
        left = length
        for opens, closes in self._from(start):
            begin = max(opens, start)
            if closes <= begin:
                continue
            if closes - begin >= left:
                return (begin + left).astimezone(UTC)
            left -= closes - begin
        return None

    def between(self, begin: datetime, end: datetime) -> timedelta:
        """For how long it is open between two moments."""
        total = timedelta()
        for opens, closes in self._from(begin):
            if opens >= end:
                break
            total += max(timedelta(), min(closes, end) - max(opens, begin))
        return total

    def after_days(self, start: datetime, days: int) -> datetime | None:
        """Closing time on the `days`-th open day after the one on which `start` was received, in UTC.

        What arrives after closing time counts as received on the next open day.
        """
        received = self.next_opening(start)
        if received is None:
            return None
        left = days
        day = received.astimezone(LONDON).date()
        for _ in range(_SEARCH_DAYS):
            spans = self.spans(day)
            if spans and left == 0:
                return _instants(day, spans[-1])[1]
            left -= bool(spans)
            day += timedelta(days=1)
        return None

    def _from(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open spans as moments in UTC, from the day of `moment` on."""
        day = moment.astimezone(LONDON).date()
        for _ in range(_SEARCH_DAYS):
            for span in self.spans(day):
                yield _instants(day, span)
            day += timedelta(days=1)


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How soon an organisation must have taken a referral. Exactly one of the three."""

    minutes: float | None = None
    """By the clock, day and night."""
    working_hours: float | None = None
    working_days: int | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` unless exactly one length is given, and it is more than nothing."""
        given = [
            value for value in (self.minutes, self.working_hours, self.working_days) if value is not None
        ]
        if len(given) != 1 or given[0] <= 0:
            raise ValueError("give one of 'minutes', 'working_hours' and 'working_days', more than 0")

    def due(self, start: datetime, hours: Hours) -> datetime:
        """By when, in UTC. Where the hours never come, by the clock: nothing waits for ever."""
        due: datetime | None = None
        if self.working_hours is not None:
            due = hours.after(start, timedelta(hours=self.working_hours))
        elif self.working_days is not None:
            due = hours.after_days(start, self.working_days)
        if due is not None:
            return due
        length = timedelta(
            minutes=self.minutes or 0, hours=self.working_hours or 0, days=self.working_days or 0
        )
        return start.astimezone(UTC) + length

    def passed_since(self, now: datetime, hours: Hours) -> datetime:
        """The latest start (to a minute, within 60 days) whose time is over: what began by then is late.

        For who must find the late ones among many without reckoning for each.
        """
        early, late = now - _LATEST, now
        while late - early > timedelta(minutes=1):
            middle = early + (late - early) / 2
            if self.due(middle, hours) <= now:
                early = middle
            else:
                late = middle
        return early


def is_bank_holiday(day: date, nation: Nation) -> bool:
    """Whether GOV.UK lists the day; Christmas, Boxing and New Year's Day are always, whichever day of the week.

    GOV.UK lists only the substitute when one of these falls on a weekend. For other days outside the listed years
    (`bank_holiday_years`) the answer is no.
    """
    return (day.month, day.day) in _EVERY_YEAR or day in _holidays()[nation]


def bank_holiday_years() -> tuple[int, int]:
    """First and last year for which bank holidays are known."""
    years = [day.year for days in _holidays().values() for day in days]
    return min(years), max(years)


@functools.cache
def _holidays() -> dict[str, frozenset[date]]:
    """The dates that the package carries. Its own reader imports an HTTP client and may fetch: neither is wanted here."""
    spec = importlib.util.find_spec("govuk_bank_holidays")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    file = Path(spec.submodule_search_locations[0]) / "bank-holidays.json"
    divisions: dict[str, dict[str, Any]] = msgspec.json.decode(file.read_bytes())
    return {
        nation: frozenset(date.fromisoformat(event["date"]) for event in division["events"])
        for nation, division in divisions.items()
    }


def _times_of(table: HoursTable, number: int) -> Times:
    own: Times | None = getattr(table, _DAYS[number])
    if own is not None:
        return own
    return table.weekdays if number < 5 else ()


def _spans(times: Times) -> tuple[Span, ...]:
    texts = (times,) if isinstance(times, str) else times
    if texts == ("closed",):
        return ()
    spans = sorted((_forward_span(text) for text in texts), key=lambda span: span[0])
    for earlier, later in itertools.pairwise(spans):
        if earlier[1] is None or later[0] < earlier[1]:
            raise ValueError(f"opening hours overlap: {', '.join(texts)}")
    return tuple(spans)


def _forward_span(text: str) -> Span:
    start, end = parse_span(text)
    if end is not None and end <= start:
        raise ValueError(f"opening hours end before they begin: {text!r}")
    return start, end


def parse_span(text: str) -> Span:
    """Read `"09:00-17:00"`; `24:00` is the day's end. Raises `ValueError`."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not opening hours: {text!r}; write them like '09:00-17:00', or 'closed'")
    end = time(int(found[3]), int(found[4])) if found[3] else None
    return time(int(found[1]), int(found[2])), end


def _instants(day: date, span: Span) -> tuple[datetime, datetime]:
    start, end = span
    last = datetime.combine(day, end) if end else datetime.combine(day + timedelta(days=1), time(0))
    return (
        datetime.combine(day, start, tzinfo=LONDON).astimezone(UTC),
        last.replace(tzinfo=LONDON).astimezone(UTC),
    )
