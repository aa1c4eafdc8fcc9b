"""A person decides about what the courier gave up, with a reason that is kept."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.base import Deduplication, Receipt, StatusUpdate, Unavailable, Uncertain
from gateway.errors import Conflict, NotFound, StoreUnavailable
from gateway.identifiers import uuid7
from tests.gateway.delivery.post import Post, Scripted

WHY = {"actor": "key:desk", "reason": "they called"}


@pytest.fixture
async def dead(open_post, make):
    """A delivery to `re` that is dead; the worklist has the referral, but nobody has been told yet."""
    post = await open_post({"re": Scripted(Unavailable("down"))}, max_attempts=1)
    await post.store(make())
    line = post.lines.pop(("barnet", "worklist"))
    await post.round()
    post.lines["barnet", "worklist"] = line
    assert await post.states() == {"re": "dead", "worklist": "waiting"}
    return post


@pytest.fixture
async def uncertain(open_post, make):
    """A delivery to `re` that may have arrived."""
    post = await open_post({"re": Scripted(Uncertain("lost"), deduplication=Deduplication.NONE)})
    await post.store(make())
    await post.round()
    assert await post.states() == {"re": "uncertain"}
    return post


async def of(post, organisation="re"):
    return (await post.delivery(organisation))["delivery_id"]


async def test_a_dead_one_is_sent_again_and_the_worklists_copy_is_withdrawn(dead):
    """The organisation is back: it has all its attempts, and the council's people need not look at it."""
    letter = await dead.replay.again("barnet", await of(dead), **WHY)
    assert (letter.state, letter.detail) == ("dead", "down")
    assert await dead.states() == {"re": "waiting", "worklist": "withdrawn"}
    assert await dead.referral() == ("routed", "re")
    (event,) = await dead.events("replayed")
    assert event == {"organisation": "re", "reason": "they called", "was": "dead"}
    actor = await dead.pool.fetchval("SELECT actor FROM events WHERE kind = 'replayed'")
    assert actor == "key:desk"
    await dead.rounds()
    assert await dead.referral() == ("delivered", "re")
    assert (await dead.delivery())["attempt"] == 1
    assert dead["worklist"].handed == []


async def test_what_was_withdrawn_is_never_claimed(dead, clock):
    """It is an end."""
    await dead.replay.again("barnet", await of(dead), **WHY)
    dead["re"].script = [Unavailable("still down")]
    await dead.round()
    clock.pass_(86400)
    await dead.rounds()
    assert (await dead.states())["worklist"] == ["withdrawn", "delivered"], (
        "dead again, so it was handed on again"
    )


async def test_a_worklist_that_has_it_already_gives_it_back(dead):
    """It had been handed over to people; the organisation has it from now on."""
    await dead.rounds()
    assert await dead.referral() == ("delivered", "worklist")
    await dead.replay.again("barnet", await of(dead), **WHY)
    await dead.rounds()
    assert await dead.referral() == ("delivered", "re")


async def test_all_dead_ones_of_an_organisation_at_once(open_post, make):
    """After an outage: those of this organisation and authority, and no others; each with its event."""
    adapters = {"re": Scripted(*[Unavailable("down")] * 5), "council": Scripted(Unavailable("down"))}
    adapters["northamptonshire/council"] = Scripted(Unavailable("down"))
    adapters["northamptonshire/worklist"] = Scripted()
    post = await open_post(adapters, max_attempts=1, breaker_threshold=9)
    await post.store(*(make() for _ in range(5)), make(organisation="council"))
    await post.store(make("northamptonshire", "council"))
    await post.rounds()
    assert await post.replay.all_again("barnet", "re", **WHY) == 5
    assert await post.replay.all_again("barnet", "re", **WHY) == 0
    await post.rounds()
    states = await post.states()
    assert states["re"] == ["delivered"] * 5
    assert states["council"] == ["dead", "dead"]
    assert len(await post.events("replayed")) == 5


async def test_what_somebody_works_on_already_stays_with_them(dead):
    """Sending everything again takes nothing out of anyone's hands; asking for this one does."""
    await dead.rounds()
    await dead.pool.execute("UPDATE referrals SET state = 'in_progress'")
    assert await dead.replay.all_again("barnet", "re", **WHY) == 0
    assert await dead.referral() == ("in_progress", "worklist")
    await dead.replay.again("barnet", await of(dead), **WHY)
    assert await dead.referral() == ("routed", "re")


async def test_sending_all_again_leaves_the_uncertain_ones(uncertain):
    """Each of those needs a look."""
    assert await uncertain.replay.all_again("barnet", "re", **WHY) == 0
    assert await uncertain.states() == {"re": "uncertain"}


async def test_an_uncertain_one_that_did_not_arrive_is_sent_again(uncertain):
    """The person found out, so nothing is checked first."""
    await uncertain.replay.again("barnet", await of(uncertain), **WHY)
    delivery = await uncertain.delivery()
    assert (delivery["state"], delivery["check_first"], delivery["attempt"]) == ("waiting", False, 0)
    await uncertain.rounds()
    assert await uncertain.referral() == ("delivered", "re")
    assert len(uncertain["re"].handed) == 2


