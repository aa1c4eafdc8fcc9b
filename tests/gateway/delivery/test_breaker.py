"""The breaker stops knocking at a door that does not open."""

from __future__ import annotations

import pytest

from gateway.delivery.breaker import Breaker, Position


@pytest.fixture
def breaker(clock):
    return Breaker(clock.monotonic, failures=3, cooldown=10, longest=35, window=10)


def test_it_opens_after_failures_in_a_row(breaker):
    """Three in a row are enough; two are not."""
    breaker.failed()
    breaker.failed()
    assert breaker.allows(5) == 5
    breaker.failed()
    assert breaker.position is Position.OPEN
    assert breaker.allows(5) == 0


def test_one_probe_goes_after_the_cooldown(breaker, clock):
    """Recovery begins with a single attempt, not a stampede."""
    for _ in range(3):
        breaker.failed()
    clock.pass_(10)
    assert breaker.allows(5) == 1
    breaker.began()
    assert breaker.allows(5) == 0
    breaker.succeeded()
    assert breaker.position is Position.CLOSED
    assert breaker.allows(5) == 5


def test_a_failed_probe_waits_twice_as_long_up_to_a_bound(breaker, clock):
    """10, 20, then 35 seconds: never longer than the bound."""
    for _ in range(3):
        breaker.failed()
    for wait in (10, 20, 35, 35):
        assert breaker.seconds_until_probe() == pytest.approx(wait)
        clock.pass_(wait)
        breaker.began()
        breaker.failed()


def test_a_high_rate_of_failure_opens_it_too(breaker):
    """Every other attempt failing is not health."""
    for _ in range(5):
        breaker.succeeded()
        assert breaker.position is Position.CLOSED
        breaker.failed()
    assert breaker.position is Position.OPEN


def test_an_organisation_that_asks_for_rest_gets_it(breaker, clock):
    """Retry-After opens at once, for as long as asked."""
    breaker.failed(retry_after=42)
    assert breaker.position is Position.OPEN
    clock.pass_(41)
    assert breaker.allows(1) == 0
    clock.pass_(1)
    assert breaker.allows(1) == 1


def test_an_abandoned_probe_lets_another_go(breaker, clock):
    """A probe that was given back must not block recovery for ever."""
    for _ in range(3):
        breaker.failed()
    clock.pass_(10)
    breaker.began()
    breaker.abandoned()
    assert breaker.allows(1) == 1


def test_stragglers_do_not_lengthen_the_wait(breaker):
    """Attempts that were under way when it opened tell nothing new."""
    for _ in range(8):
        breaker.failed()
    assert breaker.seconds_until_probe() == pytest.approx(10)


def test_one_delivery_that_always_fails_never_opens_it(breaker):
    """Alone or between others that are taken: it says nothing of the organisation."""
    for _ in range(30):
        breaker.failed(of="poison")
    assert breaker.position is Position.CLOSED
    for _ in range(30):
        breaker.succeeded()
        breaker.failed(of="poison")
    assert breaker.position is Position.CLOSED
    assert breaker.allows(3) == 3


def test_different_deliveries_that_fail_open_it_as_before(breaker):
    """Three of them in a row, however often each was tried."""
    for name in ("a", "b", "a", "b"):
        breaker.failed(of=name)
    assert breaker.position is Position.CLOSED
    breaker.failed(of="c")
    assert breaker.position is Position.OPEN


def test_a_probe_that_failed_before_tells_nothing_new(breaker, clock):
    """The next wait is no longer than the last, and the failed probe stands behind the others."""
    for name in ("a", "b", "c"):
        breaker.failed(of=name)
    for wait in (10, 20, 20, 20):
        clock.pass_(wait)
        breaker.began()
        breaker.failed(of="a")
        assert breaker.seconds_until_probe() == pytest.approx(20)
    assert breaker.behind_others("b") < breaker.behind_others("a")


def test_it_seems_ill_while_nothing_else_says_that_it_is_well(breaker):
    """For whether anybody answers at all, one that fails and fails is enough; for shutting the door it is not."""
    for _ in range(3):
        breaker.failed(of="only one")
    assert breaker.failing
    assert breaker.position is Position.CLOSED
    breaker.succeeded()
    assert not breaker.failing
