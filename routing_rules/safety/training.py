"""`python -m routing_rules.safety.training`: learn the small model of danger, and keep it beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from routing_rules.catalogue import Catalogue
from routing_rules.classifier.linear import Linear, Recipe
from routing_rules.classifier.phrases import fingerprint_of, phrases_of
from routing_rules.safety import examples

MODEL: Final = Path(__file__).with_name("danger.npz")
_TIMES: Final = 4
"""How often a text of danger, or a look-alike of it, is shown for each time of an ordinary one."""
_RECIPE: Final = Recipe(epochs=4, softness=0.01)


def learn(catalogue: Catalogue) -> Linear:
    """Learn from the catalogue and the examples that are not held out. Seconds; always the same model."""
    dangers = set(examples.dangers())
    phrases = phrases_of(catalogue)
    shown: list[tuple[str, str]] = []
    for phrase in phrases:
        if phrase.service in dangers:
            shown += [(phrase.text, phrase.service)] * _TIMES
        else:
            shown.append((phrase.text, examples.HARMLESS))
    for example in examples.load():
        if not example.held_out:
            shown += [(example.text, example.service)] * _TIMES
    texts, answers = [text for text, _ in shown], [answer for _, answer in shown]
    return Linear.learn(texts, answers, _RECIPE, fingerprint=fingerprint_of(phrases, "danger-2"))


def main() -> None:
    """Learn from the catalogue that comes with the door."""
    learn(Catalogue.load(Path(__file__).parents[1])).save(MODEL)


if __name__ == "__main__":
    main()
