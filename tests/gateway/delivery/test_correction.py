"""A person puts right what the door decided: what becomes of the referral and of every delivery there was."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from adapters.base import Receipt, StatusUpdate, Unavailable, Uncertain
from gateway.callers import Caller
from gateway.delivery.corrected import Wanted
from gateway.delivery.correction import Correcting
from gateway.errors import Conflict, InvalidInput, NotFound, Stale
from gateway.identifiers import uuid7
from gateway.model import Priority, State
from gateway.store import alarms
from gateway.understanding import Understanding
from gateway.work.seen import only
from tests.gateway.delivery.post import Hang, Scripted

DESK = Caller(authority="barnet", name="desk", subject="key:desk")


@pytest.fixture
def correct(pool, rules, clock):
    """Correct the only referral as a member of staff would."""

    async def correct(post, service, *, organisation=None, referral_id=None, **more):
        correcting = Correcting(pool, Understanding(rules, post.metrics), clock, post.metrics)
        if referral_id is None:
            referral_id = await pool.fetchval("SELECT referral_id FROM referrals")
        wanted = Wanted(service=service, organisation=organisation, reason="I asked her", **more)
        return await correcting.correct(DESK, referral_id, wanted)

    return correct


def in_triage(accepted):
    """The same request, as the door leaves it when it does not know."""
    (referral,) = accepted.referrals
    undecided = replace(referral, service=None, organisation=None, state=State.TRIAGE, chain=["worklist"])
    return replace(accepted, referrals=[undecided], deliveries=[])


async def kept(pool):
    rows = await pool.fetch("SELECT service_before, service_after, by, reason, text FROM corrections")
    return [tuple(row) for row in rows]


async def test_a_referral_in_triage_is_decided_and_goes_where_the_rules_say(open_post, make, correct, pool):
    """Its delivery is made, the event says who, from what, to what and why, and it is kept to learn from."""
    post = await open_post()
    await post.store(in_triage(make(text="a hole outside")))
    changed = await correct(post, "pothole")
    assert (changed.state, changed.part.organisation) == (State.ROUTED, "re")
    await post.rounds()
    assert await post.referral() == ("delivered", "re")
    assert post["re"].handed[0].service == "pothole"
    (event,) = await post.events("corrected")
    assert event == {
        "service_before": None,
        "service_after": "pothole",
        "organisation_before": None,
        "organisation": "re",
        "state_before": "triage",
        "state": "routed",
        "rule": changed.part.rule,
        "reason": "I asked her",
    }
    assert await kept(pool) == [(None, "pothole", "key:desk", "I asked her", "a hole outside")]
    assert await pool.fetchval("SELECT chain FROM referrals") == changed.part.chain


async def test_a_wrong_one_that_waits_is_withdrawn_and_never_sent(open_post, make, correct):
    """The old organisation never hears of it."""
    post = await open_post({"council": Scripted()})
    await post.store(make())
    await correct(post, "missed-bin")
    await post.rounds()
    assert post["re"].handed == []
    assert await post.states("former") == {"re": "withdrawn"}
    assert await post.states() == {"council": "delivered"}
    assert await post.referral() == ("delivered", "council")


async def test_one_that_was_delivered_goes_to_the_right_one_and_the_first_changes_nothing_more(
    open_post, make, correct, clock, pool
):
    """The first one's status is not the referral's; its hand-over stands in the event, so that it can be told."""
    post = await open_post({"re": Scripted(Receipt(external_reference="RE-1")), "council": Scripted()})
    await post.store(make())
    await post.rounds()
    await correct(post, "missed-bin")
    (event,) = await post.events("corrected")
    assert event["handed_over_before"] == {"re": "delivered"}
    await post.rounds()
    late = StatusUpdate(external_reference="RE-1", status="closed", at=clock.now())
    await post.sync.apply("barnet", "re", [late])
    assert await post.referral() == ("delivered", "council")
    assert await pool.fetchval("SELECT applied FROM status_updates") == "ignored"


@pytest.mark.parametrize("ending", [None, Unavailable("down"), Uncertain("lost")])
async def test_one_under_way_is_called_back_whatever_comes_of_it(open_post, make, correct, ending):
    """Taken: written down, and nothing else. Not taken: never tried again, nor handed on."""
    under_way = Hang(ending)
    post = await open_post({"re": Scripted(under_way), "council": Scripted()})
    await post.store(make(chain=["worklist"]))
    assert await post.courier.take_round()
    await under_way.reached.wait()
    await correct(post, "missed-bin")
    under_way.go.set()
    await post.courier.settled()
    await post.rounds()
    assert await post.states("former") == {"re": "delivered" if ending is None else "withdrawn"}
    assert await post.states() == {"council": "delivered"}
    assert await post.referral() == ("delivered", "council")
    assert len(await post.attempts()) == 2
    assert len(post["re"].handed) == 1


async def test_another_service_of_the_same_organisation_is_handed_over_anew(
    open_post, make, correct, clock, pool
):
    """Its case of before no longer speaks for the referral, though it is the same organisation's."""
    post = await open_post(
        {"re": Scripted(Receipt(external_reference="RE-1"), Receipt(external_reference="RE-2"))}
    )
    await post.store(make())
    await post.rounds()
    await correct(post, "street-light", organisation="re")
    await post.rounds()
    assert [handed.service for handed in post["re"].handed] == ["pothole", "street-light"]
    await post.sync.apply(
        "barnet", "re", [StatusUpdate(external_reference="RE-1", status="closed", at=clock.now())]
    )
    assert await post.referral() == ("delivered", "re")
    assert await pool.fetchval("SELECT count(*) FROM corrections") == 1


