"""Loads the rules and the catalogue for this process, with errors an operator can act on."""

from __future__ import annotations

from pathlib import Path

import routing_rules
from gateway.errors import StartError
from gateway.settings import Settings
from routing_rules import classifier, reading
from routing_rules.classifier import Classifier
from routing_rules.door import Door
from routing_rules.errors import RulesFault
from routing_rules.reading import Reading


def rules_folder(settings: Settings) -> Path:
    """The folder of `services/` and `authorities/`: the one in the settings, or the package's own."""
    if settings.rules_dir is None:
        return Path(next(iter(routing_rules.__path__)))
    return settings.rules_dir


def load_door(settings: Settings, *, understand: bool = True, explained: bool = True) -> Door:
    """The loaded door; `understand=False` leaves out the classifier, for commands that only need names.

    `explained=False` leaves out the words and examples that spoke for an answer, for commands that do not show them.
    Raises `StartError` listing every fault with file, line and the nearest right name.
    """
    folder = rules_folder(settings)
    try:
        found = reading.read(folder)
        return make_door(found, settings, explained=explained) if understand else Door.of(found)
    except RulesFault as error:
        raise StartError(f"the rules in {folder} cannot be used:\n{error}") from None


def make_door(found: Reading, settings: Settings, old: Door | None = None, *, explained: bool = True) -> Door:
    """The door of a folder already read, with all that understands. `old`: what still holds of it is handed on.

    Raises `RulesErrors`.
    """
    engine = None if old is None else _still_fits(old, found)
    return Door.of(
        found,
        engine
        or (lambda catalogue: classifier.load(catalogue, models_folder(settings), explained=explained)),
        places=None if old is None else old.places,
    )


def _still_fits(old: Door, found: Reading) -> Classifier | None:
    """The old engine, where nothing better could be loaded: it has learnt this very catalogue."""
    same = found.catalogue.fingerprint == old.catalogue.fingerprint
    return old.classifier if same and "linear" in getattr(old.classifier, "parts", ()) else None


def models_folder(settings: Settings) -> Path:
    """Where models that were learnt here are kept."""
    return (settings.data_dir or Path("var")) / "models"
