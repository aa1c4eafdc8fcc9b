"""The courier over a real database: every ending of an attempt, and what becomes of the referral."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from adapters.base import Deduplication, Receipt, Refused, Unavailable, Uncertain
from gateway.identifiers import uuid7
from gateway.store.claims import take_back_expired
from tests.gateway.delivery.post import Hang, Post, Scripted, lapse, until

DOWN = Unavailable("connection refused")
LOST = Uncertain("the answer was lost")


class Odd(Exception):
    """What no adapter should raise."""


def told_too(accepted, organisation, role="notify"):
    """The same request, with another organisation told of it."""
    (lead,) = accepted.deliveries
    other = replace(lead, delivery_id=uuid7(lead.due_at), organisation=organisation, role=role)
    return replace(accepted, deliveries=[lead, other])


async def test_what_is_accepted_is_delivered_with_the_organisations_reference(open_post, make):
    """One attempt, one receipt, one event; the referral is with the organisation."""
    post = await open_post({"re": Scripted(Receipt(external_reference="RE-7", status="open", detail="200"))})
    await post.store(make())
    assert await post.round()
    delivery = await post.delivery()
    assert (delivery["state"], delivery["external_reference"], delivery["external_status"]) == (
        "delivered",
        "RE-7",
        "open",
    )
    assert await post.referral() == ("delivered", "re")
    assert await post.attempts() == [("accepted", "200")]
    (event,) = await post.events("delivered")
    assert event == {"organisation": "re", "role": "lead", "external_reference": "RE-7", "attempt": 1}
    assert not await post.round()


async def test_a_refusal_names_who_and_why_and_goes_to_the_next_in_the_chain(open_post, make):
    """Rejected by X because …, sent to Y."""
    post = await open_post({"re": Scripted(Refused("not a public road", status=422)), "council": Scripted()})
    await post.store(make(chain=["council"]))
    await post.rounds()
    assert await post.states() == {"re": "refused", "council": "delivered"}
    assert await post.referral() == ("delivered", "council")
    (event,) = await post.events("rejected")
    assert event == {"because": "not a public road", "attempts": 1, "by": "re", "sent_to": "council"}
    assert await post.pool.fetchval("SELECT chain FROM referrals") == []


async def test_a_chain_that_is_exhausted_ends_at_the_worklist(open_post, make):
    """Refused by everyone; the council's own people have it."""
    post = await open_post({"re": Scripted(Refused("no")), "council": Scripted(Refused("nor we"))})
    await post.store(make(chain=["council"]))
    await post.rounds()
    assert await post.states() == {"re": "refused", "council": "refused", "worklist": "delivered"}
    assert await post.referral() == ("delivered", "worklist")
    assert [event["sent_to"] for event in await post.events("rejected")] == ["council", "worklist"]


async def test_a_worklist_that_fails_leaves_it_visibly_undeliverable(open_post, make):
    """There is nobody behind the last resort."""
    post = await open_post({"worklist": Scripted(Refused("no"))})
    await post.store(make(organisation="worklist"))
    await post.rounds()
    assert await post.referral() == ("undeliverable", "worklist")


async def test_an_organisation_that_is_gone_from_the_files_is_passed_over(open_post, make):
    """The chain was written when it was still there."""
    post = await open_post({"re": Scripted(Refused("no")), "council": Scripted()})
    await post.store(make(chain=["dissolved", "re", "council"]))
    await post.rounds()
    assert await post.referral() == ("delivered", "council")


async def test_an_unavailable_organisation_is_tried_again_later(open_post, make, clock):
    """Put off, longer each time, and it costs an attempt each."""
    post = await open_post({"re": Scripted(DOWN, DOWN)})
    await post.store(make())
    waits = []
    for _ in range(2):
        assert await post.round()
        delivery = await post.delivery()
        assert (delivery["state"], delivery["check_first"]) == ("waiting", False)
        waits.append((delivery["due_at"] - clock.now()).total_seconds())
        assert not await post.round()
        clock.pass_(waits[-1])
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2
    await post.round()
    assert (await post.delivery())["attempt"] == 3
    assert await post.referral() == ("delivered", "re")


