"""Routes, choice of provider, teams, and people from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from routing_rules import router
from routing_rules.decision import Action, Facts
from routing_rules.door import Door
from routing_rules.postcodes import Places
from routing_rules.routed import Routed
from tests.routing_rules.stand_ins import MakeFacts, MakeFolder


def route(door: Door, service: str, facts: Facts, words: str = "") -> Routed:
    """Route one service through a door."""
    here = router.spot(facts, door.places)
    return router.route(door.service(service), facts, door.authority(facts.authority), here, words)


@pytest.fixture
def door(make_folder: MakeFolder, places: Places) -> Door:
    """The small folder."""
    return Door.load(make_folder(), find_danger=lambda _: None, places=places)


def test_a_services_own_route_wins_over_its_groups(door: Door, facts: MakeFacts) -> None:
    """And the route that chose is kept by its place in the file."""
    assert route(door, "home-care", facts()).rule == "routes.services.home-care"
    assert route(door, "missed-bin", facts()).rule == "routes.groups.bins"


def test_the_worklist_is_behind_the_last(door: Door, facts: MakeFacts) -> None:
    """Whoever does not take it, a person at the council does."""
    assert route(door, "child-protection", facts()).chain == ["carers", "worklist"]
    assert route(door, "missed-bin", facts()).chain == ["worklist"]


def test_a_citizen_with_direct_payments_goes_to_the_provider_they_chose(door: Door, facts: MakeFacts) -> None:
    """Only to one that the route offers; the council is then next in line."""
    chosen = route(door, "home-care", facts(provider="carers"))
    assert (chosen.organisation, chosen.chain) == ("carers", ["council", "worklist"])
    assert "The citizen chose Testshire Carers." in chosen.reasons
    assert route(door, "home-care", facts(provider="somebody else")).organisation == "council"
    assert route(door, "missed-bin", facts(provider="carers")).organisation == "council"
    offered = route(door, "home-care", facts())
    assert any("may choose: Testshire Carers" in reason for reason in offered.reasons)


def test_a_team_is_told_member_by_member_and_led_by_one(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """The members stand in the team's own file; nobody is told twice."""
    folder = make_folder(
        append={"authorities/testshire/rules.toml": ""},
        replace={
            "authorities/testshire/organisations/worklist.toml": (
                'protocol = "worklist"',
                'protocol = "worklist"\nmembers = ["council", "carers"]',
            ),
            "authorities/testshire/routes.toml": (
                'council-tax = { organisation = "council" }',
                'council-tax = { organisation = "worklist", notify = ["carers"] }',
            ),
        },
    )
    answer = route(Door.load(folder, find_danger=lambda _: None, places=places), "council-tax", facts())
    assert (answer.organisation, answer.notify) == ("worklist", ["council", "carers"])


def test_a_signposted_service_names_a_body_that_can_be_reached(door: Door, facts: MakeFacts) -> None:
    """With the service's name filled in."""
    answer = route(door, "income-tax", facts())
    assert (answer.action, answer.organisation) == (Action.SIGNPOST, "signpost")
    assert answer.signpost is not None
    assert answer.signpost.say == "HMRC answers for Income tax."


@pytest.mark.parametrize(
    ("service", "postcode", "name"),
    [
        ("missed-bin", "M1 1AE", "Manchester City Council"),  # one tier
        ("missed-bin", "CB1 2AB", "Cambridge City Council"),  # the district's
        ("home-care", "CB1 2AB", "Cambridgeshire County Council"),  # the county's
        ("home-care", "EH1 1YJ", "City of Edinburgh Council"),
    ],
)
def test_someone_from_elsewhere_is_told_their_own_authority_by_name(
    door: Door, facts: MakeFacts, service: str, postcode: str, name: str
) -> None:
    """At the right tier, with its homepage."""
    answer = route(door, service, facts(postcode=postcode))
    assert (answer.action, answer.organisation, answer.rule) == (Action.SIGNPOST, name, "another-authority")
    assert answer.signpost is not None
    assert answer.signpost.name == name
    assert (answer.signpost.url or "").startswith("http")


def test_a_national_service_does_not_depend_on_where_one_lives(door: Door, facts: MakeFacts) -> None:
    """It goes its usual way."""
    assert route(door, "income-tax", facts(postcode="M1 1AE")).organisation == "signpost"


def test_nobody_in_danger_is_sent_elsewhere(door: Door, facts: MakeFacts) -> None:
    """Whatever the postcode says, the referral stays with us."""
    answer = route(door, "child-protection", facts(postcode="M1 1AE"))
    assert (answer.action, answer.organisation) == (Action.ROUTE, "council")
    assert answer.priority == "safeguarding"


def test_services_for_anyone_take_people_from_elsewhere(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """By group and by service, as the routes file lists them."""
    more = '\n[for_anyone]\ngroups = ["bins"]\nservices = ["council-tax"]\n'
    door = Door.load(
        make_folder(append={"authorities/testshire/routes.toml": more}),
        find_danger=lambda _: None,
        places=places,
    )
    for service in ("missed-bin", "council-tax"):
        assert route(door, service, facts(postcode="M1 1AE")).organisation == "council"
    assert route(door, "home-care", facts(postcode="M1 1AE")).action is Action.SIGNPOST


def test_a_rule_about_places_decides_for_people_from_elsewhere(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """A rule about anything else does not keep them here."""
    rules = """
[[rule]]
id = "neighbours"
why = "The council collects for Brent's border streets."
when = { postcode = "NW9 0", group = "bins" }
then = { organisation = "council" }

[[rule]]
id = "chat"
why = "Chats are urgent."
when = { channel = "chat" }
then = { organisation = "council", priority = "urgent" }
"""
    folder = make_folder({"authorities/testshire/rules.toml": rules})
    door = Door.load(folder, find_danger=lambda _: None, places=places)
    assert route(door, "missed-bin", facts(postcode="NW9 0AD")).rule == "rule:neighbours"
    assert (
        route(door, "missed-bin", facts(postcode="M1 1AE", channel="chat")).organisation
        == "Manchester City Council"
    )


@pytest.mark.parametrize("postcode", ["", "  ", "nonsense", "ZZ9 9ZZ", None, "NW2 3ZZ"])
def test_a_postcode_that_says_nothing_changes_nothing(door: Door, facts: MakeFacts, postcode: Any) -> None:
    """Unknown or mistyped postcodes never turn anyone away; why is kept where it matters."""
    answer = route(door, "missed-bin", facts(postcode=postcode))
    assert (answer.action, answer.organisation) == (Action.ROUTE, "council")
    if postcode and postcode.strip():
        assert any("postcode" in reason or "lies in" in reason for reason in answer.reasons)


def test_reasons_are_sentences_with_names_and_the_way_on(door: Door, facts: MakeFacts) -> None:
    """Who answers by which route, and who is next."""
    answer = route(door, "child-protection", facts())
    assert answer.reasons == [
        "Testshire Council answers for this (routes.groups.care).",
        "If it is not taken: Testshire Carers, then Testshire worklist.",
    ]
