"""Settings are read once, and a wrong one says where it was set and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import StartError
from gateway.settings import load


def test_the_environment_wins_over_the_file(tmp_path):
    """A deployment overrides a file without editing it."""
    file = tmp_path / "settings.toml"
    file.write_text('port = 9000\nhost = "0.0.0.0"\n')
    settings = load({"FRONT_DOOR_PORT": "9001"}, file)
    assert (settings.port, settings.host) == (9001, "0.0.0.0")


def test_an_option_wins_over_the_environment():
    """What is typed now is what is meant."""
    assert load({"FRONT_DOOR_DATA_DIR": "a"}, data_dir=Path("b")).data_dir == Path("b")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"FRONT_DOOR_PROT": "1"}, "FRONT_DOOR_PROT: there is no setting 'prot'; did you mean 'port'"),
        ({"FRONT_DOOR_PORT": "eighty"}, "FRONT_DOOR_PORT: port: Expected `int`"),
        ({"FRONT_DOOR_PORT": "70000"}, "FRONT_DOOR_PORT: port: Expected `int` <= 65535"),
        ({"FRONT_DOOR_BATCH": "0"}, "FRONT_DOOR_BATCH: batch: Expected `int` >= 1"),
    ],
)
def test_a_wrong_variable_is_named(environ, says):
    """The message names the variable, the key and what is expected."""
    with pytest.raises(StartError, match=says.replace("(", r"\(")):
        load(environ)


def test_a_folder_is_taken_from_the_environment():
    """Paths are text in an environment."""
    assert load({"FRONT_DOOR_DATA_DIR": "/data"}).data_dir == Path("/data")


def test_a_wrong_key_in_the_file_is_named(tmp_path):
    """The file is named, with the nearest right key."""
    file = tmp_path / "settings.toml"
    file.write_text("max_inflight = 3\n")
    with pytest.raises(
        StartError, match=r"settings\.toml: there is no setting 'max_inflight'; did you mean 'max_in_flight'"
    ):
        load({}, file)


def test_a_missing_or_broken_file_is_an_error(tmp_path):
    """A file that was asked for and cannot be used stops the start."""
    with pytest.raises(StartError, match="cannot be read"):
        load({}, tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("port = = 1")
    with pytest.raises(StartError, match=r"broken\.toml"):
        load({}, broken)


def test_other_variables_are_left_alone():
    """An environment is full of what is not ours."""
    assert load({"PATH": "/bin", "DATABASE_URL": "postgresql://a/b"}).database_url == "postgresql://a/b"
