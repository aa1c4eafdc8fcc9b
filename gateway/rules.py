"""Loads the rules and the catalogue for this process, with errors an operator can act on."""

from __future__ import annotations

from pathlib import Path

import routing_rules
from gateway.errors import StartError
from gateway.settings import Settings
from routing_rules import classifier
from routing_rules.door import Door
from routing_rules.errors import RulesFault


def rules_folder(settings: Settings) -> Path:
    """The folder of `services/` and `authorities/`: the one in the settings, or the package's own."""
    if settings.rules_dir is None:
        return Path(next(iter(routing_rules.__path__)))
    return settings.rules_dir


def load_door(settings: Settings, *, understand: bool = True) -> Door:
    """The loaded door; `understand=False` leaves out the classifier, for commands that only need names.

    Raises `StartError` listing every fault with file, line and the nearest right name.
    """
    folder = rules_folder(settings)
    try:
        if not understand:
            return Door.load(folder)
        return Door.load(folder, lambda catalogue: classifier.load(catalogue, _cache(settings)))
    except RulesFault as error:
        raise StartError(f"the rules in {folder} cannot be used:\n{error}") from None


def _cache(settings: Settings) -> Path:
    return (settings.data_dir or Path("var")) / "models"
