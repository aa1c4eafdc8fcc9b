"""Status that comes back: applied once and in order, kept where it cannot be, and never against a person's safety."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from adapters.base import Deduplication, Receipt, StatusUpdate, Uncertain
from gateway.errors import StoreUnavailable
from gateway.identifiers import uuid7
from gateway.store import alarms, statuses
from gateway.store.claims import Slot, claim
from tests.gateway.delivery.post import Hang, Post, Scripted


@pytest.fixture
def said(clock):
    """Make an update by `re`, so many seconds from now."""

    def said(status, after=0.0, **more):
        named = {"external_reference": "RE-1"} if "delivery_id" not in more else {}
        return StatusUpdate(status=status, at=clock.now() + timedelta(seconds=after), **{**named, **more})

    return said


@pytest.fixture
async def post(open_post, make):
    """One request, delivered to `re` as RE-1."""
    post = await open_post({"re": Scripted(Receipt(external_reference="RE-1")), "council": Scripted()})
    await post.store(make(chain=["council"]))
    await post.round()
    return post


async def applied(post):
    rows = await post.pool.fetch("SELECT status, applied FROM status_updates ORDER BY at")
    return [tuple(row) for row in rows]


async def test_a_status_moves_the_referral_and_is_told(post, said):
    """The organisation's own word, mapped by its file; the history says who said it and when."""
    await post.sync.apply("barnet", "re", [said("investigating", note="crew sent")])
    assert await post.referral() == ("in_progress", "re")
    (event,) = await post.events("in_progress")
    assert (event["organisation"], event["status"], event["note"]) == ("re", "investigating", "crew sent")
    delivery = await post.delivery()
    assert (delivery["external_status"], delivery["acknowledged_at"] is not None) == ("investigating", True)


async def test_the_word_is_read_whatever_its_case_and_hyphens(post, said):
    """In Progress, in-progress and IN_PROGRESS are one."""
    await post.sync.apply("barnet", "re", [said("Action-Scheduled")])
    assert await post.referral() == ("in_progress", "re")


async def test_several_in_one_message_are_applied_in_the_order_of_their_time(post, said):
    """However they are listed."""
    await post.sync.apply("barnet", "re", [said("fixed", 3), said("investigating", 1), said("planned", 2)])
    assert await post.referral() == ("resolved", "re")
    assert [word for word, _ in await applied(post)] == ["investigating", "planned", "fixed"]


async def test_an_older_one_that_comes_late_changes_nothing(post, said):
    """Resolved stays resolved; the late one is kept as ignored."""
    await post.sync.apply("barnet", "re", [said("fixed", -1)])
    await post.sync.apply("barnet", "re", [said("investigating", -9)])
    assert await post.referral() == ("resolved", "re")
    assert (await post.delivery())["external_status"] == "fixed"
    assert await applied(post) == [("investigating", "ignored"), ("fixed", "applied")]


async def test_a_repeated_one_is_harmless(post, said):
    """With an id of its own or without: one row, one event."""
    for update in (said("investigating"), said("fixed", 1, update_id="u-1")):
        for _ in range(3):
            await post.sync.apply("barnet", "re", [update, update])
    assert len(await applied(post)) == 2
    assert len(await post.events("in_progress")) == len(await post.events("resolved")) == 1


async def test_the_same_moment_written_in_another_time_zone_is_the_same_update(post, said):
    """Summer time at the other end makes no second update."""
    update = said("investigating")
    await post.sync.apply("barnet", "re", [update])
    await post.sync.apply("barnet", "re", [replace(update, at=update.at.astimezone(ZoneInfo("Asia/Tokyo")))])
    assert len(await applied(post)) == 1


async def test_a_resolved_case_may_be_reopened_but_never_undelivered(post, said):
    """What may follow what is one table."""
    await post.sync.apply("barnet", "re", [said("fixed", 1)])
    await post.sync.apply("barnet", "re", [said("open", 2)])
    assert await post.referral() == ("resolved", "re")
    await post.sync.apply("barnet", "re", [said("reopen", 3)])
    assert await post.referral() == ("in_progress", "re")


async def test_one_of_a_case_that_nobody_knows_is_kept_for_a_person(post, said):
    """With what it named, so that somebody can find out; counted; nothing moves."""
    await post.sync.apply("barnet", "re", [said("fixed", external_reference="OTHER", note="done")])
    assert await post.referral() == ("delivered", "re")
    (kept,) = await statuses.unknown(post.pool, "barnet", 10)
    assert (kept.organisation, kept.external_reference, kept.status, kept.note) == (
        "re",
        "OTHER",
        "fixed",
        "done",
    )
    assert await statuses.unknown(post.pool, "northamptonshire", 10) == []
    assert post.metrics.statuses.labels("barnet", "re", "unknown").value == 1


