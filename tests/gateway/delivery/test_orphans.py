"""Nothing waits for an organisation whose file is gone."""

from __future__ import annotations

import msgspec
import pytest

from gateway.delivery.orphans import PATIENCE, Orphans
from gateway.metrics import Metrics
from gateway.understanding import Understanding
from routing_rules.door import Door
from tests.gateway.delivery.post import Scripted


def without(rules, code):
    """The same rules, one organisation fewer."""
    barnet = rules.authorities["barnet"]
    kept = {name: each for name, each in barnet.organisations.items() if name != code}
    fewer = msgspec.structs.replace(barnet, organisations=kept)
    return Door(
        rules.catalogue,
        {**rules.authorities, "barnet": fewer},
        fingerprint="fewer",
        places=rules.places,
    )


@pytest.fixture
def clerk(pool, rules, clock):
    """Who looks after orphans, and what understands for them."""
    understanding = Understanding(rules, Metrics())
    return Orphans(pool, understanding, clock, wake=lambda: None), understanding


async def test_what_waits_for_one_that_is_taken_away_goes_to_the_next(open_post, make, rules, clerk):
    """At once, with the reason, and it is delivered there."""
    orphans, understanding = clerk
    post = await open_post({"council": Scripted()})
    await post.store(make(organisation="boost", chain=["council"]))
    assert await orphans.hand_on() == 0
    understanding.door = without(rules, "boost")
    assert await orphans.hand_on() == 1
    assert await post.referral() == ("routed", "council")
    (event,) = await post.events("undeliverable")
    assert (event["by"], event["sent_to"]) == ("boost", "council")
    await post.rounds()
    assert await post.states() == {"boost": "withdrawn", "council": "delivered"}
    assert await orphans.hand_on() == 0


async def test_one_that_was_never_known_here_may_be_known_elsewhere(open_post, make, rules, clerk, clock):
    """Another process may have newer files: an hour is theirs."""
    orphans, _ = clerk
    post = await open_post()
    await post.store(make(organisation="brand-new"))
    clock.pass_(PATIENCE.total_seconds() - 1)
    assert await orphans.hand_on() == 0
    clock.pass_(1)
    assert await orphans.hand_on() == 1
    assert await post.referral() == ("routed", "worklist")


async def test_subscriptions_are_no_orphans(open_post, make, clerk, clock, pool):
    """They are in no organisation's file."""
    orphans, _ = clerk
    post = await open_post()
    await post.store(make(organisation="subscription:x"))
    clock.pass_(2 * PATIENCE.total_seconds())
    assert await orphans.hand_on() == 0
