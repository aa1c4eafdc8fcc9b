"""The authorities that come with the software: who answers for all 218 services, and that nothing is left open."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.registry import make_adapter
from routing_rules import check, router
from routing_rules.catalogue import OUT_OF_SCOPE
from routing_rules.decision import Action, Facts
from routing_rules.door import Door
from routing_rules.organisation import fill, variables
from routing_rules.reading import Reading
from routing_rules.routed import Routed
from tests.routing_rules.stand_ins import NOON, MakeFacts

SERVICES = Path(__file__).parents[2] / ".." / "shared" / "catalogue" / "services.csv"


def answer(door: Door, service: str, facts: Facts, words: str = "") -> Routed:
    """Who answers, by the shipped files."""
    here = router.spot(facts, door.places)
    return router.route(door.service(service), facts, door.authority(facts.authority), here, words)


def test_the_shipped_folder_has_no_errors(shipped: Reading) -> None:
    """`front-door check` finds nothing that would stop the start."""
    assert [str(problem) for problem in check.check_reading(shipped) if problem.level == "error"] == []


def test_the_catalogue_holds_218_services(shipped: Reading) -> None:
    """With the one for what is no public service enquiry."""
    services = shipped.catalogue.services
    assert len(services) == 218
    assert OUT_OF_SCOPE in services
    assert all(len(service.examples) >= 30 for service in services.values())


@pytest.mark.parametrize("authority", ["barnet", "northamptonshire"])
def test_every_service_goes_to_whom_the_list_of_services_says(
    shipped_door: Door, facts: MakeFacts, authority: str
) -> None:
    """All of them, with tier and safety, without any fact that a rule could ask for."""
    if not SERVICES.exists():
        pytest.skip("the list of services is not here")
    with SERVICES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["code"] != OUT_OF_SCOPE]
    wrong = []
    for row in rows:
        service = shipped_door.service(row["code"])
        got = (
            answer(shipped_door, row["code"], facts(authority)).organisation,
            service.tier,
            service.safety or "",
        )
        if got != (row[authority], row["tier"], row["safety"]):
            wrong.append((row["code"], got))
    assert wrong == []
    assert len(rows) == 217


@pytest.mark.parametrize(
    ("service", "barnet", "northamptonshire"),
    [
        ("missed-bin", "council", "district"),
        ("recycling-centre", "council", "place-shaping"),
        ("pothole", "re", "place-shaping"),
        ("gritting", "council", "place-shaping"),
        ("council-tax-bill", "csg", "district"),
        ("blue-badge", "csg", "accountable-care"),
        ("housing-repair", "barnet-homes", "district"),
        ("day-centre", "your-choice", "accountable-care"),
        ("special-needs", "cambridge-education", "children-services-mutual"),
        ("podiatry", "pct", "accountable-care"),
        ("stop-smoking", "pct", "wellbeing-cic"),
        ("jobseekers-claim", "jobcentre-plus", "jobcentre-plus"),
        ("benefit-cap", "welfare-task-force", "district"),
        ("local-job-support", "boost", "wellbeing-cic"),
        ("council-jobs", "council", "lgss"),
        ("hate-crime", "police", "police"),
        ("home-fire-safety", "fire", "fire"),
        ("food-bank", "voluntary", "voluntary"),
        ("passport", "signpost", "signpost"),
        ("gas-leak", "signpost", "signpost"),
    ],
)
def test_each_kind_of_service_goes_to_its_organisation(
    shipped_door: Door, facts: MakeFacts, service: str, barnet: str, northamptonshire: str
) -> None:
    """One of each organisation, of both places."""
    assert answer(shipped_door, service, facts("barnet")).organisation == barnet
    assert answer(shipped_door, service, facts("northamptonshire")).organisation == northamptonshire


@pytest.mark.parametrize("authority", ["barnet", "northamptonshire"])
def test_no_service_is_a_dead_end(shipped_door: Door, facts: MakeFacts, authority: str) -> None:
    """An organisation with the worklist behind it, or a body with a number or a page; in danger someone is alerted."""
    for service in shipped_door.catalogue.services.values():
        if service.code == OUT_OF_SCOPE:
            continue
        (part,) = shipped_door.decide("x", facts(authority, service=service.code)).parts
        if part.action is Action.SIGNPOST:
            assert part.signpost is not None
            assert part.signpost.phone or part.signpost.url
            assert "{" not in part.signpost.say
        else:
            assert part.action is (Action.EMERGENCY if service.dangerous else Action.ROUTE)
            assert "worklist" in (part.organisation, *part.chain)


@pytest.mark.parametrize("authority", ["barnet", "northamptonshire"])
def test_safeguarding_goes_two_ways_at_once(shipped_door: Door, facts: MakeFacts, authority: str) -> None:
    """The organisation's own protocol, and the duty desk by e-mail: neither waits for the other."""
    organisations = shipped_door.authority(authority).organisations
    for service in ("child-protection", "adult-safeguarding", "mental-health-crisis"):
        part = shipped_door.decide("x", facts(authority, service=service)).parts[0]
        assert part.priority == "safeguarding"
        assert part.organisation is not None
        ways = {organisations[code].protocol for code in (part.organisation, *part.notify)}
        assert len(ways) == 2
        assert "email" in ways