async def test_a_word_that_the_file_does_not_map_is_kept_and_counted(post, said):
    """It shows that the organisation has it; what it means, nobody guesses."""
    await post.sync.apply("barnet", "re", [said("quarantined")])
    assert await post.referral() == ("delivered", "re")
    delivery = await post.delivery()
    assert (delivery["external_status"], delivery["acknowledged_at"] is not None) == ("quarantined", True)
    assert await applied(post) == [("quarantined", "unmapped")]
    assert post.metrics.statuses.labels("barnet", "re", "unmapped").value == 1


async def test_another_organisations_reference_is_not_taken(post, said):
    """Each speaks of its own cases only, by reference or by our id."""
    delivery_id = str((await post.delivery())["delivery_id"])
    await post.sync.apply("barnet", "council", [said("fixed"), said("fixed", 1, delivery_id=delivery_id)])
    assert await post.referral() == ("delivered", "re")
    assert [verdict for _, verdict in await applied(post)] == ["unknown", "unknown"]


async def test_a_rejection_hands_it_on_with_the_reason(post, said):
    """The organisation took it and then gave it back: the next in the chain has it."""
    await post.sync.apply("barnet", "re", [said("not_councils_responsibility", note="a private road")])
    (event,) = await post.events("rejected")
    assert event == {"because": "a private road", "by": "re", "sent_to": "council"}
    await post.rounds()
    assert await post.referral() == ("delivered", "council")
    await post.sync.apply("barnet", "re", [said("fixed", 5), said("who knows", 6)])
    assert await post.referral() == ("delivered", "council"), "whoever gave it back has no say any more"
    assert (await post.delivery())["external_status"] == "not_councils_responsibility"


