"""A conversation: who has it, what it waits for, and the messages in it."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class Holder(enum.StrEnum):
    """Who answers."""

    DOOR = "door"
    QUEUE = "queue"
    """Nobody yet: the citizen waits for a person."""
    AGENT = "agent"


class Stage(enum.StrEnum):
    """What the door waits for."""

    OPEN = "open"
    """The citizen's words."""
    CHOOSING = "choosing"
    """One of a few services, for a need that is not clear."""
    CONFIRMING = "confirming"
    """That these are the needs."""
    ASKING = "asking"
    """A fact that the service needs."""
    PROVING = "proving"
    """Proof that a request is theirs, before its status is told."""
    CALL_BACK = "call-back"
    """A number or address to reach them later."""
    SENDING = "sending"
    """The store: what was agreed is on its way into intake. Taken up again by whoever comes by."""
    SURVEY = "survey"
    """How it was."""
    CLOSED = "closed"


class Author(enum.StrEnum):
    """Who wrote a message."""

    CITIZEN = "citizen"
    DOOR = "door"
    AGENT = "agent"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Something to pick instead of typing."""

    id: str
    label: str


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a message says. Plain words: nothing in it is ever markup."""

    text: str
    choices: list[Choice] = []
    picked: str | None = None
    """The choice that a citizen's message picked."""
    items: list[str] = []
    """A list under the text: the needs to confirm, or how each part of a request stands."""
    reference: str | None = None
    phone: str | None = None
    url: str | None = None
    name: str | None = None
    """The agent's name, or an attachment's."""
    attachment: str | None = None
    media_type: str | None = None
    size: int | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message as everyone in the conversation sees it."""

    number: int
    """1, 2, 3 … without a gap; also the id of its server-sent event."""
    author: Author
    kind: str
    """`text`, `question`, `choices`, `confirm`, `emergency`, `sent`, `status`, `signpost`, `queue`, `agent`, `door`,
    `attachment`, `survey`, `closed`."""
    said: Said
    at: datetime
    client_id: str | None = None


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the citizen needs, understood. Without a service people decide."""

    text: str
    service: str | None
    name: str = ""
    """The service's name for people."""


class Unclear(msgspec.Struct, frozen=True, kw_only=True):
    """A need that may be one of a few services."""

    text: str
    question: str
    choices: list[Choice]


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A request on its way into intake, exactly as agreed. Its key makes doing it twice harmless."""

    key: str
    text: str
    needs: list[Need] = []
    """Empty: the door decides by the words, as with any other channel."""
    citizen: dict[str, Any] = {}
    postcode: str | None = None
    urgent: bool = False
    call_back: bool = False


class Talk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the door remembers of a conversation beside the messages."""

    stage: Stage = Stage.OPEN
    question: int | None = None
    """The number of the message whose choices stand; any other's are out of date."""
    offered: list[Choice] = []
    """What may be picked in answer to it."""
    words: str = ""
    """What the citizen wrote for the request at hand."""
    needs: list[Need] = []
    unclear: list[Unclear] = []
    ask: list[str] = []
    """Facts still to be asked; the first is being asked."""
    again: bool = False
    """Whether the fact at hand was asked a second time."""
    facts: dict[str, str] = {}
    """What has been told: it is not asked again in this conversation."""
    tries: int = 0
    """How often the citizen was asked to say it in other words."""
    sending: Sending | None = None
    references: list[str] = []
    """Requests made here: their status is told without further proof."""
    tracked: str | None = None
    """The reference whose proof is being asked for."""
    sent: int = 0
    """Requests begun, for their keys."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it stands."""

    authority_id: str
    conversation_id: UUID
    version: int
    last_number: int
    language: str
    holder: Holder
    talk: Talk
    urgent: bool
    waiting_since: datetime | None
    offered_at: datetime | None
    agent: str | None
    hold: int
    lease_until: datetime | None
    created_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    attached_bytes: int

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self.closed_at is not None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A message about to be written."""

    author: Author
    kind: str
    said: Said
    client_id: str | None = None
    sent_hash: bytes | None = None
