"""From what the door made of the words to needs that are clear: ask which, confirm several, or begin to ask."""

from __future__ import annotations

from typing import Final

from gateway.chat.asking import Asking
from gateway.chat.model import Choice, Need, Stage, Unclear
from routing_rules.decision import Action, Decision, Part

MOST_ITEMS: Final = 8
"""Needs taken from one message."""


class Understood(Asking):
    """From words to needs."""

    def understood(self, text: str, decision: Decision) -> None:
        """What the door made of the words."""
        words = self.subject(text)
        parts = decision.parts
        if all(part.action is Action.REFUSE for part in parts):
            self.say("text", parts[0].tell or self.texts.say("refused"), [self.choice("person", "person")])
            self.remember(stage=Stage.OPEN, words="")
            return
        if self._says_too_little(words, decision):
            self.say("question", self.texts.say("more-words"), [self.choice("person", "person")])
            self.remember(stage=Stage.OPEN, words=words, tries=self.talk.tries + 1)
            return
        if decision.language is not None:
            self.say("text", self.texts.say("other-language"))
        needs, unclear = [], []
        for part in parts[:MOST_ITEMS]:
            if part.action in (Action.ROUTE, Action.SIGNPOST):
                needs.append(
                    Need(text=part.text, service=part.service, name=self.around.name_of(part.service))
                )
            elif part.action is Action.TRIAGE:
                needs.append(self._for_people(part.text))
            elif part.action is Action.CLARIFY:
                unclear.append(self._unclear(part))
        self.remember(words=words, needs=needs, unclear=unclear)
        self._go_on()

    def subject(self, text: str) -> str:
        """What is to be understood: with what was said before where more was asked for."""
        before = self.talk.words
        asked_for_more = self.talk.stage is Stage.CHOOSING or (
            self.talk.stage is Stage.OPEN and self.talk.tries
        )
        return f"{before}\n{text}" if before and asked_for_more else text

    def _says_too_little(self, words: str, decision: Decision) -> bool:
        only = decision.parts[0]
        return (
            len(decision.parts) == 1
            and only.action is Action.TRIAGE
            and only.priority == "normal"
            and decision.language is None
            and self.talk.tries == 0
            and len(words.split()) < 6
        )

    def _unclear(self, part: Part) -> Unclear:
        choices = [
            Choice(id=f"service:{each.service}", label=self.around.name_of(each.service, each.service))
            for each in part.alternatives
        ]
        return Unclear(text=part.text, question=self.texts.say("which"), choices=choices)

    def _for_people(self, text: str) -> Need:
        return Need(text=text, service=None, name=self.texts.say("a-person-decides"))

    def _go_on(self) -> None:
        """Clear up what is not clear, then confirm what is several, then ask what is needed."""
        if self.talk.unclear:
            first = self.talk.unclear[0]
            quoted = [f"“{first.text}”"] if len(self.talk.unclear) + len(self.talk.needs) > 1 else []
            other = self.choice("other", "none-of-these")
            self.remember(stage=Stage.CHOOSING)
            self.say("choices", first.question, [*first.choices, other], items=quoted)
        elif not self.talk.needs:
            self.start_over("other-words")
        elif len(self.talk.needs) > 1:
            self._confirm()
        else:
            self.begin_asking()

    def is_service(self, service: str) -> None:
        """They picked the service of the first unclear need."""
        first, *rest = self.talk.unclear
        need = Need(text=first.text, service=service, name=self.around.name_of(service))
        self.remember(needs=[*self.talk.needs, need], unclear=rest)
        self._go_on()

    def is_something_else(self) -> None:
        """None of the services that were offered."""
        first, *rest = self.talk.unclear
        if self.talk.tries == 0 and not rest and not self.talk.needs:
            self.remember(tries=1, stage=Stage.OPEN, unclear=[])
            self.say("question", self.texts.say("other-words"), [self.choice("person", "person")])
            return
        self.remember(needs=[*self.talk.needs, self._for_people(first.text)], unclear=rest)
        self._go_on()

    def _confirm(self) -> None:
        self.remember(stage=Stage.CONFIRMING)
        needs = self.talk.needs
        drops = [
            self.choice(f"drop:{place}", "leave-out", name=need.name) for place, need in enumerate(needs)
        ]
        self.say(
            "confirm",
            self.texts.say("several", count=len(needs)),
            [self.choice("send", "yes-all"), *drops, self.choice("rewrite", "rewrite")],
            items=[f"{need.name}: “{need.text}”" for need in needs],
        )

    def drop(self, place: int) -> None:
        """Leave one of several needs out."""
        self.remember(needs=[need for number, need in enumerate(self.talk.needs) if number != place])
        self._go_on()