def test_the_task_force_is_led_by_one_and_told_to_all(shipped_door: Door, facts: MakeFacts) -> None:
    """Several agencies acting as one."""
    routed = answer(shipped_door, "benefit-cap", facts("barnet"))
    assert (routed.organisation, routed.notify) == (
        "welfare-task-force",
        ["council", "jobcentre-plus", "barnet-homes"],
    )


@pytest.mark.parametrize(
    ("postcode", "organisation"),
    [
        (None, "boost"),
        ("HA8 0AB", "boost"),
        ("NW2 2AA", "boost"),
        ("NW9 5AB", "boost"),
        ("N20 8QA", "jobcentre-plus"),
        ("EN5 5SU", "jobcentre-plus"),
        ("HA8 7BD", "jobcentre-plus"),
    ],
)
def test_boost_is_for_its_two_wards(
    shipped_door: Door, facts: MakeFacts, postcode: str | None, organisation: str
) -> None:
    """Elsewhere in Barnet the Jobcentre helps, under its own name for it."""
    routed = answer(shipped_door, "local-job-support", facts("barnet", postcode=postcode))
    assert routed.organisation == organisation
    jobcentre = shipped_door.authority("barnet").organisations["jobcentre-plus"]
    assert jobcentre.service_codes["local-job-support"] == "job-search"


@pytest.mark.parametrize(
    ("postcode", "name", "area"),
    [
        ("NN17 1AA", "North Northamptonshire Council", "Corby"),
        ("NN10 0AA", "North Northamptonshire Council", "East Northamptonshire"),
        ("PE8 4AE", "North Northamptonshire Council", "East Northamptonshire"),
        ("NN8 1AA", "North Northamptonshire Council", "Wellingborough"),
        ("NN16 8TF", "North Northamptonshire Council", "Kettering"),
        ("NN11 4AA", "West Northamptonshire Council", "Daventry"),
        ("NN12 6AA", "West Northamptonshire Council", "South Northamptonshire"),
        ("NN1 1ED", "West Northamptonshire Council", "Northampton"),
    ],
)
def test_a_districts_service_names_the_right_council_today(
    shipped_door: Door, facts: MakeFacts, postcode: str, name: str, area: str
) -> None:
    """With the former district that people still name."""
    routed = answer(shipped_door, "missed-bin", facts("northamptonshire", postcode=postcode))
    assert (routed.action, routed.organisation) == (Action.SIGNPOST, "district")
    assert routed.signpost is not None
    assert routed.signpost.name == name
    assert area in routed.signpost.say


