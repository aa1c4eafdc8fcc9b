"""Faults in TOML files: all of them, each with file, line, key and the nearest right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from routing_rules import reading
from routing_rules.errors import (
    BadValue,
    Clash,
    MissingValue,
    RulesError,
    UnknownKey,
    UnknownName,
    UnreadableFile,
)
from tests.routing_rules.stand_ins import MakeFolder


def only_error(folder: Path) -> RulesError:
    """The one error of a folder."""
    errors = reading.read(folder).errors
    assert len(errors) == 1, [str(error) for error in errors]
    return errors[0]


def test_the_small_folder_is_right(make_folder: MakeFolder) -> None:
    """The folder that the other tests break has nothing wrong with it."""
    assert reading.read(make_folder()).errors == []


@pytest.mark.parametrize(
    ("path", "change", "kind", "line", "message", "suggestion"),
    [
        (
            "services/bins.toml",
            ("tell = ", "tel = "),
            UnknownKey,
            5,
            "unknown key 'tel' in missed-bin",
            "tell",
        ),
        (
            "services/bins.toml",
            ('"postcode", "when"', '"postcod", "when"'),
            BadValue,
            4,
            "missed-bin.ask[0] cannot be 'postcod'",
            "postcode",
        ),
        (
            "services/bins.toml",
            ("contrast.new-bin", "contrast.new-bni"),
            UnknownName,
            6,
            "unknown service 'new-bni'",
            "new-bin",
        ),
        ("services/bins.toml", ('name = "New bin"\n', ""), MissingValue, 12, "new-bin has no 'name'", None),
        (
            "services/danger.toml",
            ('"emergency"', '"emergancy"'),
            BadValue,
            4,
            "gas-leak.safety cannot be 'emergancy'",
            "emergency",
        ),
        ("tiers.toml", ("bins =", "bin ="), UnknownName, 3, "unknown group 'bin'", "bins"),
        (
            "authorities/testshire/authority.toml",
            ("short_name", "shortname"),
            UnknownKey,
            3,
            "unknown key 'shortname'",
            "short_name",
        ),
        (
            "authorities/testshire/authority.toml",
            ('worklist = "worklist"', 'worklist = "work-list"'),
            UnknownName,
            6,
            "unknown organisation 'work-list'",
            "worklist",
        ),
        (
            "authorities/testshire/authority.toml",
            ("09:00-17:00", "9-5"),
            BadValue,
            11,
            "hours: not opening hours: '9-5'",
            None,
        ),
        (
            "authorities/testshire/authority.toml",
            ('"TST"', '"Tst1"'),
            BadValue,
            None,
            "reference_prefix must be three capital letters",
            None,
        ),
        (
            "authorities/testshire/routes.toml",
            ('chain = ["carers"]', 'chain = ["careers"]'),
            UnknownName,
            4,
            "unknown organisation 'careers'",
            "carers",
        ),
        (
            "authorities/testshire/signposts.toml",
            ('income-tax = "hmrc"', 'income-tax = "hmcr"'),
            UnknownName,
            4,
            "unknown body 'hmcr'",
            "hmrc",
        ),
        (
            "authorities/testshire/organisations/council.toml",
            ('open = "delivered"', 'open = "delivred"'),
            BadValue,
            15,
            "statuses.open cannot be 'delivred'",
            "delivered",
        ),
        (
            "authorities/testshire/organisations/council.toml",
            ('"description", "postcode"', '"description", "post_code"'),
            BadValue,
            10,
            "sharing.fields[1] cannot be 'post_code'",
            "postcode",
        ),
        (
            "authorities/testshire/organisations/carers.toml",
            ('kind = "charity"', 'kind = "charty"'),
            BadValue,
            3,
            "kind cannot be 'charty'",
            "charity",
        ),
    ],
)
def test_a_typo_is_named_with_its_file_line_and_the_right_name(
    make_folder: MakeFolder,
    path: str,
    change: tuple[str, str],
    kind: type[RulesError],
    line: int | None,
    message: str,
    suggestion: str | None,
) -> None:
    """Whoever edits a file is taken to the very line and told what was probably meant."""
    error = only_error(make_folder(replace={path: change}))
    assert isinstance(error, kind)
    assert str(error.file).endswith(path)
    assert error.line == line
    assert message in error.message
    assert error.suggestion == suggestion
    assert (f"did you mean '{suggestion}'?" in str(error)) is (suggestion is not None)


def test_a_rule_with_an_unknown_service_names_the_line_in_the_list(make_folder: MakeFolder) -> None:
    """The line is that of the entry itself, in the right one of several rules."""
    rules = """
[[rule]]
id = "first"
why = "Because."
when = { service = "missed-bin" }
then = { priority = "urgent" }

