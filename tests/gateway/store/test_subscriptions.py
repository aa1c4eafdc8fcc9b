"""Notices: stored with the event they tell of, for those who asked, and holding nothing of the citizen."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

import gateway
from gateway.errors import Conflict
from gateway.identifiers import uuid7
from gateway.metrics import Metrics
from gateway.model import Event, State
from gateway.store import notices, subscriptions
from gateway.store.claims import Slot, claim
from gateway.store.outcomes import add_event
from gateway.store.subscriptions import KINDS
from gateway.store.writer import Writer


@pytest.fixture
async def store(pool):
    writer = Writer(pool, Metrics(), batch=128, most_waiting=10_000)
    async with writer.group.running(1):
        yield writer.submit


@pytest.fixture
def subscribe(pool, clock):
    async def subscribe(authority="barnet", kinds=tuple(KINDS), url=None, most=20):
        subscription_id = uuid7(clock.now())
        async with pool.acquire() as connection, connection.transaction():
            await subscriptions.add(
                connection,
                authority,
                subscription_id,
                url=url or f"https://{subscription_id}.example/",
                secret="whsec_x",
                kinds=kinds,
                actor="key:tests",
                now=clock.now(),
                most=most,
            )
        return subscription_id

    return subscribe


def event(clock, accepted, kind, detail, *, referral=True):
    return Event(
        authority_id=accepted.request.authority_id,
        event_id=uuid7(clock.now()),
        request_id=accepted.request.request_id,
        referral_id=accepted.referrals[0].referral_id if referral else None,
        at=clock.now(),
        kind=kind,
        actor="test",
        detail=detail,
    )


async def add(pool, *events):
    async with pool.acquire() as connection, connection.transaction():
        for each in events:
            await add_event(connection, each)


async def queued(pool):
    return await pool.fetch("SELECT * FROM deliveries WHERE role = 'notice' ORDER BY delivery_id")


async def states(pool):
    rows = await pool.fetch("SELECT state, count(*) FROM deliveries WHERE role = 'notice' GROUP BY state")
    return dict(rows)


async def test_without_subscriptions_nothing_is_stored(pool, store, make):
    """An authority that wants no notices has none."""
    await store(make())
    assert await queued(pool) == []


async def test_an_event_is_told_to_each_subscription_of_its_authority(pool, store, make, subscribe):
    """Once each, and to nobody else's."""
    ours = {f"subscription:{await subscribe()}" for _ in range(3)}
    await subscribe("northamptonshire")
    await store(make())
    rows = await queued(pool)
    assert {row["organisation"] for row in rows} == ours
    assert {(row["authority_id"], row["state"], row["referral_id"]) for row in rows} == {
        ("barnet", "waiting", None)
    }
    assert len(rows) == 3


async def test_an_event_that_is_not_committed_is_not_told(pool, store, make, subscribe, clock):
    """Notice and event stand or fall together."""
    await subscribe()
    accepted = make()
    await store(accepted)
    before = len(await queued(pool))
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await add_event(connection, event(clock, accepted, "resolved", {}))
        assert (
            await connection.fetchval("SELECT count(*) FROM deliveries WHERE role = 'notice'") == before + 1
        )
        await transaction.rollback()
    assert len(await queued(pool)) == before


async def test_only_what_was_asked_for(pool, store, make, subscribe, clock):
    """By kind."""
    await subscribe(kinds=["alarm.raised"])
    accepted = make()
    await store(accepted)
    await add(pool, event(clock, accepted, "resolved", {}), event(clock, accepted, "alarm_raised", {}))
    assert [row["notice"]["type"] for row in await queued(pool)] == ["alarm.raised"]


async def test_every_kind_of_event_there_is_has_a_name_outside(pool, clock):
    """What the gateway writes down can be subscribed to, but for what is about notices themselves."""
    code = "".join(path.read_text() for path in Path(gateway.__file__).parent.rglob("*.py"))
    kinds = set(re.findall(r"""kind="(\w+)\"""", code)) | {state.value for state in State}
    assert {"alarm_raised", "alarm_acknowledged"} <= kinds
    for kind in {"received", "decided", "delivered", "refused", "a kind to come", *kinds}:
        for referral_id in (None, uuid7(clock.now())):
            assert await pool.fetchval("SELECT notice_kind($1, $2)", kind, referral_id) in KINDS, kind
    assert await pool.fetchval("SELECT notice_kind('notice_replayed', NULL)") is None


