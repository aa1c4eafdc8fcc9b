"""When nobody answers at all, the fault is likelier ours."""

from __future__ import annotations

import pytest

from adapters.worklist import WorklistAdapter
from tests.gateway.delivery.post import Post, Scripted


@pytest.fixture
def post(rules, clock):
    """Three organisations, a worklist, and one of another authority; nothing was tried yet."""
    adapters = {code: Scripted() for code in ("re", "council", "csg", "northamptonshire/council")}
    return Post(None, rules, clock, {**adapters, "worklist": WorklistAdapter.from_connection({})})


def tried(post, *names, fails):
    for name in names:
        authority, _, code = name.rpartition("/")
        line = post.lines[authority or "barnet", code]
        line.began()
        for _ in range(20):
            line.breaker.failed() if fails else line.breaker.succeeded()
        line.ended()


def test_nobody_was_tried_so_nobody_is_down(post):
    """A gateway that has just started knows nothing."""
    assert not post.health.everybody_is_down("barnet")


def test_one_alone_that_fails_is_down_itself(post):
    """One failing organisation says nothing of us."""
    tried(post, "re", fails=True)
    assert not post.health.everybody_is_down("barnet")


def test_all_that_were_tried_fail(post):
    """Two are enough to suspect ourselves, whatever the ones do that were never tried."""
    tried(post, "re", "council", fails=True)
    assert post.health.everybody_is_down("barnet")
    assert not post.health.everybody_is_down("northamptonshire")


def test_one_that_answers_is_proof_that_we_can_speak(post):
    """The others are down themselves."""
    tried(post, "re", "council", fails=True)
    tried(post, "csg", fails=False)
    assert not post.health.everybody_is_down("barnet")


def test_another_authoritys_organisations_prove_nothing_here(post):
    """They may be reached another way."""
    tried(post, "re", "council", fails=True)
    tried(post, "northamptonshire/council", fails=False)
    assert post.health.everybody_is_down("barnet")


def test_the_worklist_is_always_there_and_says_nothing(post):
    """It is our own database."""
    tried(post, "re", "council", fails=True)
    tried(post, "worklist", fails=False)
    assert post.health.everybody_is_down("barnet")


def test_a_first_sign_of_life_ends_it(post, clock):
    """The probe that is answered closes its breaker."""
    tried(post, "re", "council", fails=True)
    clock.pass_(3600)
    assert post.health.everybody_is_down("barnet"), "nobody has answered yet"
    tried(post, "re", fails=False)
    assert not post.health.everybody_is_down("barnet")


def test_one_that_is_not_connected_does_not_count(post):
    """Its work goes to the worklist anyway."""
    tried(post, "re", "council", fails=True)
    post.lines["barnet", "council"].connected = False
    assert not post.health.everybody_is_down("barnet")