async def test_an_uncertain_one_that_did_arrive_is_delivered(uncertain, clock):
    """With the organisation's reference, if it told; its status is understood from then on."""
    await uncertain.replay.arrived("barnet", await of(uncertain), external_reference="RE-5", **WHY)
    assert await uncertain.states() == {"re": "delivered"}
    assert await uncertain.referral() == ("delivered", "re")
    (event,) = await uncertain.events("found_delivered")
    assert event == {"organisation": "re", "reason": "they called", "external_reference": "RE-5"}
    update = StatusUpdate(external_reference="RE-5", status="fixed", at=clock.now())
    await uncertain.sync.apply("barnet", "re", [update])
    assert await uncertain.referral() == ("resolved", "re")
    assert len(uncertain["re"].handed) == 1


async def test_a_dead_one_that_did_arrive_gives_the_organisation_its_case_back(dead, clock):
    """What waits elsewhere is withdrawn, and the organisation's status counts again."""
    await dead.replay.arrived("barnet", await of(dead), external_reference="RE-6", **WHY)
    assert await dead.states() == {"re": "delivered", "worklist": "withdrawn"}
    assert await dead.referral() == ("delivered", "re")
    update = StatusUpdate(external_reference="RE-6", status="fixed", at=clock.now())
    await dead.sync.apply("barnet", "re", [update])
    assert await dead.referral() == ("resolved", "re")


async def test_a_dead_one_that_did_arrive_leaves_who_works_on_it_alone(dead):
    """Somebody else is already at it: the delivery is put right, the referral is not."""
    await dead.rounds()
    await dead.pool.execute("UPDATE referrals SET state = 'in_progress'")
    await dead.replay.arrived("barnet", await of(dead), external_reference=None, **WHY)
    assert (await dead.states())["re"] == "delivered"
    assert await dead.referral() == ("in_progress", "worklist")


@pytest.mark.parametrize("state", ["waiting", "claimed", "delivered", "refused", "withdrawn"])
async def test_only_what_waits_for_a_person_can_be_decided(uncertain, state):
    """Anything else is in the courier's hands, or has ended."""
    await uncertain.pool.execute("UPDATE deliveries SET state = $1", state)
    for decide in (
        uncertain.replay.again("barnet", await of(uncertain), **WHY),
        uncertain.replay.arrived("barnet", await of(uncertain), external_reference=None, **WHY),
    ):
        with pytest.raises(Conflict, match=state):
            await decide
    assert await uncertain.states() == {"re": state}


@pytest.mark.parametrize("state", ["resolved", "cancelled", "signposted"])
async def test_a_referral_that_has_ended_is_reopened_first(dead, state):
    """Nothing is sent for what nobody waits for."""
    await dead.pool.execute("UPDATE referrals SET state = $1", state)
    with pytest.raises(Conflict, match=state):
        await dead.replay.again("barnet", await of(dead), **WHY)
    assert await dead.replay.all_again("barnet", "re", **WHY) == 0
    assert await dead.referral() == (state, "worklist")


async def test_another_authoritys_delivery_is_not_found(dead):
    """Not even that it exists."""
    for wrong in (await of(dead), UUID(int=0)):
        with pytest.raises(NotFound):
            await dead.replay.again("northamptonshire", wrong, **WHY)
        with pytest.raises(NotFound):
            await dead.replay.arrived("northamptonshire", wrong, external_reference=None, **WHY)
    assert await dead.replay.all_again("northamptonshire", "re", **WHY) == 0


async def test_two_people_who_decide_at_once_do_it_once(dead, pool, rules, clock):
    """The second one is told that it is no longer dead."""
    other = Post(pool, rules, clock, {"re": Scripted()})
    delivery = await of(dead)
    results = await asyncio.gather(
        *(each.replay.again("barnet", delivery, **WHY) for each in (dead, other, dead, other)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Conflict) for each in results) == 3
    assert len(await dead.events("replayed")) == 1


async def test_one_that_was_only_told_is_replayed_without_moving_the_referral(open_post, make):
    """Whoever leads keeps it."""
    post = await open_post({"council": Scripted(Unavailable("down"))}, max_attempts=1)
    accepted = make()
    (lead,) = accepted.deliveries
    told = replace(lead, delivery_id=uuid7(lead.due_at), organisation="council", role="notify")
    await post.store(replace(accepted, deliveries=[lead, told]))
    await post.rounds()
    assert await post.states("notify") == {"council": "dead"}
    await post.replay.again("barnet", await of(post, "council"), **WHY)
    await post.rounds()
    assert await post.states("notify") == {"council": "delivered"}
    assert await post.referral() == ("delivered", "re")


async def test_a_decision_is_not_half_made_while_the_database_is_away(dead, away):
    """The person is told to try again."""
    delivery = await of(dead)
    async with away():
        with pytest.raises(StoreUnavailable):
            await dead.replay.again("barnet", delivery, **WHY)
    assert await dead.states() == {"re": "dead", "worklist": "waiting"}


async def test_the_courier_is_woken(dead):
    """It does not wait for the next look."""
    dead.courier._wake.clear()
    await dead.replay.again("barnet", await of(dead), **WHY)
    assert dead.courier._wake.is_set()


async def test_a_receipt_kept_from_before_is_not_lost_by_replaying(dead):
    """The same delivery id is sent, so a back end that had it after all knows it."""
    first = dead["re"].handed[0].delivery_id
    dead["re"].script = [Receipt(external_reference="RE-1", duplicate=True)]
    await dead.replay.again("barnet", await of(dead), **WHY)
    await dead.rounds()
    assert dead["re"].handed[1].delivery_id == first
