"""The contract between the courier and every organisation's protocol.

The courier gives an adapter a `Handover` and gets a `Receipt`, or one of these errors, which say what the
courier may do next:

    AdapterError
    ├── ConfigurationError      the organisation's file is wrong; found at start, never on the way
    └── DeliveryError           a hand-over that did not end in a receipt
        ├── Refused             the organisation answered: it will not take this one (permanent)
        ├── Unavailable         it certainly did not take it; trying again is safe (has `retry_after`)
        └── Uncertain           it may have taken it: the bytes left, the answer was lost or made no sense

Trying again after `Uncertain` is safe only where the back end itself removes duplicates, so every adapter says
how its back end does that (`Deduplication`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec


class AdapterError(Exception):
    """Base of everything an adapter raises."""


class ConfigurationError(AdapterError):
    """The organisation's `connection` table cannot be used; the message says which key and why."""


class DeliveryError(AdapterError):
    """A hand-over did not end in a receipt. `detail` is safe to log: it never holds a citizen's words."""

    def __init__(self, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        """The protocol's own status number (HTTP status, SMTP code), where there was one."""


class Refused(DeliveryError):
    """The organisation understood and will not take it. Trying again will not help."""


class Unavailable(DeliveryError):
    """It certainly did not take it (no connection, 429, 503, TLS failure). Trying again is safe."""

    def __init__(self, detail: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(detail, status=status)
        self.retry_after = retry_after
        """Seconds that the organisation asked us to wait, if it said."""


class Uncertain(DeliveryError):
    """It may have taken it: time ran out after the request was sent, or the answer could not be read."""


class Deduplication(enum.StrEnum):
    """How a back end keeps one delivery from having two effects."""

    KEY = "key"
    """It recognises the delivery id that every attempt carries: sending again is safe."""
    LOOKUP = "lookup"
    """It can be asked whether it has the delivery id: ask before sending again."""
    NONE = "none"
    """It cannot tell: an uncertain outcome needs a person, never a blind retry."""


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """What one organisation is given of one referral: only what its own field list allows."""

    delivery_id: str
    """Stable over every attempt; the idempotency key or external reference at the far end."""
    reference: str
    """The reference the citizen can read out, `BAR-7K3M-9QXD`."""
    authority: str
    organisation: str
    service: str
    """Our code for the service, `missed-bin`."""
    service_name: str
    external_code: str | None = None
    """The organisation's own code for the service, where its file gives one."""
    lgsl: int | None = None
    priority: str = "normal"
    """`normal`, `urgent` or `safeguarding`."""
    created_at: datetime
    attempt: int = 1
    callback_url: str | None = None
    """Where the organisation may report status, if its protocol calls back."""
    traceparent: str | None = None
    send_by: float | None = None
    """The `elapsed()` after which it must not be sent any more, where it was not yet: another courier may have asked
    the back end for it by then, and been told no. Only back ends that are asked (`LOOKUP`) need it."""
    fields: Mapping[str, str] = {}
    """The listed fields and nothing else. Names: description, name, email, phone, address, postcode,
    date_of_birth, nhs_number, national_insurance_number, lat, long, language, notes."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The organisation has it."""

    external_reference: str
    """The organisation's own reference (or a token or message id standing for it)."""
    status: str | None = None
    """The organisation's own first status word, unmapped, if it gave one."""
    duplicate: bool = False
    """It already had this delivery from an earlier attempt."""
    detail: str = ""
    """What came back, short and free of personal data, for the attempt's record."""


class StatusUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One change of status at the organisation, in its own words."""

    external_reference: str | None = None
    delivery_id: str | None = None
    """At least one of the two names the delivery."""
    status: str
    """The organisation's own word; its file maps it to ours."""
    at: datetime
    note: str = ""
    """For staff. Passed on to the citizen only where the organisation's file says so."""
    update_id: str | None = None
    """The organisation's id of this update, so that a repeated one is harmless."""


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a status poll: what changed and where to go on from."""

    updates: list[StatusUpdate]
    cursor: str | None = None


class CallbackRejected(AdapterError):
    """A callback whose signature, token or body is not acceptable. `status` is the HTTP answer for it."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


@runtime_checkable
class Adapter(Protocol):
    """One organisation's back end. Made once per organisation, used by many tasks at once.

    An adapter opens its connections on first use, holds them, and closes them in `close`. It never logs or puts
    into an error what `Handover.fields` holds.
    """

    protocol: ClassVar[str]
    """The name used in an organisation's file: `open311`, `fhir`, …"""
    deduplication: Deduplication
    polls: bool
    """Whether `poll` brings status; else it comes by callback."""

    async def deliver(self, handover: Handover) -> Receipt:
        """Hand over one referral within the configured time limit.

        Raises `Refused`, `Unavailable` or `Uncertain`; any other exception is a fault of the adapter and the courier
        treats it as `Uncertain`.
        """
        ...

    async def lookup(self, delivery_id: str) -> Receipt | None:
        """Ask whether the back end has this delivery; `None` is a definite no. Raises `Unavailable` if it cannot tell."""
        ...

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:
        """Bring what changed since `cursor`. `open_references` are the external references still being waited for."""
        ...

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[StatusUpdate]:
        """Check a callback's authenticity and read it. Raises `CallbackRejected`.

        Header names are lower case. Under the name `:query`, which no header can have, stands the query string that
        the callback's address had.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class CallbackPage(Protocol):
    """An adapter whose callback address is opened by people, in a browser."""

    def callback_page(self, query: str) -> str:
        """The HTML of the page. Raises `CallbackRejected` for an address that we did not make."""
        ...


Connection = Mapping[str, Any]
"""An organisation's `connection` table as read from its file, secrets already filled in from the environment."""