async def test_of_an_events_detail_only_an_organisations_code_is_told(pool, store, make, subscribe, clock):
    """Notes, reasons and names stay inside, and so does anything odd where a code should stand."""
    await subscribe()
    accepted = make(text="planted words")
    await store(accepted)
    odd = {
        "note": "planted note",
        "because": "planted reason",
        "name": "planted name",
        "by": "planted by Ann",
    }
    clock.pass_(1)
    await add(pool, event(clock, accepted, "rejected", {**odd, "by": "csg", "sent_to": "planted"}))
    clock.pass_(1)
    await add(pool, event(clock, accepted, "rejected", odd))
    told = [row["notice"] for row in await queued(pool)]
    assert "planted" not in str(told)
    assert "Ann" not in str(told)
    assert [each["data"].get("by") for each in told] == [None, "csg", None]
    assert set(told[1]["data"]) == {
        "event", "event_id", "authority", "request_id", "reference", "referral_id", "state", "organisation", "by",
    }  # fmt: skip


async def test_an_id_is_made_of_event_and_subscription_and_sorts_by_time(pool, subscribe, clock):
    """The same whoever makes it; a receiver knows a repeat by it."""
    first, second = uuid7(clock.now()), uuid7(clock.now())
    clock.pass_(1)
    later = uuid7(clock.now())
    ids = await pool.fetch(
        "SELECT notice_id(e, s) AS id FROM unnest($1::uuid[]) WITH ORDINALITY AS a (e, n),"
        " unnest($2::uuid[]) WITH ORDINALITY AS b (s, m) ORDER BY n, m",
        *([first, first, later], [first, second]),
    )
    a, b, again_a, again_b, c, d = [row["id"] for row in ids]
    assert (a, b) == (again_a, again_b)
    assert len({a, b, c, d}) == 4
    assert max(a, b) < min(c, d)
    assert {UUID(str(each)).version for each in (a, b, c, d)} == {8}


async def test_a_claimed_notice_holds_nothing_of_the_citizen_and_comes_last(
    pool, store, make, subscribe, clock
):
    """Hand-overs first; and what is not in the claim cannot leave."""
    code = subscriptions.code_of(await subscribe())
    accepted = make(text="planted words")
    await store(accepted)
    slots = [
        Slot(authority_id="barnet", organisation=name, free=5, lease=timedelta(seconds=30))
        for name in (code, "re")
    ]
    handover, notice = await claim(pool, slots, clock.now(), "w")
    assert (handover.role, handover.text, handover.notice) == ("lead", "planted words", None)
    assert (notice.role, notice.text, notice.citizen, notice.postcode) == ("notice", "", {}, None)
    assert (notice.referral_id, notice.reference) == (None, accepted.request.reference)
    assert notice.traceparent.split("-")[1] == accepted.request.trace_id


async def test_a_disabled_subscription_keeps_what_it_was_not_told(pool, store, make, subscribe, clock):
    """Dead: listed, and replayable once it is enabled. Nothing more is stored for it meanwhile."""
    subscription_id = await subscribe()
    await store(make())
    async with pool.acquire() as connection, connection.transaction():
        assert await subscriptions.disable(connection, "barnet", subscription_id, "gone", clock.now())
        assert not await subscriptions.disable(connection, "barnet", subscription_id, "again", clock.now())
    await store(make())
    assert await states(pool) == {"dead": 1}
    (shown,) = await subscriptions.listing(pool, "barnet")
    assert (shown.disabled_because, shown.waiting, shown.dead) == ("gone", 0, 1)
    async with pool.acquire() as connection:
        assert not await subscriptions.enable(connection, "northamptonshire", subscription_id, clock.now())
        assert await subscriptions.enable(connection, "barnet", subscription_id, clock.now())
    await store(make())
    assert await states(pool) == {"dead": 1, "waiting": 1}


async def test_a_deleted_subscription_leaves_no_secret_and_nothing_waiting(
    pool, store, make, subscribe, clock
):
    """Not even an event that was on its way while it was deleted."""
    subscription_id, other = await subscribe(), await subscribe()
    await store(make())
    async with pool.acquire() as connection:
        assert not await subscriptions.remove(connection, "northamptonshire", subscription_id, clock.now())
        late = make()
        async with pool.acquire() as slow:
            transaction = slow.transaction()
            await transaction.start()
            await slow.execute(
                "INSERT INTO requests (authority_id, request_id, reference, channel, text, decision, created_at, created_by,"
                " trace_id) VALUES ('barnet', $1, 'BAR-0', 'phone', '', '{}', $2, '', $3)",
                *(late.request.request_id, clock.now(), "0" * 31 + "1"),
            )
            await add_event(slow, event(clock, late, "received", {}, referral=False))
            assert await subscriptions.remove(connection, "barnet", subscription_id, clock.now())
            await transaction.commit()
        assert (await states(pool))["waiting"] == 3
        assert await notices.settle_unsent(connection, clock.now()) == 1
    rows = {(row["organisation"], row["state"]) for row in await queued(pool)}
    assert rows == {
        (subscriptions.code_of(subscription_id), "withdrawn"),
        (subscriptions.code_of(other), "waiting"),
    }
    assert [each.subscription_id for each in await subscriptions.live(pool)] == [other]


