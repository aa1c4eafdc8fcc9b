"""Reply templates: filled in with what is known, and refused at start where a name in them is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from routing_rules import toml_files
from routing_rules.catalogue import Catalogue
from routing_rules.replies import RepliesTable, Reply, check_names


def problems(tmp_path, text, services=("pothole",), groups=("roads",)):
    file = tmp_path / "replies.toml"
    file.write_text(text, encoding="utf-8")
    errors: toml_files.Errors = []
    source = toml_files.read(file, errors)
    table = toml_files.convert(source, RepliesTable, errors)
    if table is not None:
        catalogue = Catalogue(dict.fromkeys(services), "", dict.fromkeys(groups, services))
        check_names(table, source, catalogue, errors)
    return [str(error) for error in errors]


ONE = '[[reply]]\nid = "a"\ntitle = "A"\ntext = "{text}"\n'


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (ONE.replace("{text}", "Hello {nmae}"), "'name'"),
        (ONE.replace("{text}", "Hello {name"), "curly bracket"),
        (ONE * 2, "two replies 'a'"),
        (ONE.replace("{text}", "x") + 'services = ["potole"]\n', "'pothole'"),
        (ONE.replace("{text}", "x") + 'groups = ["raods"]\n', "'roads'"),
        (ONE.replace("{text}", "x") + "titel = 1\n", "titel"),
    ],
)
def test_a_wrong_name_is_found_with_its_line_and_the_right_one(tmp_path, more, said):
    """Unknown placeholders, services, groups and keys; ids used twice; half a bracket."""
    found = problems(tmp_path, more)
    assert any(said in each and "replies.toml" in each for each in found), found


def test_what_is_known_is_filled_in_and_what_is_not_is_named():
    """The placeholder stays, so that nobody sends it unawares."""
    reply = Reply(id="a", title="A", text="Hello {name}, {reference}: {status}. {name}!")
    text, missing = reply.filled({"name": "Ann", "reference": "BAR-1", "status": None})
    assert text == "Hello Ann, BAR-1: {status}. Ann!"
    assert missing == ["status"]


def test_a_reply_is_offered_for_its_services_or_for_all():
    """By service or group."""
    assert Reply(id="a", title="A", text="").fits("pothole", "roads")
    some = Reply(id="a", title="A", text="", services=("pothole",), groups=("waste",))
    assert some.fits("pothole", "roads")
    assert some.fits("missed-bin", "waste")
    assert not some.fits("street-light", "roads")
    assert not some.fits(None, None)


def test_the_product_brings_replies_for_each_authority(door):
    """All of them checked at start."""
    for authority in door.authorities.values():
        assert len(authority.replies.reply) >= 5, Path(authority.code)