[[rule]]
id = "second"
why = "Because."
[rule.when]
service = [
    "missed-bin",   # this one is right
    "mised-bin",
]
[rule.then]
organisation = "counsel"
"""
    errors = reading.read(make_folder({"authorities/testshire/rules.toml": rules})).errors
    assert [(error.line, error.suggestion) for error in errors] == [(14, "missed-bin"), (17, "council")]


def test_all_errors_of_a_folder_are_found_at_once(make_folder: MakeFolder) -> None:
    """The first error does not hide the others, in the same file or in another."""
    folder = make_folder(
        replace={
            "services/bins.toml": ("tell = ", "tel = "),
            "tiers.toml": ('care = "county"', 'care = "countty"'),
            "authorities/testshire/organisations/council.toml": ('closed = "resolved"', 'closed = "done"'),
        },
        append={"authorities/testshire/authority.toml": '\n[colour]\nred = "yes"\n'},
        files={"authorities/testshire/organisations/carers.toml": "this is = = not toml"},
    )
    errors = reading.read(folder).errors
    files = sorted(error.file.name for error in errors)
    assert files == ["authority.toml", "bins.toml", "carers.toml", "council.toml", "tiers.toml"]


def test_a_broken_group_file_does_not_make_its_services_unknown_elsewhere(make_folder: MakeFolder) -> None:
    """One fault, one error: routes, wording and contrasts that name its services are not blamed."""
    error = only_error(make_folder({"services/danger.toml": "[gas-leak\n"}))
    assert error.file.name == "danger.toml"


def test_several_faults_in_one_table_are_each_named(make_folder: MakeFolder) -> None:
    """Wrong types, unknown keys and missing ones of one table come out together."""
    text = '[sharing]\nfields = "name"\nlawful_basis = "public tusk"\ncolour = 1\n'
    folder = make_folder({"authorities/testshire/organisations/carers.toml": text})
    messages = [error.message for error in reading.read(folder).errors]
    assert any("sharing.fields: must be a list, not 'name'" in message for message in messages)
    assert any("unknown key 'colour' in sharing" in message for message in messages)
    assert any("there is no 'kind'" in message for message in messages)
    assert any("sharing has no 'purpose'" in message for message in messages)


def test_what_is_not_toml_is_named_with_its_line(make_folder: MakeFolder) -> None:
    """A syntax error stops its own file only."""
    folder = make_folder({"authorities/testshire/rules.toml": '[areas]\nx = ["N1"\n[[rule]]\n'})
    error = only_error(folder)
    assert isinstance(error, UnreadableFile)
    assert error.line == 3


def test_what_is_not_utf8_is_named_with_its_line(make_folder: MakeFolder) -> None:
    """A file saved in an old encoding says where the first such character stands."""
    folder = make_folder()
    (folder / "tiers.toml").write_bytes(b'[groups]\nbins = "district"\n# caf\xe9\n')
    error = only_error(folder)
    assert isinstance(error, UnreadableFile)
    assert (error.line, error.message) == (3, "is not UTF-8")


@pytest.mark.parametrize("name", ["authority.toml", "routes.toml", "signposts.toml", "rules.toml"])
def test_a_file_that_is_not_there_is_named(make_folder: MakeFolder, name: str) -> None:
    """An authority needs its four files."""
    error = only_error(make_folder({f"authorities/testshire/{name}": None}))
    assert isinstance(error, UnreadableFile)
    assert error.file.name == name
    assert "cannot be read" in error.message


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    """No catalogue and no authority: two errors, no exception."""
    messages = [error.message for error in reading.read(tmp_path).errors]
    assert messages == [
        "there is no catalogue: no *.toml file",
        "there is no authority: no folder with an authority.toml",
    ]


def test_one_service_in_two_files_clashes(make_folder: MakeFolder) -> None:
    """The second place is named, with the first one in the message."""
    more = "\n[missed-bin]\nname = \"Again\"\nexamples = '''\nx\n'''\n"
    error = only_error(make_folder(append={"services/care.toml": more}))
    assert isinstance(error, Clash)
    assert error.line == 15
    assert "bins.toml, line 2" in error.message


def test_two_authorities_cannot_share_a_reference_prefix(make_folder: MakeFolder) -> None:
    """A reference must say whose it is."""
    folder = make_folder()
    other = folder / "authorities" / "otherton"
    (folder / "authorities" / "testshire").rename(other)
    error = only_error(make_folder())
    assert isinstance(error, Clash)
    assert "'TST' already belongs to 'otherton'" in error.message


def test_a_broken_organisation_is_not_reported_as_unknown_elsewhere(make_folder: MakeFolder) -> None:
    """One fault, one error: routes that name the organisation are not blamed."""
    path = "authorities/testshire/organisations/council.toml"
    error = only_error(make_folder({path: "nonsense"}))
    assert error.file.name == "council.toml"