async def test_another_organisation_for_the_same_service_is_nothing_to_learn(open_post, make, correct, pool):
    """It is in the history; whom the rules would have chosen is next in line."""
    post = await open_post({"council": Scripted()})
    await post.store(make())
    changed = await correct(post, "pothole", organisation="council")
    assert changed.part.chain[0] == "re"
    await post.rounds()
    assert await post.referral() == ("delivered", "council")
    assert await kept(pool) == []
    assert len(await post.events("corrected")) == 1


async def test_out_of_scope_closes_it_with_the_reason(open_post, make, correct, pool):
    """Nobody is sent anything."""
    post = await open_post()
    await post.store(make())
    changed = await correct(post, "out-of-scope")
    assert changed.state is State.CANCELLED
    assert not await post.round()
    assert await post.referral() == ("cancelled", None)
    assert (await post.events("corrected"))[0]["reason"] == "I asked her"
    assert await kept(pool) == [("pothole", "out-of-scope", "key:desk", "I asked her", "a pothole")]


async def test_what_a_body_outside_answers_for_is_signposted(open_post, make, correct):
    """Even where an organisation had it already."""
    post = await open_post()
    await post.store(make())
    await post.rounds()
    changed = await correct(post, "income-tax")
    assert changed.state is State.SIGNPOSTED
    assert changed.part.signpost.say
    assert (await post.referral())[0] == "signposted"
    assert not await post.round()


async def test_it_is_refused_once_the_referral_has_ended(open_post, make, correct, pool):
    """An end is an end: reopen it first."""
    post = await open_post()
    await post.store(make())
    await pool.execute("UPDATE referrals SET state = 'resolved'")
    with pytest.raises(Conflict, match="reopen it first"):
        await correct(post, "missed-bin")
    changed = await correct(post, "missed-bin", reopen=True)
    assert (changed.state, changed.part.organisation) == (State.ROUTED, "council")
    assert await post.events("reopened")


async def test_what_was_refused_can_be_put_right_like_anything_else(open_post, make, correct, pool):
    """It never was with anybody, so there is nothing to reopen; what it really was is kept to learn from."""
    post = await open_post({"council": Scripted()})
    await post.store(make())
    await correct(post, "out-of-scope")
    await correct(post, "missed-bin")
    await post.rounds()
    assert await post.referral() == ("delivered", "council")
    assert [(before, after) for before, after, *_ in await kept(pool)] == [
        ("pothole", "out-of-scope"),
        ("out-of-scope", "missed-bin"),
    ]


async def test_one_that_a_colleague_works_on_is_theirs(open_post, make, correct, pool, clock):
    """Until their lease runs out, nobody else changes it."""
    post = await open_post()
    await post.store(make())
    await pool.execute(
        "UPDATE referrals SET claimed_by = 'key:ann', claimed_until = $1", clock.now() + timedelta(minutes=5)
    )
    with pytest.raises(Conflict, match="key:ann works on it until"):
        await correct(post, "missed-bin")
    clock.pass_(301)
    await correct(post, "missed-bin")


async def test_two_who_correct_at_the_same_moment_do_not_undo_each_other(open_post, make, correct, pool):
    """One gets through; the others are told that it has changed, or is so already."""
    post = await open_post({"council": Scripted()})
    await post.store(make())
    wanted = ["missed-bin", "new-bin"] * 4
    answers = await asyncio.gather(*(correct(post, code) for code in wanted), return_exceptions=True)
    assert all(isinstance(answer, Conflict) for answer in answers if isinstance(answer, Exception))
    done = [answer for answer in answers if not isinstance(answer, Exception)]
    assert done
    assert len(done) == len(await kept(pool)) == len(await post.events("corrected"))
    live = await pool.fetchval("SELECT count(*) FROM deliveries WHERE state = 'waiting'")
    assert live == 1