def test_without_a_postcode_both_councils_are_named_and_the_postcode_is_asked_for(
    shipped_door: Door, facts: MakeFacts
) -> None:
    """Never a dead end."""
    routed = answer(shipped_door, "missed-bin", facts("northamptonshire"))
    assert routed.ask == ["postcode"]
    assert routed.signpost is not None
    assert "0300 126 3000" in routed.signpost.say
    assert "0300 126 7000" in routed.signpost.say


@pytest.mark.parametrize(
    ("authority", "service", "postcode", "name"),
    [
        ("barnet", "missed-bin", "NW9 0AD", "London Borough of Brent"),
        ("barnet", "missed-bin", "NN1 1ED", "West Northamptonshire Council"),
        ("barnet", "housing-benefit", "CB1 2AB", "Cambridge City Council"),
        ("barnet", "home-care", "CB1 2AB", "Cambridgeshire County Council"),
        ("northamptonshire", "missed-bin", "NW9 5AB", "London Borough of Barnet"),
        ("northamptonshire", "podiatry", "M1 1AE", "Manchester City Council"),
    ],
)
def test_people_from_elsewhere_are_told_their_authority(
    shipped_door: Door, facts: MakeFacts, authority: str, service: str, postcode: str, name: str
) -> None:
    """By its name, at the right tier."""
    routed = answer(shipped_door, service, facts(authority, postcode=postcode))
    assert (routed.action, routed.organisation) == (Action.SIGNPOST, name)


ANYONES = ["parking-fine", "freedom-of-information", "register-birth", "jobseekers-claim", "pothole"]


@pytest.mark.parametrize("service", ANYONES)
def test_what_anyone_may_ask_is_not_turned_away(shipped_door: Door, facts: MakeFacts, service: str) -> None:
    """A visitor's parking fine in Barnet is Barnet's."""
    assert answer(shipped_door, service, facts("barnet", postcode="M1 1AE")).action is Action.ROUTE


def test_rules_that_look_at_time_and_words_add_help_and_change_nobodys_duty(
    shipped_door: Door, facts: MakeFacts
) -> None:
    """At night someone on duty is told of a person with nowhere to sleep; live wires are urgent."""
    night = datetime(2026, 3, 14, 23, 0, tzinfo=UTC)
    homeless = answer(shipped_door, "rough-sleeper", facts("barnet", now=night))
    assert (homeless.organisation, homeless.notify) == ("barnet-homes", ["safeguarding-duty"])
    assert answer(shipped_door, "rough-sleeper", facts("barnet", now=NOON)).notify == []
    lamp = answer(shipped_door, "street-light", facts("barnet"), "door off the lamp post, live wires showing")
    assert (lamp.organisation, lamp.priority) == ("re", "urgent")


def test_the_wording_for_people_in_danger_names_numbers_and_who_answers_for_it(shipped: Reading) -> None:
    """Each dangerous service, both places, 999 in all of them."""
    dangerous = {code for code, service in shipped.catalogue.services.items() if service.dangerous}
    for authority, _ in shipped.authorities.values():
        assert authority.settings.wording.keys() == dangerous
        for wording in authority.settings.wording.values():
            assert "999" in wording.words
            assert wording.signed_off_by


def test_every_organisations_connection_is_taken_by_its_adapter(shipped: Reading) -> None:
    """Keys in the files are the keys the adapters know; variables are named after authority and organisation."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    values = {
        "URL": "https://example.org/api",
        "HOST": "mail.example.org",
        "SENDER": "door@example.org",
        "TO": "team@example.org",
        "JWT_KEY": key.decode(),
        "PORT": "465",
        "TLS": "implicit",
        "ALLOW_PRIVATE": "false",
    }
    secret = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    for authority, _ in shipped.authorities.values():
        for organisation in authority.organisations.values():
            environ = {}
            for name in variables(organisation.connection):
                start = f"{authority.code}_{organisation.code}_".upper().replace("-", "_")
                assert name.startswith(start)
                end = name.removeprefix(start)
                environ[name] = values.get("URL" if end.endswith("URL") else end, secret)
            adapter = make_adapter(organisation.protocol, fill(organisation.connection, environ))
            assert adapter.protocol == organisation.protocol
