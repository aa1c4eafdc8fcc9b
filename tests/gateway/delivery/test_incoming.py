"""Odd things that organisations send: kept as near as can be, and never at the cost of the rest of their batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.base import Receipt, StatusUpdate
from gateway.delivery.incoming import clean, moment
from gateway.store.statuses import update_key
from tests.gateway.delivery.post import Scripted


@pytest.fixture
async def post(open_post, make):
    """One request, delivered to `re` as RE-1."""
    post = await open_post({"re": Scripted(Receipt(external_reference="RE-1"))})
    await post.store(make())
    await post.round()
    return post


async def kept(post):
    """How many updates are on record."""
    return await post.pool.fetchval("SELECT count(*) FROM status_updates")


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "in\x00progress"},
        {"status": "x" * 100_000},
        {"note": "nul \x00 and half \ud800"},
        {"note": "n" * 100_000},
        {"update_id": "\x00"},
        {"update_id": "u" * 100_000},
        {"external_reference": "R\x00"},
        {"external_reference": "R" * 100_000},
        {"delivery_id": "not an id \x00"},
        {"at": datetime.fromisoformat("0001-01-01T00:00:00+02:00")},
        {"at": datetime.fromisoformat("9999-12-31T23:59:59-02:00")},
        {"at": datetime.fromisoformat("2026-03-02T09:00:00")},
    ],
    ids=str,
)
async def test_nothing_that_an_organisation_sends_is_too_odd_to_be_kept(post, clock, odd):
    """The database would not take it as it is; it is kept as near as can be, once."""
    update = replace(StatusUpdate(external_reference="RE-1", status="investigating", at=clock.now()), **odd)
    await post.sync.apply("barnet", "re", [update])
    await post.sync.apply("barnet", "re", [update])
    assert await kept(post) == 1


ZONES = st.none() | st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1439, 1439))
MOMENTS = st.datetimes(timezones=ZONES)
"""Any that a datetime can hold: of the years 1 to 9999, with an odd zone or none."""
UPDATES = st.builds(
    StatusUpdate,
    status=st.text(max_size=300),
    at=MOMENTS,
    note=st.text(max_size=3000),
    external_reference=st.none() | st.text(max_size=600),
    update_id=st.none() | st.text(max_size=300),
)


@given(st.lists(UPDATES, max_size=5))
def test_whatever_came_is_clean_once_and_can_be_sorted_and_known_again(updates):
    """So the same update has the same key wherever it is looked at, and none costs the others of its batch."""
    once = [clean(update) for update in updates]
    assert [clean(update) for update in once] == once
    assert all(update.at.utcoffset() == timedelta() for update in once)
    times = [update.at for update in once]
    assert sorted(times) == sorted(times, key=datetime.timestamp)
    assert [update_key(update) for update in once] == [update_key(clean(update)) for update in updates]
    assert "\x00" not in "".join(f"{each.status}{each.note}{each.external_reference}" for each in once)


@given(MOMENTS)
def test_a_moment_that_makes_sense_stays_the_same_moment(at):
    """Only what lies beyond the calendar's ends, or has no zone, is taken for something else."""
    if at.tzinfo is None:
        assert moment(at) == moment(at.replace(tzinfo=UTC))
    elif 1901 <= at.year < 2499:
        assert moment(at) == at


async def test_one_odd_date_does_not_cost_the_others_of_its_batch(post, clock):
    """No date at all, a date without a zone and a good one in one answer: all are kept, the good one counts."""
    dates = [
        datetime.fromisoformat("0001-01-01T00:00:00+02:00"),
        datetime.fromisoformat("2026-03-02T09:00:00"),
        clock.now(),
    ]
    words = ["open", "investigating", "fixed"]
    updates = [
        StatusUpdate(external_reference="RE-1", status=word, at=at)
        for word, at in zip(words, dates, strict=True)
    ]
    await post.sync.apply("barnet", "re", updates[::-1])
    assert await kept(post) == 3
    assert await post.referral() == ("resolved", "re")
