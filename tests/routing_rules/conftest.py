"""A small rules folder to change, and the shipped one to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from routing_rules import reading
from routing_rules.decision import Facts
from routing_rules.door import Door
from routing_rules.postcodes import Places
from routing_rules.reading import Reading
from tests.routing_rules.stand_ins import FILES, NOON, SHIPPED, MakeFolder, no_danger


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write the small folder, with changes."""

    def make(
        files: dict[str, str | None] | None = None,
        *,
        append: dict[str, str] | None = None,
        replace: dict[str, tuple[str, str]] | None = None,
    ) -> Path:
        texts: dict[str, str | None] = {**FILES, **(files or {})}
        for path, more in (append or {}).items():
            texts[path] = f"{texts[path]}{more}"
        for path, (old, new) in (replace or {}).items():
            text = texts[path]
            assert text is not None
            assert old in text, f"{old!r} is not in {path}"
            texts[path] = text.replace(old, new)
        for path, text in texts.items():
            file = tmp_path / path
            if text is None:
                file.unlink(missing_ok=True)
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture(scope="session")
def places() -> Places:
    """One set of postcodes for all tests: letters load once."""
    return Places()


@pytest.fixture(scope="session")
def shipped() -> Reading:
    """The folder that comes with the software."""
    return reading.read(SHIPPED)


@pytest.fixture(scope="session")
def shipped_door(shipped: Reading, places: Places) -> Door:
    """A door from the shipped folder, without an engine and without safety words."""
    assert not shipped.errors, shipped.errors
    authorities = {code: authority for code, (authority, _) in shipped.authorities.items()}
    return Door(
        shipped.catalogue,
        authorities,
        fingerprint=shipped.fingerprint,
        find_danger=no_danger,
        places=places,
    )


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Facts with the usual things filled in."""

    def make(authority: str = "testshire", **more: object) -> Facts:
        return msgspec.convert({"authority": authority, "now": NOON, **more}, Facts)

    return make
