"""What citizens read, from one file a language. Every file has the same keys and the same braces (a test holds it)."""

from __future__ import annotations

import functools
import tomllib
from datetime import datetime
from importlib import resources
from typing import Final

import msgspec

from routing_rules.hours import LONDON

DEFAULT: Final = "en"


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """One language."""

    language: str
    """BCP 47."""
    door: dict[str, str]
    """What the door says in a conversation."""
    page: dict[str, str]
    """What stands on pages and in the chat's frame."""

    def say(self, key: str, **values: object) -> str:
        """A sentence of the door, filled in. Braces in the values stay as they are."""
        return self.door[key].format(**values)

    def moment(self, moment: datetime) -> str:
        """A moment within the next days as people say it: `on Monday at 09:00`, in UK time."""
        local = moment.astimezone(LONDON)
        day = self.door["days"].split()[local.weekday()]
        return self.door["on-day"].format(day=day, time=f"{local:%H:%M}")

    def day(self, moment: datetime) -> str:
        """A date as people write it: `3 March 2026`, in UK time."""
        local = moment.astimezone(LONDON)
        return f"{local.day} {self.door['months'].split()[local.month - 1]} {local.year}"

    def show(self, key: str, **values: object) -> str:
        """A text of the page, filled in."""
        return self.page[key].format(**values)


@functools.cache
def languages() -> dict[str, Texts]:
    """Every language there is, by its tag; English first."""
    found: dict[str, Texts] = {}
    files = [each for each in resources.files(__name__).iterdir() if each.name.endswith(".toml")]
    for file in sorted(files, key=lambda each: (each.name != f"{DEFAULT}.toml", each.name)):
        tag = file.name.removesuffix(".toml")
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        found[tag] = Texts(language=tag, door=tables["door"], page=tables["page"])
    return found


def texts(language: str) -> Texts:
    """A language's texts; English where there are none."""
    known = languages()
    return known.get(language, known[DEFAULT])


LANGUAGES: Final = tuple(languages())
"""The languages there are. Read now, not under an event loop."""
