"""Hand-overs of which nobody knows whether they arrived: asked after, sent again, or left to a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.base import Deduplication, Receipt, Unavailable, Uncertain
from adapters.elapsed import elapsed
from gateway.delivery.attempt import MOST_EXPIRED
from gateway.store.claims import Slot, claim, take_back_expired
from tests.gateway.delivery.post import Hang, Scripted, lapse

DOWN = Unavailable("connection refused")
LOST = Uncertain("the answer was lost")


class Odd(Exception):
    """What no adapter should raise."""


@pytest.mark.parametrize("error", [LOST, TimeoutError(), Odd("a bug with a citizen's words in it")])
async def test_uncertain_with_a_key_is_simply_sent_again(open_post, make, clock, error):
    """The back end knows the repeat by the delivery's id, which stays the same."""
    post = await open_post({"re": Scripted(error, Receipt(external_reference="RE-1", duplicate=True))})
    await post.store(make())
    await post.round()
    assert ((await post.delivery())["state"], (await post.delivery())["check_first"]) == ("waiting", True)
    clock.pass_(60)
    await post.round()
    assert [handover.attempt for handover in post["re"].handed] == [1, 2]
    assert len({handover.delivery_id for handover in post["re"].handed}) == 1
    assert post["re"].asked == []
    assert await post.referral() == ("delivered", "re")
    assert "citizen" not in str(await post.attempts())


async def test_uncertain_with_lookup_is_asked_first_and_not_sent_twice(open_post, make, clock):
    """It has it: the look-up's receipt is the ending."""
    adapter = Scripted(LOST, deduplication=Deduplication.LOOKUP)
    adapter.found = [Receipt(external_reference="RE-9", duplicate=True)]
    post = await open_post({"re": adapter})
    await post.store(make())
    await post.round()
    clock.pass_(60)
    await post.round()
    assert len(adapter.handed) == 1
    assert adapter.asked == [adapter.handed[0].delivery_id]
    assert (await post.delivery())["external_reference"] == "RE-9"


async def test_uncertain_with_lookup_is_sent_again_only_after_a_definite_no(open_post, make, clock):
    """A look-up that cannot tell leaves the question open; a no answers it."""
    adapter = Scripted(LOST, deduplication=Deduplication.LOOKUP)
    adapter.found = [DOWN, LOST, None]
    post = await open_post({"re": adapter})
    await post.store(make())
    for sent in (1, 1, 1, 2):
        await post.round()
        assert len(adapter.handed) == sent
        clock.pass_(900)
    assert await post.referral() == ("delivered", "re")


@pytest.mark.parametrize(("lookup_after", "asked_at"), [(None, 10), (45.0, 45)])
async def test_a_look_up_waits_until_its_no_can_be_believed(open_post, make, clock, lookup_after, asked_at):
    """It may still be at work on what it did not answer: asked too early it would say no, and get it twice."""
    adapter = Scripted(LOST, deduplication=Deduplication.LOOKUP)
    post = await open_post({"re": adapter}, timeout=10.0, lookup_after=lookup_after)
    await post.store(make())
    await post.round()
    clock.pass_(asked_at - 0.1)
    assert not await post.round()
    assert adapter.asked == []
    clock.pass_(0.2)
    await post.round()
    assert len(adapter.asked) == 1


async def test_a_lease_leaves_as_long_before_the_next_courier_asks(open_post, make):
    """A courier that died in the middle of a hand-over is as good as one that got no answer."""
    asked = await open_post({"re": Scripted(deduplication=Deduplication.LOOKUP)}, lookup_after=45.0)
    keyed = await open_post({"re": Scripted(deduplication=Deduplication.KEY)}, lookup_after=45.0)
    leases = [post.lines["barnet", "re"].lease.total_seconds() for post in (asked, keyed)]
    timeout = asked.lines["barnet", "re"].organisation.delivery.timeout
    assert leases == [timeout + 45, timeout + 10]


async def test_a_claim_that_came_back_after_its_lease_is_not_begun(open_post, make, clock):
    """Frozen while the database answered: it may be another's by now, and so it is given back untouched."""
    adapter = Scripted(deduplication=Deduplication.LOOKUP)
    post = await open_post({"re": adapter})
    await post.store(make())
    line = post.lines["barnet", "re"]
    slot = Slot(authority_id="barnet", organisation="re", free=1, lease=line.lease)
    (claimed,) = await claim(post.pool, [slot], clock.now(), "w")
    line.began()
    await post.courier._carry(line, claimed, clock.monotonic() - 0.001)
    assert (adapter.handed, await post.attempts()) == ([], [])
    delivery = await post.delivery()
    assert (delivery["state"], delivery["attempt"], line.running) == ("waiting", 0, 0)
    await post.round()
    (handed,) = adapter.handed
    assert handed.send_by - elapsed() <= line.lease.total_seconds()


