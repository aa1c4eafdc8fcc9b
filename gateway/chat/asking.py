"""Asking what a service needs, one fact at a time; each may be skipped, and none is asked twice in a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from gateway.chat import facts
from gateway.chat.model import Need, Sending, Stage
from gateway.chat.turn import Turn
from routing_rules.decision import Action


class Asking(Turn):
    """From needs that are clear to what is sent."""

    def begin_asking(self) -> None:
        """Ask what the needs at hand want to know; send them where that is nothing."""
        wanted: list[str] = []
        for need in self.talk.needs:
            wanted += self._asked_by(need)
        ask = facts.to_ask(wanted, self.talk.facts, self.talk.words)
        self.remember(stage=Stage.ASKING, ask=ask, again=False)
        if not ask:
            self._agreed()
            return
        first = self.talk.needs[0]
        if len(self.talk.needs) == 1:
            key, values = ("sounds-like", {"name": first.name}) if first.service else ("to-people", {})
            self.say("text", self.texts.say(key, **values))
        self._ask(wrong=len(self.talk.needs) == 1 and first.service is not None)

    def _asked_by(self, need: Need) -> Sequence[str]:
        if need.service is None:
            return ("name", "contact")
        part = self.around.route(need.text, need.service, self.talk.facts.get("postcode") or None)
        return part.ask if part.action is Action.ROUTE else ()

    def _ask(self, key: str = "ask", *, wrong: bool = False) -> None:
        choices = [self.choice("skip", "skip")]
        if wrong:
            choices.append(self.choice("rewrite", "not-right"))
        self.say("question", self.texts.say(f"{key}-{self.talk.ask[0]}"), choices)

    def answer(self, text: str) -> None:
        """The answer to the fact that was asked."""
        fact = self.talk.ask[0]
        value = facts.read_fact(fact, text)
        if value is None and not self.talk.again:
            self.remember(again=True)
            self._ask("again")
        else:
            self.told(fact, value or "")

    def told(self, fact: str, value: str) -> None:
        """A fact is known, or was skipped."""
        self.remember(facts={**self.talk.facts, fact: value}, ask=self.talk.ask[1:], again=False)
        if self.talk.ask:
            self._ask()
        else:
            self._agreed()

    def _agreed(self) -> None:
        known = self.talk.facts
        needs = [
            replace(need, text=facts.with_words(need.text, self._asked_by(need), known))
            for need in self.talk.needs
        ]
        self.send(
            Sending(
                key="",
                text=self.talk.words,
                needs=needs,
                citizen=facts.as_citizen(known),
                postcode=known.get("postcode") or None,
            )
        )

    def call_back(self, text: str) -> None:
        """How to reach them, for a call-back."""
        value = facts.read_fact("contact", text)
        if value is None and not self.talk.again:
            self.remember(again=True)
            self.say("question", self.texts.say("again-contact"))
            return
        known = {**self.talk.facts, "contact": value or ""}
        self.remember(facts=known, again=False)
        words = "\n".join(
            filter(None, ["The citizen asks to be called back.", self.talk.words, f"Reach them: {text}"])
        )
        need = Need(text=words, service=None)
        citizen = facts.as_citizen(known)
        self.send(Sending(key="", text=words, needs=[need], citizen=citizen,
                           postcode=known.get("postcode") or None, call_back=True))  # fmt: skip
