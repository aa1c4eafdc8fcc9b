"""The whole decision: engine, splitter, safety words, language and routes put together."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from routing_rules.classifier.base import Classifier, Splitter
from routing_rules.decision import Action, Decision
from routing_rules.door import Door
from routing_rules.errors import NotKnown, RulesErrors
from routing_rules.postcodes import Places
from tests.routing_rules.stand_ins import (
    Alarm,
    FixedEngine,
    LineSplitter,
    MakeFacts,
    MakeFolder,
    gas_words,
    no_danger,
)

TABLE = {
    "emptied": [("missed-bin", 0.92), ("new-bin", 0.05)],
    "broken": [("new-bin", 0.8), ("missed-bin", 0.1)],
    "bin": [("missed-bin", 0.45), ("new-bin", 0.35), ("council-tax", 0.04)],
    "faint": [("missed-bin", 0.2), ("new-bin", 0.1)],
    "tax code": [("income-tax", 0.9)],
    "hello": [("out-of-scope", 0.95), ("missed-bin", 0.01)],
    "hmm": [("out-of-scope", 0.5), ("missed-bin", 0.3), ("new-bin", 0.2)],
    "lonely": [("home-care", 0.4)],
    "bruises": [("child-protection", 0.7), ("home-care", 0.2)],
    "worried": [("home-care", 0.4), ("child-protection", 0.3)],
    "vanished": [("a-service-of-yesterday", 0.9), ("missed-bin", 0.3)],
}


@pytest.fixture
def door(make_folder: MakeFolder, places: Places) -> Door:
    """The small folder with a fixed engine, a splitter at line ends, and one safety word: gas."""
    return Door.load(
        make_folder(), FixedEngine(TABLE), splitter=LineSplitter(), find_danger=gas_words, places=places
    )


def test_the_stand_ins_fulfil_the_contracts() -> None:
    """The engine and splitter that these tests use are what the contract asks for."""
    assert isinstance(FixedEngine({}), Classifier)
    assert isinstance(LineSplitter(), Splitter)


def test_a_clear_need_is_routed_with_its_reasons(door: Door, facts: MakeFacts) -> None:
    """What spoke for it, what came second and why not, who answers, who is next."""
    (part,) = door.decide("they never emptied it", facts()).parts
    assert (part.action, part.service, part.organisation) == (Action.ROUTE, "missed-bin", "council")
    assert (part.rule, part.chain, part.priority) == ("routes.groups.bins", ["worklist"], "normal")
    assert (part.ask, part.tell) == (["postcode", "when"], "The crew is sent back.")
    assert [choice.service for choice in part.alternatives] == ["new-bin"]
    assert part.reasons == [
        "“emptied” spoke for Missed bin collection (confidence 0.92).",
        "Second came New bin (confidence 0.05). It would be that if the bin is broken, rather than not emptied.",
        "Testshire Council answers for this (routes.groups.bins).",
        "If it is not taken: Testshire worklist.",
    ]


def test_an_unclear_need_is_asked_about_once_with_two_to_four_choices(door: Door, facts: MakeFacts) -> None:
    """The likeliest services, each with who would answer; the unlikely third is left out."""
    (part,) = door.decide("something about my bin", facts()).parts
    assert (part.action, part.service, part.organisation) == (Action.CLARIFY, None, None)
    assert [choice.service for choice in part.alternatives] == ["missed-bin", "new-bin"]
    assert part.question == "Which is closest to what you need: “Missed bin collection” or “New bin”?"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("faint idea", "likely enough to ask"),
        ("", "Nothing in the words speaks"),
        ("xyzzy", "Nothing in the words speaks"),
        ("lonely", "One service is likely, but not enough"),
    ],
)
def test_what_is_not_understood_goes_to_a_person(door: Door, facts: MakeFacts, text: str, why: str) -> None:
    """Triage, with the reason, and the worklist behind it."""
    (part,) = door.decide(text, facts()).parts
    assert (part.action, part.organisation, part.chain) == (Action.TRIAGE, None, ["worklist"])
    assert any(why in reason for reason in part.reasons)


def test_out_of_scope_is_refused_politely_and_only_when_sure(door: Door, facts: MakeFacts) -> None:
    """Half sure is asked about instead."""
    (part,) = door.decide("hello there", facts()).parts
    assert (part.action, part.organisation) == (Action.REFUSE, None)
    assert part.tell == "Sorry, that is nothing we do."
    (unsure,) = door.decide("hmm", facts()).parts
    assert unsure.action is Action.CLARIFY
    assert [choice.service for choice in unsure.alternatives] == ["missed-bin", "new-bin"]


def test_several_needs_become_several_parts(door: Door, facts: MakeFacts) -> None:
    """Each with its own words, service and organisation."""
    decision = door.decide("they never emptied it\nand my tax code is wrong", facts())
    assert [(part.service, part.action) for part in decision.parts] == [
        ("missed-bin", Action.ROUTE),
        ("income-tax", Action.SIGNPOST),
    ]
    assert decision.parts[1].text == "and my tax code is wrong"


def test_one_need_said_in_two_places_is_one_part(door: Door, facts: MakeFacts) -> None:
    """All of its words are kept; a greeting around it is no need."""
    (part,) = door.decide("hello\nthey never emptied it\nnot emptied again", facts()).parts
    assert part.service == "missed-bin"
    assert part.text == "they never emptied it\nnot emptied again"


def test_a_service_that_staff_know_is_not_guessed(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """The engine is not asked; rules and routes are."""
    engine = FixedEngine(TABLE)
    door = Door.load(make_folder(), engine, find_danger=no_danger, places=places)
    (part,) = door.decide("they never emptied it", facts(service="council-tax")).parts
    assert (part.service, part.organisation, part.confidence) == ("council-tax", "council", 1.0)
    assert engine.asked == []


def test_danger_is_found_apart_from_the_engine_and_someone_is_alerted(door: Door, facts: MakeFacts) -> None:
    """The citizen gets the signed-off words at once, and ours are alerted although a body outside answers."""
    decision = door.decide("faint smell of gas", facts())
    assert decision.emergency is not None
    assert decision.emergency.words == "Leave now and call 0800 111 999."
    assert (decision.emergency.service, decision.emergency.evidence) == ("gas-leak", ["gas"])
    (part,) = decision.parts
    assert (part.action, part.service, part.organisation) == (Action.EMERGENCY, "gas-leak", "worklist")
    assert part.priority == "safeguarding"
    assert part.signpost is not None
    assert part.signpost.phone == "0800 111 999"


def test_a_clear_need_goes_on_beside_the_alarm(door: Door, facts: MakeFacts) -> None:
    """It is not lost because of the danger; what is unclear is left to the person alerted."""
    decision = door.decide("they never emptied it\nthere is a smell of gas\nand the bin", facts())
    assert [(part.action, part.service) for part in decision.parts] == [
        (Action.EMERGENCY, "gas-leak"),
        (Action.ROUTE, "missed-bin"),
    ]
    assert decision.parts[0].text == "there is a smell of gas"
    single = door.decide("gas, and they never emptied it", facts())
    assert [part.service for part in single.parts] == ["gas-leak", "missed-bin"]


def test_the_engine_alone_may_raise_the_alarm_when_it_is_sure(door: Door, facts: MakeFacts) -> None:
    """Safety words miss what nobody wrote a pattern for."""
    decision = door.decide("the boy has bruises", facts())
    (part,) = decision.parts
    assert (part.action, part.organisation, part.priority) == (Action.EMERGENCY, "council", "safeguarding")
    assert part.chain == ["carers", "worklist"]
    assert decision.emergency is not None
    assert "999" in decision.emergency.words


def test_nobody_who_may_be_in_danger_is_asked_to_choose(door: Door, facts: MakeFacts) -> None:
    """A likely danger among the choices goes to a person first, before everything else."""
    (part,) = door.decide("worried about him", facts()).parts
    assert (part.action, part.priority) == (Action.TRIAGE, "safeguarding")


def test_danger_wins_over_out_of_scope_and_over_a_given_service(door: Door, facts: MakeFacts) -> None:
    """Whatever staff chose or the engine thinks, the alarm is raised."""
    refused = door.decide("hello, gas", facts())
    assert [part.action for part in refused.parts] == [Action.EMERGENCY]
    given_ = door.decide("gas", facts(service="council-tax"))
    assert [part.service for part in given_.parts] == ["gas-leak", "council-tax"]


def test_danger_of_a_kind_the_catalogue_lacks_still_raises_an_alarm(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """As the gravest there is."""
    door = Door.load(make_folder(), find_danger=lambda _: Alarm("volcano", ["lava"]), places=places)
    decision = door.decide("lava", facts())
    assert decision.emergency is not None
    assert decision.parts[0].action is Action.EMERGENCY


def test_another_language_goes_to_staff_with_its_name_and_is_not_guessed(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """Danger in it is found all the same."""
    engine = FixedEngine(TABLE)
    door = Door.load(
        make_folder(),
        engine,
        find_danger=gas_words,
        find_language=lambda text: "pl" if "śmieci" in text else None,
        places=places,
    )
    decision = door.decide("śmieci emptied", facts())
    assert (decision.language, engine.asked) == ("pl", [])
    assert [part.action for part in decision.parts] == [Action.TRIAGE]
    assert door.decide("śmieci gas", facts()).parts[0].action is Action.EMERGENCY


def test_without_an_engine_everything_goes_to_a_person(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """The door still stands."""
    door = Door.load(make_folder(), find_danger=no_danger, places=places)
    (part,) = door.decide("they never emptied it", facts()).parts
    assert part.action is Action.TRIAGE
    assert door.engine.startswith("no engine, rules ")


def test_an_engine_may_be_made_from_the_catalogue_just_loaded(
    make_folder: MakeFolder, places: Places
) -> None:
    """So that both always belong together."""
    seen = []
    Door.load(
        make_folder(),
        lambda catalogue: seen.append(len(catalogue.services)) or FixedEngine(TABLE),  # type: ignore[func-returns-value]
        find_danger=no_danger,
        places=places,
    )
    assert seen == [8]


def test_an_engine_that_knows_services_of_yesterday_does_no_harm(door: Door, facts: MakeFacts) -> None:
    """What the catalogue no longer has is not routed."""
    (part,) = door.decide("vanished", facts()).parts
    assert part.action is Action.TRIAGE


def test_thresholds_are_the_authoritys_own(make_folder: MakeFolder, facts: MakeFacts, places: Places) -> None:
    """How sure is sure enough stands in its file."""
    path = "authorities/testshire/authority.toml"
    folder = make_folder(
        append={path: "\n[thresholds]\nroute_at = 0.4\nclarify_at = 0.1\nrefuse_at = 0.99\n"}
    )
    door = Door.load(folder, FixedEngine(TABLE), find_danger=no_danger, places=places)
    assert door.decide("my bin", facts()).parts[0].action is Action.ROUTE
    assert door.decide("faint", facts()).parts[0].action is Action.CLARIFY
    assert door.decide("hello", facts()).parts[0].action is Action.TRIAGE


@pytest.mark.parametrize(
    ("more", "kind", "suggestion"),
    [
        ({"authority": "testshir"}, "authority", "testshire"),
        ({"service": "mised-bin"}, "service", "missed-bin"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_right_one(
    door: Door, facts: MakeFacts, more: dict[str, str], kind: str, suggestion: str
) -> None:
    """For the API to pass on."""
    with pytest.raises(NotKnown) as caught:
        door.decide("x", facts(**more))
    assert (caught.value.kind, caught.value.suggestion) == (kind, suggestion)


def test_a_folder_with_errors_leaves_the_old_door_as_it_is(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """Hot reload: all errors in one exception, nothing half-done."""
    door = Door.load(make_folder(), FixedEngine(TABLE), find_danger=no_danger, places=places)
    before = door.decide("they never emptied it", facts())
    folder = make_folder(
        {"authorities/testshire/rules.toml": "[[rule]]\n"},
        replace={"services/bins.toml": ("tell =", "tel =")},
    )
    with pytest.raises(RulesErrors) as caught:
        Door.load(folder, FixedEngine(TABLE), find_danger=no_danger, places=places)
    assert len(caught.value.errors) == 5
    assert door.decide("they never emptied it", facts()) == before


def test_the_decision_says_which_engine_and_rules_made_it(
    make_folder: MakeFolder, facts: MakeFacts, places: Places
) -> None:
    """It changes when any file of the folder does, so that a replay can tell."""

    def engine(**more: Any) -> str:
        door = Door.load(make_folder(**more), FixedEngine(TABLE), find_danger=no_danger, places=places)
        return door.decide("they never emptied it", facts()).engine

    assert engine().startswith("fixed, rules ")
    assert engine() == engine()
    assert engine(append={"authorities/testshire/organisations/carers.toml": "# note\n"}) != engine()


def test_a_decision_is_stored_and_read_back_unchanged(door: Door, facts: MakeFacts) -> None:
    """As JSON, the way the store keeps it."""
    decision = door.decide(
        "they never emptied it\nfaint smell of gas\nmy tax code", facts(postcode="NW9 5AB")
    )
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


def test_a_decision_is_explained_in_sentences(door: Door, facts: MakeFacts) -> None:
    """Emergency, each need, each reason, and who decided."""
    lines = door.explain(door.decide("they never emptied it\nsmell of gas", facts()))
    assert lines[0] == "Danger to a person was found: “gas”. The authority's words were given at once."
    assert lines[1] == "Need 1 of 2: Smell of gas: an emergency; worklist is alerted."
    assert "Need 2 of 2: Missed bin collection → council." in lines
    assert lines[-1].startswith("Decided by fixed, rules ")
    assert door.explain(door.decide("my bin", facts()))[0].startswith("Not sure: Which is closest")
    assert door.explain(door.decide("hello", facts()))[0].startswith("Nothing that a public service does")
    assert door.explain(door.decide("xyzzy", facts()))[0] == "Not sure enough; a person decides."
    assert "HMRC, outside this front door" in door.explain(door.decide("tax code", facts()))[0]
