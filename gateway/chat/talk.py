"""What the door says next. Pure: a conversation and what was heard go in, messages and the conversation after it come out.

turn = Talking(conversation, texts, around)
turn.hear("my bin was missed", decision)
turn.lines, turn.after
"""

from __future__ import annotations

from msgspec.structs import replace

from gateway.chat import facts, wishes
from gateway.chat.model import Choice, Holder, Sending, Stage
from gateway.chat.tracking import Standing
from gateway.chat.understood import Understood
from gateway.intake import Answer, AnswerPart
from routing_rules.decision import Action, Decision
from routing_rules.postcodes import find_in


class Talking(Understood):
    """A whole turn."""

    def greet(self) -> None:
        """Begin."""
        self.say("text", self.texts.say("hello"))

    def hear(self, text: str, decision: Decision, standing: Standing | None = None) -> None:
        """Words. `standing` is a request that was looked up because the words named it or proved it."""
        postcode = find_in(text)
        if postcode is not None:
            self.remember(facts={**self.talk.facts, "postcode": postcode})
        if decision.emergency is not None:
            self._alarm(text, decision)
        elif self.after.holder is not Holder.DOOR:
            return  # a person reads it; the door keeps out of their talk
        elif self.talk.stage is Stage.ASKING and not wishes.wants_person(text):
            self.answer(text)
        elif self.talk.stage is Stage.CALL_BACK:
            self.call_back(text)
        elif standing is not None:
            self.tell_status(standing)
        elif wishes.wants_person(text):
            self.ask_for_person()
        elif self.talk.stage is Stage.CONFIRMING and wishes.says_yes(text):
            self.begin_asking()
        elif wishes.says_no(text) and self.talk.stage is Stage.OPEN and self.talk.references:
            self.end()
        else:
            self.understood(text, decision)

    def pick(self, choice: Choice) -> None:  # noqa: C901  one line a choice
        """One of the choices that stand."""
        code, _, detail = choice.id.partition(":")
        match code:
            case "service":
                self.is_service(detail)
            case "other":
                self.is_something_else()
            case "send":
                self.begin_asking()
            case "drop":
                self.drop(int(detail))
            case "rewrite":
                self.start_over("other-words")
            case "more":
                self.start_over("go-on")
            case "skip":
                self.told(self.talk.ask[0], "")
            case "person":
                self.ask_for_person()
            case "call-back":
                self.change(holder=Holder.DOOR, waiting_since=None, urgent=False)
                self.remember(stage=Stage.CALL_BACK)
                self.say("question", self.texts.say("ask-call-back"))
            case "wait":
                self.say("text", self.texts.say("still-waiting"), [self.choice("stop", "stop-waiting")])
            case "stop":
                self.change(holder=Holder.DOOR, waiting_since=None, urgent=False)
                self.start_over("stopped-waiting", "door")
            case "finish":
                self.end()

    def _alarm(self, text: str, decision: Decision) -> None:
        """The authority's words first, whatever else was going on; then a person is alerted."""
        assert decision.emergency is not None
        held = self.after.holder is Holder.AGENT
        self.say("emergency", decision.emergency.words)
        self.send(Sending(key="", text=text, citizen=facts.as_citizen(self.talk.facts),
                           postcode=self.talk.facts.get("postcode") or None, urgent=True))  # fmt: skip
        if not held:
            self.change(holder=Holder.QUEUE, waiting_since=self.after.waiting_since or self.around.now)
        self.change(urgent=True)

    def ask_for_person(self) -> None:
        """They want to talk to somebody."""
        if self.after.holder is not Holder.DOOR:
            return
        hours, now = self.around.authority.clocks.authority, self.around.now
        if hours.is_open(now):
            self.change(holder=Holder.QUEUE, waiting_since=now, offered_at=None)
            self.remember(stage=Stage.OPEN, ask=[], needs=[], unclear=[])
            choices = [self.choice("stop", "stop-waiting"), self.choice("call-back", "leave-message")]
            ahead = self.around.ahead
            text = self.texts.say("queue-place", ahead=ahead) if ahead else self.texts.say("queue-first")
            self.say("queue", text, choices)
            return
        self.remember(stage=Stage.OPEN)
        phone = self.around.authority.settings.public_contact.phone or "999"
        opens = hours.next_opening(now)
        text = (
            self.texts.say("closed-never", phone=phone)
            if opens is None
            else self.texts.say("closed-now", phone=phone, opens=self.texts.moment(opens))
        )
        self.say(
            "question",
            text,
            [self.choice("call-back", "leave-message"), self.choice("more", "stay-here")],
            phone=phone,
        )

    def tell_status(self, standing: Standing) -> None:
        """Where a request stands, or that it must be proved to be theirs first."""
        reference = standing.reference
        if standing.proved:
            self.remember(stage=Stage.OPEN, tracked=None)
            lines = [self._standing_line(one.service, one.state, one.organisation) for one in standing.parts]
            self.say(
                "status", self.texts.say("status", reference=reference), items=lines, reference=reference
            )
        elif self.talk.tracked == reference:
            self.remember(stage=Stage.OPEN, tracked=None)
            self.say(
                "text", self.texts.say("not-proved", reference=reference), [self.choice("person", "person")]
            )
        else:
            self.remember(stage=Stage.PROVING, tracked=reference)
            self.say(
                "question", self.texts.say("prove", reference=reference), [self.choice("rewrite", "skip")]
            )

    def _standing_line(self, service: str | None, state: str, organisation: str | None) -> str:
        name = self.around.name_of(service, self.texts.say("a-person-decides"))
        words = self.texts.say(f"state-{state}")
        if organisation is None:
            return self.texts.say("status-line", service=name, state=words)
        who = self.around.authority.name_of(organisation)
        return self.texts.say("status-line-with", service=name, state=words, organisation=who)

    def tell_sent(self, sending: Sending, answer: Answer) -> None:
        """It is stored: the reference, who has it, and what happens next."""
        reference = answer.reference
        self.remember(
            stage=Stage.OPEN, sending=None, references=[*self.talk.references, reference], words="", needs=[], unclear=[],
            tries=0,
        )  # fmt: skip
        ours = [part for part in answer.parts if part.action is not Action.SIGNPOST]
        for part in answer.parts:
            if part.action is Action.SIGNPOST and part.signpost is not None:
                where = part.signpost
                self.say("signpost", where.say, name=where.name, phone=where.phone, url=where.url)
        key = "sent" if ours else "sent-signposted"
        if sending.urgent or sending.call_back:
            key = "sent-urgent" if sending.urgent else "sent-call-back"
        items = [] if sending.urgent or sending.call_back else [self._whose(part) for part in ours]
        tells = [part.tell for part in ours if part.tell and not sending.urgent and not sending.call_back]
        self.say(
            "sent",
            self.texts.say(key, reference=reference),
            items=[*items, *dict.fromkeys(tells)],
            reference=reference,
        )
        if self.after.holder is Holder.DOOR:
            choices = [
                self.choice("more", "yes-more"),
                self.choice("person", "person"),
                self.choice("finish", "finish"),
            ]
            self.say("question", self.texts.say("anything-else"), choices)
        elif self.after.holder is Holder.QUEUE:
            last = self.lines[-1]
            choices = [self.choice("stop", "stop-waiting")]
            self.lines[-1] = replace(last, said=replace(last.said, choices=choices))
            self.remember(question=self.before.last_number + len(self.lines), offered=choices)

    def _whose(self, part: AnswerPart) -> str:
        name = self.around.name_of(part.service, part.service_name or "")
        if part.organisation_name is None or part.action is Action.TRIAGE:
            return self.texts.say("part-people", text=part.text.split("\n")[0])
        return self.texts.say("part-with", service=name, organisation=part.organisation_name)