async def test_retry_after_is_honoured_for_the_delivery_and_for_its_neighbours(open_post, make, clock):
    """It asked for ten minutes: neither this one nor another goes before."""
    post = await open_post({"re": Scripted(Unavailable("busy", status=503, retry_after=600))})
    await post.store(make())
    await post.round()
    assert (await post.delivery())["due_at"] >= clock.now() + timedelta(seconds=600)
    await post.store(make())
    clock.pass_(599)
    assert not await post.round()
    assert len(post["re"].handed) == 1
    clock.pass_(1)
    assert await post.round()


async def test_out_of_attempts_it_is_dead_and_somebody_else_has_it(open_post, make, clock):
    """Kept as a dead letter; the citizen does not wait for it."""
    post = await open_post({"re": Scripted(DOWN, DOWN, DOWN)}, max_attempts=3, breaker_threshold=9)
    await post.store(make())
    for _ in range(3):
        await post.round()
        clock.pass_(900)
    await post.rounds()
    assert await post.states() == {"re": "dead", "worklist": "delivered"}
    (event,) = await post.events("undeliverable")
    assert event == {"because": "connection refused", "attempts": 3, "by": "re", "sent_to": "worklist"}


async def test_an_open_breaker_claims_nothing_and_spends_no_attempt(open_post, make, clock):
    """Waiting for an organisation that is down uses up no tries."""
    post = await open_post({"re": Scripted(*[DOWN] * 3)}, breaker_threshold=3, breaker_cooldown=30)
    await post.store(*(make() for _ in range(3)))
    await post.round()
    await post.store(make())
    clock.pass_(29)
    assert not await post.round()
    rows = await post.pool.fetch("SELECT attempt, state FROM deliveries ORDER BY delivery_id")
    assert [tuple(row) for row in rows] == [(1, "waiting")] * 3 + [(0, "waiting")]
    clock.pass_(1)
    assert await post.round()
    assert len(post["re"].handed) == 4, "one probe, and no more until it has answered"
    await post.rounds()
    assert await post.states() == {"re": ["delivered"] * 4}


async def test_a_probe_whose_hand_over_cannot_be_built_does_not_block_recovery(open_post, make, clock):
    """A fault of ours during the only allowed attempt leaves room for another."""
    post = await open_post({"re": Scripted(DOWN, DOWN)}, breaker_threshold=1, breaker_cooldown=30)
    await post.store(make(), make())
    await post.round()
    clock.pass_(60)
    understanding, post.courier._understanding = post.courier._understanding, None
    assert await post.round()
    assert not post["re"].script, "nothing was handed over"
    post.courier._understanding = understanding
    assert await post.round()
    assert sorted((await post.states())["re"]) == ["claimed", "delivered"]


async def test_one_that_hangs_does_not_delay_the_others(open_post, make, clock):
    """Its slots are full; theirs are free."""
    hang = Hang()
    post = await open_post({"re": Scripted(hang, hang), "council": Scripted()}, concurrency=2)
    await post.store(*(make() for _ in range(3)), *(make(organisation="council") for _ in range(5)))
    await post.courier.take_round()
    await hang.reached.wait()
    for _ in range(20):
        clock.pass_(1)  # the rate allows the next ones
        await post.courier.take_round()
        if (await post.states())["council"] == ["delivered"] * 5:
            break
        await asyncio.sleep(0.01)
    states = await post.states()
    assert states["council"] == ["delivered"] * 5
    assert sorted(states["re"]) == ["claimed", "claimed", "waiting"]
    hang.go.set()


@pytest.mark.parametrize("ending", [Receipt(external_reference="N-1"), Refused("no"), LOST])
async def test_an_organisation_that_is_only_told_never_moves_the_referral(open_post, make, ending):
    """Whatever it answers, whoever leads still has it."""
    hang = Hang()
    told = Scripted(ending, deduplication=Deduplication.NONE)
    post = await open_post({"re": Scripted(hang), "council": told})
    await post.store(told_too(make(), "council"))
    await post.courier.take_round()
    await hang.reached.wait()

    async def ended():
        return (await post.states("notify"))["council"] != "claimed"

    await until(ended)
    assert await post.referral() == ("routed", "re")
    assert await post.states() == {"re": "claimed"}
    hang.go.set()
    await post.courier.settled()
    assert await post.referral() == ("delivered", "re")