async def test_only_who_took_nothing_for_days_while_told_is_disabled(pool, store, make, subscribe, clock):
    """Silence because nothing happened is no fault; nor is one that answers now and then."""
    silent, answering, idle = await subscribe(), await subscribe(), await subscribe(kinds=["alarm.raised"])
    await store(make())
    await pool.execute("UPDATE deliveries SET attempt = 3 WHERE role = 'notice'")
    clock.pass_(4 * 86400)
    async with pool.acquire() as connection:
        assert await subscriptions.disable_silent(connection, timedelta(days=5), clock.now()) == []
        await subscriptions.answered(pool, {("barnet", answering): clock.now()})
        clock.pass_(2 * 86400)
        gone = await subscriptions.disable_silent(connection, timedelta(days=5), clock.now())
    assert gone == [("barnet", silent)]
    live = {each.subscription_id: each.answered_at for each in await subscriptions.live(pool)}
    assert set(live) == {answering, idle}
    assert live[idle] is None


async def test_what_is_long_over_is_forgotten_but_never_what_a_person_should_see(
    pool, store, make, subscribe, clock
):
    """Notices that ended go with their attempts; dead ones and hand-overs stay."""
    await subscribe()
    for _ in range(4):
        await store(make())
    for state, row in zip(("delivered", "refused", "dead", "waiting"), await queued(pool), strict=True):
        await pool.execute(
            "UPDATE deliveries SET state = $2 WHERE delivery_id = $1", row["delivery_id"], state
        )
        await pool.execute(
            "INSERT INTO attempts VALUES ('barnet', $1, 1, 1, $2, $2, 'accepted', 200, '')",
            row["delivery_id"],
            clock.now(),
        )
    await pool.execute("UPDATE deliveries SET state = 'delivered' WHERE role = 'lead'")
    clock.pass_(1)
    async with pool.acquire() as connection:
        assert await notices.forget_ended(connection, clock.now() - timedelta(seconds=2)) == 0
        assert await notices.forget_ended(connection, clock.now(), limit=1) == 1
        assert await notices.forget_ended(connection, clock.now()) == 1
    assert await states(pool) == {"dead": 1, "waiting": 1}
    assert await pool.fetchval("SELECT count(*) FROM attempts") == 2
    assert await pool.fetchval("SELECT count(*) FROM deliveries WHERE role = 'lead'") == 4


async def test_an_address_and_an_authority_have_their_limits(pool, subscribe):
    """One subscription an address, so many an authority, even when asked for at once."""
    made = await asyncio.gather(*(subscribe(most=5) for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in made) == 4
    await subscribe("northamptonshire", url="https://one.example/")
    with pytest.raises(Conflict, match="this address"):
        await subscribe("northamptonshire", url="https://one.example/")


async def test_secrets_hold_for_a_while_beside_the_new_one(pool, subscribe, clock):
    """Both, then the new one alone; and they are not shown by accident."""
    subscription_id = await subscribe()
    async with pool.acquire() as connection:
        until = clock.now() + timedelta(hours=24)
        assert await subscriptions.rotate(connection, "barnet", subscription_id, "whsec_y", until)
        assert not await subscriptions.rotate(
            connection, "northamptonshire", subscription_id, "whsec_z", until
        )
    (live,) = await subscriptions.live(pool)
    assert live.secrets.at(clock.now()) == ["whsec_y", "whsec_x"]
    clock.pass_(24 * 3600)
    assert live.secrets.at(clock.now()) == ["whsec_y"]
    assert "whsec" not in repr(live)


async def test_the_database_refuses_half_a_notice_and_half_a_hand_over(pool, store, make, subscribe):
    """A hand-over has a referral; a notice has a body and no referral."""
    await subscribe()
    await store(make())
    for change in ("notice = NULL", "role = 'lead'"):
        with pytest.raises(Exception, match="deliveries_is_handover_or_notice"):
            await pool.execute(f"UPDATE deliveries SET {change} WHERE role = 'notice'")
    for change in ("referral_id = NULL", "request_id = NULL", "role = 'notice'", "notice = '{}'"):
        with pytest.raises(Exception, match="deliveries_is_handover_or_notice"):
            await pool.execute(f"UPDATE deliveries SET {change} WHERE role = 'lead'")
