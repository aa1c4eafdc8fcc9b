"""One step of a conversation: what it begins with, what is written, how it stands after. The parts of `talk` build on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from gateway.chat.model import Author, Choice, Conversation, Holder, Line, Said, Sending, Stage, Talk
from gateway.chat.texts import Texts
from routing_rules.authority import Authority
from routing_rules.catalogue import Catalogue
from routing_rules.decision import Part


class Around:
    """What a turn looks at beside the conversation: the authority, the catalogue, the rules, and what time it is."""

    def __init__(
        self,
        authority: Authority,
        catalogue: Catalogue,
        route: Callable[[str, str, str | None], Part],
        now: datetime,
        ahead: int = 0,
    ) -> None:
        self.authority = authority
        self.catalogue = catalogue
        self.route = route
        """(words, service, postcode) → who answers, by the rules alone."""
        self.now = now
        self.ahead = ahead
        """How many wait for a person just now."""

    def name_of(self, service: str | None, otherwise: str = "") -> str:
        """A service's name for people."""
        known = self.catalogue.services.get(service or "")
        return otherwise if known is None else known.name


class Turn:
    """One step of a conversation. `lines` are to be written, `after` is how it stands then."""

    def __init__(self, conversation: Conversation, texts: Texts, around: Around) -> None:
        self.before = conversation
        self.after = conversation
        self.lines: list[Line] = []
        self.texts = texts
        self.around = around

    @property
    def talk(self) -> Talk:
        """What the door remembers, as it is by now."""
        return self.after.talk

    def remember(self, **changes: Any) -> None:
        """Change what the door remembers."""
        self.after = replace(self.after, talk=replace(self.after.talk, **changes))

    def change(self, **changes: Any) -> None:
        """Change the conversation itself."""
        self.after = replace(self.after, **changes)

    def write(
        self, author: Author, kind: str, said: Said, client_id: str | None = None, sent: bytes | None = None
    ) -> None:
        """Add a message as it is."""
        if author is Author.CITIZEN:
            self.change(seen_at=self.around.now)
        self.lines.append(Line(author=author, kind=kind, said=said, client_id=client_id, sent_hash=sent))

    def say(self, kind: str, text: str, choices: Sequence[Choice] = (), **more: Any) -> None:
        """Say something. Choices given here are the only ones that stand from now on."""
        self.write(Author.DOOR, kind, Said(text=text, choices=list(choices), **more))
        number = self.before.last_number + len(self.lines)
        self.remember(question=number if choices else None, offered=list(choices))

    def choice(self, code: str, key: str, **values: object) -> Choice:
        """A choice with a text of ours."""
        return Choice(id=code, label=self.texts.say(key, **values))

    def start_over(self, key: str, kind: str = "question") -> None:
        """Forget the request at hand and ask for words again."""
        self.remember(stage=Stage.OPEN, words="", needs=[], unclear=[], ask=[], tries=0, tracked=None)
        self.say(kind, self.texts.say(key))

    def end(self, kind: str = "survey") -> None:
        """The conversation is over: ask how it was."""
        self.change(closed_at=self.around.now, holder=Holder.DOOR, waiting_since=None, lease_until=None)
        self.remember(stage=Stage.SURVEY)
        self.say(kind, self.texts.say("survey" if kind == "survey" else "idle"))

    def send(self, sending: Sending) -> None:
        """Leave it to be sent: what is agreed is stored with this turn, so that nothing can lose it any more."""
        number = self.talk.sent + 1
        key = f"{self.before.conversation_id}/{number}"
        self.remember(
            stage=Stage.SENDING, sending=replace(sending, key=key), sent=number, question=None, offered=[]
        )