async def test_a_courier_that_was_frozen_cannot_undo_what_the_next_one_did(
    open_post, make, clock, pool, rules
):
    """Its fence is stale: the refusal it brings late moves nothing."""
    hang = Hang(then=Refused("too late"))
    frozen = await open_post({"re": Scripted(hang)}, worker="frozen")
    await frozen.store(make())
    await frozen.courier.take_round()
    await hang.reached.wait()
    await lapse(pool, clock, 60)
    awake = await open_post({"re": Scripted(Receipt(external_reference="NEW"))}, worker="awake")
    awake.courier._expired_looked_at -= 60
    await awake.round()
    hang.go.set()
    await frozen.courier.settled()
    assert await awake.states() == {"re": "delivered"}
    assert (await awake.delivery())["external_reference"] == "NEW"
    assert [outcome for outcome, _ in await awake.attempts()] == ["refused", "accepted"], "both are kept"


async def test_what_a_slow_courier_knows_counts_until_somebody_else_has_begun(open_post, make, clock):
    """Taken, but its lease had run out meanwhile: nobody else has begun, so it is delivered, not uncertain."""
    hang = Hang(then=Receipt(external_reference="SLOW-1"))
    post = await open_post({"re": Scripted(hang, deduplication=Deduplication.NONE)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    await lapse(post.pool, clock, 60)
    assert await take_back_expired(post.pool, clock.now()) == 1
    hang.go.set()
    await post.courier.settled()
    assert (await post.delivery())["external_reference"] == "SLOW-1"
    assert await post.referral() == ("delivered", "re")
    assert await post.attempts() == [("accepted", "")]
    assert not await post.round()


async def test_a_refusal_that_comes_after_people_sent_it_elsewhere_moves_nothing(open_post, make):
    """The referral is no longer this organisation's to lose."""
    hang = Hang(then=Refused("no"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make(chain=["council"]))
    await post.courier.take_round()
    await hang.reached.wait()
    await post.pool.execute("UPDATE referrals SET organisation = 'pct'")
    hang.go.set()
    await post.courier.settled()
    assert await post.referral() == ("routed", "pct")
    assert await post.states() == {"re": "refused"}


async def test_a_citizen_who_cancelled_is_not_sent_round(open_post, make):
    """A refusal after the cancellation does not open it again."""
    hang = Hang(then=Refused("no"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make(chain=["council"]))
    await post.courier.take_round()
    await hang.reached.wait()
    await post.pool.execute("UPDATE referrals SET state = 'cancelled'")
    hang.go.set()
    await post.courier.settled()
    assert await post.referral() == ("cancelled", "re")


@pytest.mark.parametrize(
    "answer",
    [
        Receipt(external_reference="A\x00B", status="open\ud800", detail="fine\x00\x1b[2J"),
        Receipt(external_reference="R" * 100_000, detail="d" * 100_000),
    ],
    ids=["control characters", "endless"],
)
async def test_an_answer_that_the_database_would_not_take_still_ends_the_delivery(open_post, make, answer):
    """Otherwise it would be sent again for ever."""
    post = await open_post({"re": Scripted(answer)})
    await post.store(make())
    await post.round()
    assert await post.states() == {"re": "delivered"}


async def test_an_ending_outlives_the_databases_absence(open_post, make, away):
    """What was taken while the database is away is written when it is back, not forgotten."""
    hang = Hang(then=Receipt(external_reference="KEPT"))
    post = await open_post({"re": Scripted(hang, deduplication=Deduplication.NONE)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    async with away():
        hang.go.set()
        await asyncio.sleep(0.05)
    await post.courier.settled()
    assert await post.states() == {"re": "delivered"}
    assert (await post.delivery())["external_reference"] == "KEPT"


async def test_a_hand_on_outlives_the_databases_absence_too(open_post, make, away):
    """A refusal is written whole when the database is back, with where it goes next."""
    hang = Hang(then=Refused("no"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    async with away():
        hang.go.set()
        await asyncio.sleep(0.05)
    await post.courier.settled()
    await post.rounds()
    assert await post.states() == {"re": "refused", "worklist": "delivered"}


async def test_an_ending_that_cannot_be_written_within_the_lease_is_left_to_it(open_post, make, away, clock):
    """It does not hold its slot for ever; the next courier checks first."""
    hang = Hang(then=Receipt(external_reference="LOST"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    async with away():
        hang.go.set()
        await asyncio.sleep(0.05)
        clock.pass_(60)
        await post.courier.settled()
    assert await post.states() == {"re": "claimed"}
    assert post.lines["barnet", "re"].running == 0


async def test_nothing_is_shifted_while_everybody_is_down(open_post, make, clock):
    """The fault is likelier ours: out of attempts, they wait on, and are delivered when the others are back."""
    adapters = {"re": Scripted(*[DOWN] * 4), "council": Scripted(*[DOWN] * 4)}
    post = await open_post(adapters, max_attempts=2, breaker_threshold=1, breaker_cooldown=1)
    await post.store(make(), make(organisation="council"))
    for _ in range(4):
        await post.round()
        clock.pass_(900)
    assert await post.states() == {"re": "waiting", "council": "waiting"}
    assert await post.events("undeliverable") == []
    await post.rounds()
    assert await post.states() == {"re": "delivered", "council": "delivered"}


async def test_an_orderly_stop_lets_attempts_finish_and_begins_no_more(pool, rules, clock, make):
    """What was begun is written; what was not is there for the next courier, with no attempt spent."""
    hang = Hang(then=Receipt(external_reference="IN TIME"))
    post = Post(pool, rules, clock, {"re": Scripted(hang)}, concurrency=1)
    await post.store(make(), make())
    async with post.courier.running(drain=30):
        await hang.reached.wait()
        asyncio.get_running_loop().call_soon(hang.go.set)
    rows = await pool.fetch("SELECT state, attempt FROM deliveries ORDER BY attempt DESC")
    assert [tuple(row) for row in rows] == [("delivered", 1), ("waiting", 0)]
    assert len(post["re"].handed) == 1


async def test_what_was_claimed_while_stopping_is_given_back(pool, rules, clock, make):
    """Between claim and attempt the order to stop came: released at once, nothing sent."""
    post = Post(pool, rules, clock, {"re": Scripted()})
    await post.store(make())
    async with post.by_hand():
        post.courier._stopping = True
        assert not await post.round()
    row = await pool.fetchrow("SELECT state, attempt, fence, lease_until FROM deliveries")
    assert tuple(row) == ("waiting", 0, 1, None)
    assert post["re"].handed == []


async def test_what_does_not_finish_in_time_is_left_to_its_lease(pool, rules, clock, make):
    """Shutdown does not wait for ever; the next courier checks first."""
    hang = Hang()
    post = Post(pool, rules, clock, {"re": Scripted(hang)})
    await post.store(make())
    async with post.courier.running(drain=0):
        await hang.reached.wait()
    assert await post.states() == {"re": "claimed"}
    await lapse(pool, clock, 60)
    await take_back_expired(pool, clock.now())
    delivery = await post.delivery()
    assert (delivery["state"], delivery["check_first"]) == ("waiting", True)


async def test_the_courier_outlives_a_database_that_goes_away(pool, rules, clock, make, away):
    """Rounds that fail are tried again; nobody has to restart it."""
    post = Post(pool, rules, clock, {"re": Scripted()})
    await post.store(make(organisation="pct"))
    async with post.courier.running(drain=5):
        async with away():
            await asyncio.sleep(0.05)
        await post.store(make())

        async def delivered():
            return (await post.states())["re"] == "delivered"

        await until(delivered)
