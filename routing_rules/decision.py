"""The words of a decision: what goes in (`Facts`), and what comes out (`Decision`), as stored with a request."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Action(enum.StrEnum):
    """What the front door does with one part of a request."""

    ROUTE = "route"
    """Hand it to `organisation`."""
    CLARIFY = "clarify"
    """Not sure between a few services: ask one question (chat) or show the ranked list (staff)."""
    TRIAGE = "triage"
    """Not sure at all, or another language: a person decides."""
    SIGNPOST = "signpost"
    """A body outside the door answers for it: tell the citizen whom, with how to reach them."""
    REFUSE = "refuse"
    """No public service enquiry: politely say so; nothing is routed."""
    EMERGENCY = "emergency"
    """Danger to a person: the authority's signed-off words at once, and a person is alerted."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the citizen's words. Pure input: the clock is `now`."""

    authority: str
    now: datetime
    """Aware. Opening hours and bank holidays are judged in UK local time."""
    channel: str = "phone"
    """`phone`, `chat`, `web`, `email`, `open311`, `in-person`."""
    postcode: str | None = None
    age: int | None = None
    language: str | None = None
    service: str | None = None
    """The service, when staff (or an Open311 client) already know it: classification is skipped, rules are not."""
    provider: str | None = None
    """The provider the citizen chose, where direct payments give a choice."""


class Given(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of a request that stand nowhere else with it, so that it can be decided again as it was."""

    age: int | None = None
    language: str | None = None
    service: str | None = None
    """The service that was given rather than guessed."""
    provider: str | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One service that was considered."""

    service: str
    organisation: str | None
    confidence: float
    """0 to 1, calibrated: of choices given 0.8, about 80 % are right."""


class Signpost(msgspec.Struct, frozen=True, kw_only=True):
    """A body outside the front door, and how the citizen reaches it."""

    name: str
    say: str
    """One or two sentences for the citizen."""
    phone: str | None = None
    url: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One need within a request."""

    text: str
    """The citizen's words for this need."""
    action: Action
    service: str | None = None
    organisation: str | None = None
    """Who answers for it. For `signpost` the tier or body (`district`, `signpost`, an authority's name)."""
    confidence: float = 0.0
    alternatives: list[Choice] = []
    """The other services considered, likeliest first; for `clarify` the two to four to choose from."""
    evidence: list[str] = []
    """Words and catalogue examples that spoke for the service, strongest first."""
    rule: str | None = None
    """The id of the rule or route that chose the organisation."""
    reasons: list[str] = []
    """Readable sentences: what fired, what came second and why not."""
    priority: str = "normal"
    """`normal`, `urgent` or `safeguarding`."""
    chain: list[str] = []
    """Organisations to turn to next, in order, if the first does not take it. The worklist is always behind the last."""
    notify: list[str] = []
    """Organisations told as well; the first one in `organisation` leads."""
    signpost: Signpost | None = None
    question: str | None = None
    """For `clarify`: the one question to ask."""
    ask: list[str] = []
    """Facts this service needs from the citizen (`postcode`, `address`, …)."""
    tell: str | None = None
    """What the citizen is told happens next."""


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
    """Danger to a person, found by `safety` apart from the classifier."""

    service: str
    evidence: list[str]
    words: str
    """The authority's own words, signed off by a person there, with the numbers to call."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Why: everything the front door made of a request. Stored with it."""

    parts: list[Part]
    emergency: Emergency | None = None
    language: str | None = None
    """BCP 47 tag when the words are not English, else `None`."""
    engine: str = ""
    """Which engine and catalogue decided: a short fingerprint, so that a replay can tell what changed."""
    given: Given = Given()
    """The facts it rests on, beside what stands with the request itself."""