async def test_a_status_may_come_before_the_ending_is_written(open_post, make, said):
    """By our id: the case moves on, and the receipt's reference and event are not lost."""
    hang = Hang(then=Receipt(external_reference="RE-1", status="open"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    delivery_id = str((await post.delivery())["delivery_id"])
    await post.sync.apply("barnet", "re", [said("investigating", delivery_id=delivery_id)])
    assert await post.referral() == ("in_progress", "re")
    hang.go.set()
    await post.courier.settled()
    delivery = await post.delivery()
    assert (delivery["state"], delivery["external_reference"], delivery["external_status"]) == (
        "delivered",
        "RE-1",
        "investigating",
    )
    assert await post.referral() == ("in_progress", "re")
    assert len(await post.events("delivered")) == 1
    await post.sync.apply("barnet", "re", [said("fixed", 1)])
    assert await post.referral() == ("resolved", "re")


async def test_what_is_spoken_of_after_its_courier_died_leaves_an_attempt_on_record(
    open_post, make, said, clock
):
    """Nobody will ever write that hand-over's ending: what the organisation says stands in its place."""
    post = await open_post()
    await post.store(make())
    slot = Slot(authority_id="barnet", organisation="re", free=1, lease=timedelta(seconds=20))
    (claimed,) = await claim(post.pool, [slot], clock.now(), "a courier that dies")
    await post.sync.apply("barnet", "re", [said("investigating", delivery_id=str(claimed.delivery_id))])
    assert await post.referral() == ("in_progress", "re")
    assert (await post.delivery())["state"] == "delivered"
    assert await post.attempts() == [("reported", "the organisation spoke of it before its courier did")]


async def test_the_ending_of_whoever_lives_takes_the_place_of_what_was_reported(open_post, make, said):
    """What the courier saw itself says more than that the organisation spoke of it."""
    hang = Hang(then=Receipt(external_reference="RE-1"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    delivery_id = str((await post.delivery())["delivery_id"])
    await post.sync.apply("barnet", "re", [said("investigating", delivery_id=delivery_id)])
    hang.go.set()
    await post.courier.settled()
    assert await post.attempts() == [("accepted", "")]


async def test_a_status_that_was_quicker_than_the_ending_is_applied_once_it_is_known(open_post, make, said):
    """By the organisation's own reference, which we do not know yet: kept, then applied by itself."""
    hang = Hang(then=Receipt(external_reference="RE-1"))
    post = await open_post({"re": Scripted(hang)})
    await post.store(make())
    await post.courier.take_round()
    await hang.reached.wait()
    await post.sync.apply("barnet", "re", [said("investigating"), said("planned", 1, update_id="u-2")])
    assert await post.sync.catch_up() == 0
    hang.go.set()
    await post.courier.settled()
    assert await post.sync.catch_up() == 2
    assert await post.referral() == ("in_progress", "re")
    assert await applied(post) == [("investigating", "applied"), ("planned", "applied")]
    assert await statuses.unknown(post.pool, "barnet", 10) == []
    assert await post.sync.catch_up() == 0


async def test_one_that_was_unknown_is_applied_when_it_is_told_again(open_post, make, said):
    """A repeat is harmless, but it is not deaf to what we have learnt since."""
    post = await open_post({"re": Scripted(Receipt(external_reference="RE-1"))})
    update = said("investigating", update_id="u-1")
    await post.sync.apply("barnet", "re", [update])
    await post.store(make())
    await post.round()
    await post.sync.apply("barnet", "re", [update])
    assert await post.referral() == ("in_progress", "re")


async def test_a_status_answers_what_was_uncertain(open_post, make, said, clock):
    """The organisation speaks of it, so it has it: no person has to find out."""
    post = await open_post({"re": Scripted(Uncertain("lost"), deduplication=Deduplication.NONE)})
    await post.store(make())
    await post.round()
    delivery = await post.delivery()
    await post.sync.apply("barnet", "re", [said("open", delivery_id=str(delivery["delivery_id"]))])
    assert await post.referral() == ("delivered", "re")
    assert (await post.delivery())["state"] == "delivered"


async def ring(post, clock):
    """Raise an alarm about the one referral there is."""
    row = await post.pool.fetchrow("SELECT authority_id, referral_id, request_id FROM referrals")
    await post.pool.execute(
        "INSERT INTO alarms (authority_id, referral_id, request_id, opened_at, next_at) VALUES ($1, $2, $3, $4, $4)",
        *(*row, clock.now()),
    )
    return row


@pytest.mark.parametrize("word", ["fixed", "cancelled"])
async def test_a_safeguarding_referral_is_never_closed_by_a_system(post, said, clock, word):
    """Held and told while the alarm rings; progress is applied; a person's answer opens the way."""
    row = await ring(post, clock)
    await post.sync.apply("barnet", "re", [said("investigating", 1), said(word, 2)])
    assert await post.referral() == ("in_progress", "re")
    assert await applied(post) == [("investigating", "applied"), (word, "held")]
    assert [kind for kind in await post.events() if kind.endswith("_reported")]
    async with post.pool.acquire() as connection:
        assert await alarms.acknowledge(connection, "barnet", row["referral_id"], "Ruth", clock.now())
    await post.sync.apply("barnet", "re", [said(word, 3)])
    assert (await post.referral())[0] in {"resolved", "cancelled"}


@pytest.mark.parametrize(
    ("word", "rings", "told"),
    [("fixed", True, {"delivered", "resolved_reported"}), ("who knows", False, {"delivered"})],
)
async def test_whoever_speaks_of_what_was_uncertain_has_it_though_the_word_moves_nothing(
    open_post, make, said, clock, word, rings, told
):
    """Held for a person, or unmapped: its hand-over is settled, and so is the question whether it arrived."""
    post = await open_post({"re": Scripted(Uncertain("lost"), deduplication=Deduplication.NONE)})
    await post.store(make())
    if rings:
        await ring(post, clock)
    await post.round()
    assert await post.referral() == ("uncertain", "re")
    before = set(await post.events())
    delivery_id = str((await post.delivery())["delivery_id"])
    await post.sync.apply("barnet", "re", [said(word, delivery_id=delivery_id)])
    assert await post.referral() == ("delivered", "re")
    assert (await post.delivery())["state"] == "delivered"
    assert set(await post.events()) - before == told


async def test_whoever_was_only_told_cannot_move_the_referral(open_post, make, said):
    """A notified organisation reports on its own copy."""
    post = await open_post({"re": Scripted(), "council": Scripted(Receipt(external_reference="C-1"))})
    accepted = make()
    (lead,) = accepted.deliveries
    told = replace(lead, delivery_id=uuid7(lead.due_at), organisation="council", role="notify")
    await post.store(replace(accepted, deliveries=[lead, told]))
    await post.rounds()
    await post.sync.apply("barnet", "council", [said("resolved", external_reference="C-1")])
    assert await post.referral() == ("delivered", "re")


async def test_a_clock_that_runs_ahead_does_not_silence_the_organisation(post, said):
    """A status from the year 2100 is applied, and so is the next one."""
    await post.sync.apply("barnet", "re", [said("investigating", 86400 * 365 * 70)])
    await post.sync.apply("barnet", "re", [said("fixed", 5)])
    assert await post.referral() == ("resolved", "re")


async def test_a_status_is_not_acknowledged_while_the_database_is_away(post, said, away):
    """The caller hears of it and tells us again."""
    async with away():
        with pytest.raises(StoreUnavailable):
            await post.sync.apply("barnet", "re", [said("fixed")])
    await post.sync.apply("barnet", "re", [said("fixed")])
    assert await post.referral() == ("resolved", "re")


async def test_the_same_update_from_two_sides_at_once_is_applied_once(post, pool, rules, clock, said):
    """Called back to one replica while another polls."""
    other = Post(pool, rules, clock, {"re": Scripted()})
    update = said("not_councils_responsibility", update_id="u-1")
    await asyncio.gather(*(each.sync.apply("barnet", "re", [update]) for each in (post, other, post, other)))
    assert len(await post.events("rejected")) == 1
    assert (await post.states())["council"] == "waiting"
