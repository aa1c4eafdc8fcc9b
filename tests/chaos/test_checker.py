"""The checker finds what it is there to find: each planted fault is reported, and a sound house is not."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.identifiers import uuid7
from tests.chaos.checker import Sent, check, read_effects

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PLACE = ("barnet", "csg")


class House:
    """One request, delivered and resolved, with everything that belongs to it; and what the outside knows of it."""

    def __init__(self, pool):
        self.pool = pool
        self.request_id, self.referral_id, self.delivery_id = (uuid7(NOW) for _ in range(3))
        self.sent = [Sent(authority="barnet", key="k-1", text="my bin", tries=1, reference="BAR-1")]
        self.effects = Counter({(*PLACE, str(self.delivery_id)): 1})

    async def build(self):
        await self.request(self.request_id, "BAR-1", "my bin")
        await self.pool.execute(
            "INSERT INTO idempotency (authority_id, scope, key, body_hash, request_id, answer, created_at)"
            " VALUES ('barnet', 'key:chaos', 'k-1', '', $1, '', $2)",
            *(self.request_id, NOW),
        )
        await self.pool.execute(
            "INSERT INTO referrals (authority_id, referral_id, request_id, part, text, organisation, state, priority,"
            " created_at, updated_at) VALUES ('barnet', $1, $2, 1, 'my bin', 'csg', 'resolved', 'normal', $3, $3)",
            *(self.referral_id, self.request_id, NOW),
        )
        await self.pool.execute(
            "INSERT INTO deliveries (authority_id, delivery_id, referral_id, request_id, organisation, state, priority,"
            " attempt, fence, due_at, created_at, updated_at)"
            " VALUES ('barnet', $1, $2, $3, 'csg', 'delivered', 2, 1, 1, $4, $4, $4)",
            *(self.delivery_id, self.referral_id, self.request_id, NOW),
        )
        await self.pool.execute(
            "INSERT INTO attempts (authority_id, delivery_id, attempt, fence, started_at, finished_at, outcome, detail)"
            " VALUES ('barnet', $1, 1, 1, $2, $2, 'accepted', '')",
            *(self.delivery_id, NOW),
        )
        await self.event(0, None, "received", {})
        await self.event(1, self.referral_id, "decided", {"action": "route", "organisation": "csg"})
        await self.event(2, self.referral_id, "delivered", {"organisation": "csg", "role": "lead"})
        await self.event(3, self.referral_id, "in_progress", {"status": "assigned"}, actor="csg")
        await self.event(4, self.referral_id, "resolved", {"status": "closed"}, actor="csg")

    async def request(self, request_id, reference, text):
        await self.pool.execute(
            "INSERT INTO requests (authority_id, request_id, reference, channel, text, decision, created_at, created_by,"
            " trace_id) VALUES ('barnet', $1, $2, 'phone', $3, '{}'::jsonb, $4, 'key:chaos', '')",
            *(request_id, reference, text, NOW),
        )

    async def event(self, seconds, referral_id, kind, detail, *, actor="front-door"):
        at = NOW + timedelta(seconds=seconds)
        await self.pool.execute(
            "INSERT INTO events (authority_id, event_id, request_id, referral_id, at, kind, actor, detail)"
            " VALUES ('barnet', $1, $2, $3, $4, $5, $6, $7)",
            *(uuid7(at), self.request_id, referral_id, at, kind, actor, detail),
        )

    async def check(self, **options):
        async with self.pool.acquire() as connection:
            return await check(connection, sent=self.sent, effects=self.effects, ended=True, **options)

    async def kinds(self):
        """The kinds of fault found."""
        return {fault.kind for fault in (await self.check()).faults}


@pytest.fixture
async def house(pool):
    """A sound house."""
    house = House(pool)
    await house.build()
    await pool.execute("ALTER TABLE events DISABLE TRIGGER USER")  # whoever owns the database can
    return house


async def test_a_sound_house_is_clean_and_counted(house):
    """No false alarm, and the figures say what there was."""
    report = await house.check()
    report.must_be_clean()
    assert report.figures == {
        "requests acknowledged": 1,
        "requests stored": 1,
        "answers repeated": 0,
        "deliveries": 1,
        "attempts": 1,
        "effects": 1,
        "referrals": 1,
        "events": 5,
        "lost": 0,
        "duplicates": 0,
    }


async def test_an_acknowledged_request_that_is_not_stored_is_lost(house):
    """Its caller has a reference that nobody knows."""
    house.sent.append(Sent(authority="barnet", key="k-2", text="my lamp", tries=1, reference="BAR-2"))
    report = await house.check()
    assert {fault.kind for fault in report.faults} == {"lost"}
    assert report.figures["lost"] == 1
    with pytest.raises(AssertionError, match="BAR-2"):
        report.must_be_clean()


async def test_an_unanswered_request_is_not_lost(house):
    """Nothing was promised."""
    house.sent.append(Sent(authority="barnet", key="k-2", text="my lamp", tries=9))
    assert await house.kinds() == set()


async def test_one_request_stored_twice_is_found(house):
    """Even under another reference and key, because its words are nobody else's."""
    await house.request(uuid.uuid4(), "BAR-2", "my bin")
    report = await house.check()
    assert "stored twice" in {fault.kind for fault in report.faults}
    assert report.figures["duplicates"] == 1