async def test_a_hand_over_ends_with_its_lease_however_it_hangs(open_post, make, clock):
    """Nothing may be sent by a courier whose claim is no longer its own."""
    post = await open_post({"re": Scripted(Hang())})
    await post.store(make())
    line = post.lines["barnet", "re"]
    slot = Slot(authority_id="barnet", organisation="re", free=1, lease=line.lease)
    (claimed,) = await claim(post.pool, [slot], clock.now(), "w")
    line.began()
    await post.courier._carry(line, claimed, clock.monotonic() + 0.05)
    assert [outcome for outcome, _ in await post.attempts()] == ["uncertain"]


async def test_uncertain_without_either_waits_for_a_person(open_post, make, clock):
    """Never a blind retry, and nobody else is sent it either."""
    post = await open_post({"re": Scripted(LOST, deduplication=Deduplication.NONE)})
    await post.store(make(chain=["council"]))
    await post.round()
    clock.pass_(86400)
    assert not await post.round()
    assert await post.states() == {"re": "uncertain"}
    assert await post.referral() == ("uncertain", "re")
    (event,) = await post.events("uncertain")
    assert (event["by"], event["because"]) == ("re", "the answer was lost")


async def test_refused_and_unavailable_are_certain_even_without_deduplication(open_post, make, clock):
    """What certainly did not arrive may be sent again."""
    post = await open_post({"re": Scripted(DOWN, deduplication=Deduplication.NONE)})
    await post.store(make())
    await post.round()
    clock.pass_(60)
    await post.round()
    assert await post.referral() == ("delivered", "re")


@pytest.mark.parametrize(
    ("deduplication", "sent", "state"),
    [
        (Deduplication.KEY, 1, "delivered"),
        (Deduplication.LOOKUP, 0, "delivered"),
        (Deduplication.NONE, 0, "uncertain"),
    ],
)
async def test_after_a_courier_died_the_next_one_checks_first(
    open_post, make, clock, deduplication, sent, state
):
    """It may have sent it before it died: sent again under its key, asked after, or left to a person."""
    adapter = Scripted(deduplication=deduplication)
    adapter.found = [Receipt(external_reference="it has it")]
    post = await open_post({"re": adapter})
    await post.store(make())
    slot = Slot(authority_id="barnet", organisation="re", free=1, lease=timedelta(seconds=2000))
    assert len(await claim(post.pool, [slot], clock.now(), "a courier that dies")) == 1
    await lapse(post.pool, clock, 1000)
    assert not await post.round()
    await lapse(post.pool, clock, 1001)
    assert await post.round()
    assert len(adapter.handed) == sent
    assert (await post.delivery())["state"] == state
    assert (await post.attempts())[0][0] == "expired"


async def test_what_nobody_was_asked_says_nothing_of_an_organisations_health(open_post, make, clock):
    """Ten left to a person without a word to the organisation: its breaker stays closed."""
    post = await open_post({"re": Scripted(deduplication=Deduplication.NONE)}, breaker_threshold=2)
    await post.store(*(make() for _ in range(4)))
    slot = Slot(authority_id="barnet", organisation="re", free=4, lease=timedelta(seconds=20))
    await claim(post.pool, [slot], clock.now(), "a courier that dies")
    await lapse(post.pool, clock, 21)
    await post.round()
    assert await post.states() == {"re": ["uncertain"] * 4}
    await post.store(make())
    assert await post.round()
    assert len(post["re"].handed) == 1


async def test_a_delivery_that_ends_every_courier_is_given_up(open_post, make, clock):
    """A poison delivery is bounded: dead, on the worklist, and replayable with a fresh count."""
    post = await open_post()
    await post.store(make())
    slot = Slot(authority_id="barnet", organisation="re", free=1, lease=timedelta(seconds=20))
    for _ in range(MOST_EXPIRED):
        assert len(await claim(post.pool, [slot], clock.now(), "a courier that dies")) == 1
        await lapse(post.pool, clock, 21)
        await take_back_expired(post.pool, clock.now())
    await post.rounds()
    assert post["re"].handed == []
    assert await post.states() == {"re": "dead", "worklist": "delivered"}
    dead = await post.delivery()
    await post.replay.again("barnet", dead["delivery_id"], actor="test", reason="mended")
    await post.rounds()
    assert len(post["re"].handed) == 1
    assert await post.referral() == ("delivered", "re")