async def test_one_who_saw_an_older_referral_is_told(open_post, make, correct, clock, pool):
    """Since they read it the courier delivered it: that made another version of it."""
    post = await open_post()
    await post.store(make())
    seen = await pool.fetchval("SELECT version FROM referrals")
    clock.pass_(1)
    await post.rounds()
    with pytest.raises(Stale, match="changed since"):
        await correct(post, "missed-bin", seen=only(seen))
    now = await pool.fetchval("SELECT version FROM referrals")
    assert now > seen
    await correct(post, "missed-bin", seen=only(now))


async def test_saying_what_it_is_already_is_refused(open_post, make, correct):
    """A repeated click does nothing twice."""
    post = await open_post()
    await post.store(make())
    await correct(post, "missed-bin")
    with pytest.raises(Conflict, match="already"):
        await correct(post, "missed-bin")
    assert len(await post.events("corrected")) == 1


@pytest.mark.parametrize(
    ("service", "organisation", "pointer", "said"),
    [
        ("potole", None, "/service", "pothole"),
        ("missed-bin", "counsil", "/organisation", "council"),
        ("out-of-scope", "council", "/organisation", "nobody"),
    ],
)
async def test_a_wrong_name_is_refused_with_the_right_one(
    open_post, make, correct, service, organisation, pointer, said
):
    """And nothing has changed."""
    post = await open_post()
    await post.store(make())
    with pytest.raises(InvalidInput, match=said) as raised:
        await correct(post, service, organisation=organisation)
    assert raised.value.pointer == pointer
    assert await post.referral() == ("routed", "re")


async def test_there_must_be_such_a_referral(open_post, clock, correct):
    """Another authority's is none."""
    with pytest.raises(NotFound):
        await correct(await open_post(), "pothole", referral_id=uuid7(clock.now()))


async def test_a_safeguarding_referral_keeps_its_priority_and_its_alarm(
    open_post, make, correct, pool, clock
):
    """Whatever it turns out to be, its alarm rings until a named person answers, and only then may it be closed."""
    post = await open_post({"council": Scripted(), "safeguarding-duty": Scripted()})
    await post.store(make(priority=Priority.SAFEGUARDING, organisation="safeguarding-duty"))
    referral = await pool.fetchrow("SELECT * FROM referrals")
    await pool.execute(
        "INSERT INTO alarms (authority_id, referral_id, request_id, opened_at, next_at) VALUES ($1, $2, $3, $4, $4)",
        *("barnet", referral["referral_id"], referral["request_id"], clock.now()),
    )
    with pytest.raises(Conflict, match="alarm"):
        await correct(post, "out-of-scope")
    changed = await correct(post, "missed-bin")
    assert changed.priority is Priority.SAFEGUARDING
    assert await pool.fetchval("SELECT priority FROM referrals") == "safeguarding"
    assert await pool.fetchval("SELECT priority FROM deliveries WHERE organisation = 'council'") == 0
    assert len(await alarms.ringing(pool, "barnet")) == 1
    async with pool.acquire() as connection:
        await alarms.acknowledge(connection, "barnet", referral["referral_id"], "Grace", clock.now())
    assert (await correct(post, "out-of-scope")).state is State.CANCELLED


async def test_a_danger_that_a_person_finds_rings_as_one_that_the_door_found(open_post, make, correct, pool):
    """Urgent from now on, by two ways, with an alarm."""
    post = await open_post({"safeguarding-duty": Scripted()})
    await post.store(in_triage(make(text="she cries every night next door")))
    changed = await correct(post, "child-protection")
    assert changed.priority is Priority.SAFEGUARDING
    (alarm,) = await alarms.ringing(pool, "barnet")
    assert alarm.service == "child-protection"
    told = await pool.fetch("SELECT organisation, role FROM deliveries WHERE priority = 0")
    assert len({row["organisation"] for row in told}) >= 2
    assert "alarm_raised" in await post.events()


async def test_alarms_are_never_called_back(open_post, make, correct, pool):
    """What tells a person of danger goes on its way."""
    post = await open_post()
    accepted = make(priority=Priority.SAFEGUARDING)
    (lead,) = accepted.deliveries
    alarm = replace(lead, delivery_id=uuid7(lead.due_at), organisation="worklist", role="alarm")
    await post.store(replace(accepted, deliveries=[lead, alarm]))
    await correct(post, "missed-bin", organisation="council")
    assert await post.states("alarm") == {"worklist": "waiting"}