async def test_two_callers_with_one_reference_are_found(house):
    """Two requests became one: a citizen's words are missing."""
    house.sent.append(Sent(authority="barnet", key="k-1", text="my lamp", tries=1, reference="BAR-1"))
    assert await house.kinds() == {"reference given twice"}


async def test_a_key_that_names_another_request_is_found(house):
    """The next try would be told of somebody else's."""
    await house.pool.execute("UPDATE idempotency SET request_id = $1", uuid.uuid4())
    assert await house.kinds() == {"key astray"}


async def test_what_nobody_sent_is_found(house):
    """A request out of nowhere."""
    await house.request(uuid.uuid4(), "BAR-2", "my lamp")
    assert "out of nowhere" in await house.kinds()


async def test_a_second_effect_is_found(house):
    """Two cases at the back end for one delivery."""
    house.effects[*PLACE, str(house.delivery_id)] += 1
    report = await house.check()
    assert {fault.kind for fault in report.faults} == {"done twice"}
    assert report.figures["duplicates"] == 1


async def test_a_delivery_that_never_arrived_is_found(house):
    """Delivered, we say, and the back end knows nothing; but a worklist has no ledger to ask."""
    house.effects.clear()
    assert await house.kinds() == {"effect missing"}
    assert (await house.check(without_ledger={PLACE})).faults == []


async def test_an_effect_of_no_delivery_is_found(house):
    """Something was sent that is not stored: it was lost after it had been delivered."""
    house.effects[*PLACE, str(uuid.uuid4())] = 1
    assert await house.kinds() == {"effect of nothing"}


async def test_a_delivery_without_an_attempt_is_found(house):
    """Nobody could say how it came there."""
    await house.pool.execute("DELETE FROM attempts")
    assert await house.kinds() == {"attempt missing"}


@pytest.mark.parametrize("kind", ["decided", "resolved", "received", "in_progress"])
async def test_a_removed_event_is_a_gap_where_it_leaves_one(house, kind):
    """Every state follows from the events: without one of them it does not."""
    await house.pool.execute("DELETE FROM events WHERE kind = $1", kind)
    expected = set() if kind == "in_progress" else {"gap"}  # delivered → resolved is a way as well
    assert await house.kinds() == expected


async def test_a_change_without_an_event_is_a_gap(house):
    """The referral is elsewhere than its events say."""
    await house.pool.execute("UPDATE referrals SET organisation = 'worklist'")
    assert "gap" in await house.kinds()
    await house.pool.execute("UPDATE referrals SET organisation = 'csg', state = 'cancelled'")
    assert await house.kinds() == {"gap"}


async def test_events_out_of_order_are_a_gap(house):
    """Delivered before it was decided."""
    await house.pool.execute("DELETE FROM events WHERE kind = 'decided'")
    await house.event(9, house.referral_id, "decided", {"action": "route", "organisation": "csg"})
    assert await house.kinds() == {"gap"}


async def test_an_event_whose_id_is_of_another_time_is_a_gap(house):
    """Ids that lie about the order prove nothing."""
    await house.pool.execute("UPDATE events SET at = at + interval '1 hour' WHERE kind = 'resolved'")
    assert await house.kinds() == {"gap"}


async def test_a_request_without_any_event_is_a_gap(house):
    """The audit says nothing of it."""
    await house.pool.execute("DELETE FROM events")
    assert await house.kinds() == {"gap"}


@pytest.mark.parametrize(
    ("referral", "delivery", "expected"),
    [
        ("routed", "waiting", "not settled"),
        ("routed", "claimed", "not settled"),
        ("routed", "dead", "stranded"),
        ("routed", "delivered", "stranded"),
        ("delivered", "refused", "stranded"),
        ("rejected", "refused", "stranded"),
        ("uncertain", "waiting", "stranded"),
        ("delivered", "delivered", "not ended"),
        ("uncertain", "uncertain", None),
        ("undeliverable", "dead", None),
        ("triage", "delivered", None),
    ],
)
async def test_a_referral_that_nobody_has_is_found(house, referral, delivery, expected):
    """It ended, or waits where somebody sees it; anything else is stranded."""
    await house.pool.execute("UPDATE referrals SET state = $1", referral)
    await house.pool.execute("UPDATE deliveries SET state = $1", delivery)
    found = await house.kinds() - {"gap", "effect missing"}
    assert found >= ({expected} if expected else set())
    assert (not found) is (expected is None)


def test_ledgers_are_read_case_by_case(tmp_path):
    """Repeats and changes of status are no effects; two cases of one delivery are two."""
    lines = [
        {"kind": "case", "case": {"delivery_id": "d-1", "external_reference": "CSG-1"}},
        {"kind": "repeat", "external_reference": "CSG-1"},
        {"kind": "case", "case": {"delivery_id": "d-1", "external_reference": "CSG-2"}},
        {"kind": "case", "case": {"delivery_id": "d-2", "external_reference": "CSG-3"}},
    ]
    (tmp_path / "barnet_csg.jsonl").write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines))
    assert read_effects(tmp_path) == {(*PLACE, "d-1"): 2, (*PLACE, "d-2"): 1}
