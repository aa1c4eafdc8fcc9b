"""The catalogue: groups, defaults, fingerprint, tiers."""

from __future__ import annotations

import pytest

from routing_rules.catalogue import DEFAULT_TELL, OUT_OF_SCOPE, Catalogue, ask_words
from routing_rules.errors import RulesErrors
from tests.routing_rules.stand_ins import MakeFolder


def test_a_service_has_what_its_file_says(make_folder: MakeFolder) -> None:
    """Name, group by file, what to ask, what to tell, contrasts, one example a line."""
    service = Catalogue.load(make_folder()).services["missed-bin"]
    assert (service.code, service.group, service.name) == ("missed-bin", "bins", "Missed bin collection")
    assert service.ask == ("postcode", "when")
    assert service.tell == "The crew is sent back."
    assert service.contrast == {"new-bin": "the bin is broken, rather than not emptied"}
    assert service.examples == ("they never emptied my bin", "bin men drove past")
    assert (service.tier, service.dangerous) == ("district", False)


def test_a_service_needs_only_a_name_and_examples(make_folder: MakeFolder) -> None:
    """The rest has a sensible default until someone writes it."""
    service = Catalogue.load(make_folder()).services["new-bin"]
    assert service.description == "New bin"
    assert service.tell == DEFAULT_TELL
    assert set(service.ask) <= set(ask_words())
    assert service.keywords == ()
    assert service.lgsl is None


def test_a_person_may_be_in_danger_in_emergencies_and_safeguarding_only(make_folder: MakeFolder) -> None:
    """`urgent` services are quick, not dangerous."""
    needles = '[needles]\nname = "Needles"\nsafety = "urgent"\nexamples = "needles on the path"\n'
    catalogue = Catalogue.load(make_folder(append={"services/bins.toml": needles}))
    dangerous = {code for code, service in catalogue.services.items() if service.dangerous}
    assert dangerous == {"gas-leak", "child-protection"}


def test_groups_hold_their_services_and_out_of_scope_is_one(make_folder: MakeFolder) -> None:
    """Groups come from the files' names."""
    catalogue = Catalogue.load(make_folder())
    assert catalogue.groups["bins"] == ("missed-bin", "new-bin")
    assert catalogue.groups[OUT_OF_SCOPE] == (OUT_OF_SCOPE,)


def test_a_services_own_tier_wins_over_its_groups(make_folder: MakeFolder) -> None:
    """And without the file every service belongs to all tiers."""
    assert Catalogue.load(make_folder()).services["income-tax"].tier == "national"
    assert Catalogue.load(make_folder({"tiers.toml": None})).services["missed-bin"].tier == "all"


def test_the_fingerprint_changes_with_any_file_and_only_then(make_folder: MakeFolder) -> None:
    """The trained model is rebuilt when the catalogue changes, and not otherwise."""
    first = Catalogue.load(make_folder()).fingerprint
    assert Catalogue.load(make_folder()).fingerprint == first
    assert Catalogue.load(make_folder(append={"services/bins.toml": "# a note\n"})).fingerprint != first
    assert Catalogue.load(make_folder(append={"tiers.toml": "# a note\n"})).fingerprint != first


def test_loading_raises_everything_wrong_at_once(make_folder: MakeFolder) -> None:
    """The exception carries each error, in the order of files."""
    folder = make_folder(
        replace={"services/bins.toml": ("tell =", "tel ="), "services/care.toml": ("safety =", "safty =")}
    )
    with pytest.raises(RulesErrors) as caught:
        Catalogue.load(folder)
    assert [error.file.name for error in caught.value.errors] == ["bins.toml", "care.toml"]
    assert str(caught.value).count("did you mean") == 2


def test_something_outside_any_service_is_an_error(make_folder: MakeFolder) -> None:
    """A key before the first table belongs to nobody."""
    text = make_folder().joinpath("services/bins.toml").read_text(encoding="utf-8")
    folder = make_folder({"services/bins.toml": f'name = "Bins"\n{text}'})
    with pytest.raises(RulesErrors, match="'name' stands outside a service"):
        Catalogue.load(folder)
