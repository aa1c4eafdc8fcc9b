"""What could not be handed over within the acknowledgement time goes to the next in line, not into a queue for ever."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from adapters.base import Deduplication, Unavailable, Uncertain
from adapters.worklist import WorklistAdapter
from gateway.delivery.overdue import AFTER_ALL_WERE_DOWN
from tests.gateway.delivery.post import Hang, Scripted
from tests.gateway.delivery.test_overdue import MAUNDY_THURSDAY, hurry


def down(times=99):
    return Scripted(*(Unavailable("down") for _ in range(times)), deduplication=Deduplication.KEY)


@pytest.fixture
async def post(open_post, make):
    """One request for `re`, which is down and has two hours; the council is next and answers."""
    post = await open_post({"re": down(), "council": Scripted()})
    hurry(post, "re", minutes=120)
    await post.store(make(chain=["council"]))
    await post.round()
    return post


async def test_what_waits_past_its_time_goes_to_the_next_with_the_reason(post, clock):
    """Though its organisation might come back: the council owns it, and says so once."""
    began = clock.now()
    clock.pass_(2 * 3600 - 1)
    assert await post.overdue.hand_on_untaken() == 0
    clock.pass_(61)
    assert await post.overdue.hand_on_untaken() == 1
    assert await post.overdue.hand_on_untaken() == 0
    (event,) = await post.events("undeliverable")
    assert event == {
        "because": f"it could not be handed over since {began:%Y-%m-%d %H:%M} UTC",
        "by": "re",
        "sent_to": "council",
    }
    await post.round()
    assert await post.referral() == ("delivered", "council")
    assert await post.states() == {"re": "withdrawn", "council": "delivered"}
    assert len(post["re"].handed) == 1, "what was withdrawn is not sent"


async def test_the_night_and_the_holidays_do_not_count(open_post, make, clock):
    """Two working hours from Maundy Thursday afternoon end on Tuesday, in the queue as at the organisation."""
    clock.wall = MAUNDY_THURSDAY
    post = await open_post({"re": down(), "council": Scripted()})
    hurry(post, "re", working_hours=2)
    await post.store(make(chain=["council"]))
    await post.round()
    for moment in (datetime(2026, 4, 6, 23, tzinfo=UTC), datetime(2026, 4, 7, 8, 1, tzinfo=UTC)):
        clock.wall = moment
        assert await post.overdue.hand_on_untaken() == 0, moment
    clock.wall = datetime(2026, 4, 7, 12, tzinfo=UTC)
    assert await post.overdue.hand_on_untaken() == 1


async def test_nothing_is_shifted_while_everybody_is_down_or_only_coming_back(open_post, make, clock):
    """Each breaker opens in its own time: the first that answers is no reason to empty the others' queues."""
    post = await open_post({"re": down(), "council": down(1)}, breaker_threshold=1)
    hurry(post, "re", minutes=120)
    await post.store(make(chain=["council"]), make(organisation="council"))
    await post.round()
    clock.pass_(2 * 3600 + 60)
    assert post.health.everybody_is_down("barnet")
    assert await post.overdue.hand_on_untaken() == 0
    await post.round()
    assert not post.health.everybody_is_down("barnet"), "the council answers again"
    assert await post.overdue.hand_on_untaken() == 0
    clock.pass_(AFTER_ALL_WERE_DOWN)
    assert await post.overdue.hand_on_untaken() == 1


async def test_what_a_person_sent_again_has_its_time_anew(post, clock, make):
    """Its age is no reason to take it away before it was tried."""
    post["re"].script = [Uncertain("lost")]
    post["re"].deduplication = Deduplication.NONE
    clock.pass_(600)
    await post.round()
    assert await post.referral() == ("uncertain", "re")
    clock.pass_(86400)
    await post.replay.again(
        "barnet", (await post.delivery())["delivery_id"], actor="staff:Ann", reason="it never arrived"
    )
    assert await post.overdue.hand_on_untaken() == 0
    clock.pass_(2 * 3600 + 60)
    assert await post.overdue.hand_on_untaken() == 1


async def test_what_may_have_arrived_says_so(open_post, make, clock):
    """Whoever gets it next can ask."""
    post = await open_post({"re": Scripted(Uncertain("lost")), "council": Scripted()})
    hurry(post, "re", minutes=120)
    await post.store(make(chain=["council"]))
    await post.round()
    clock.pass_(2 * 3600 + 60)
    assert await post.overdue.hand_on_untaken() == 1
    (event,) = await post.events("undeliverable")
    assert event["because"].endswith("; an earlier attempt may have arrived")


async def test_only_leads_that_wait_are_handed_on(open_post, make, clock):
    """Not one under way, not one that was only told, not one that people ended, not the last resort's."""
    hang = Hang()
    post = await open_post({"re": Scripted(hang), "worklist": WorklistAdapter.from_connection({})})
    hurry(post, "re", minutes=120)
    hurry(post, "worklist", minutes=120)
    under_way, told, ended, last = make(), make(), make(), make(organisation="worklist")
    await post.store(under_way)
    await post.courier.take_round()
    await hang.reached.wait()
    (lead,) = told.deliveries
    await post.store(replace(told, deliveries=[replace(lead, role="notify")]), ended, last)
    await post.pool.execute(
        "UPDATE referrals SET state = 'cancelled' WHERE referral_id = $1", ended.referrals[0].referral_id
    )
    clock.pass_(86400)
    assert await post.overdue.hand_on_untaken() == 0
    hang.go.set()


async def test_a_long_queue_is_handed_on_whole(open_post, make, clock):
    """More than one transaction's worth, each once."""
    post = await open_post({"re": Scripted(), "council": Scripted()})
    hurry(post, "re", minutes=120)
    await post.store(*(make() for _ in range(120)))
    clock.pass_(2 * 3600 + 60)
    assert await post.overdue.hand_on_untaken() == 120
    assert len(await post.events("undeliverable")) == 120
