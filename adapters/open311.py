"""Open311 GeoReport v2, as a client: for councils and whoever else takes reports about places.

A delivery is recognised by its id, which travels in a field of the organisation's choice (`lookup_field`,
`account_id` unless told otherwise) and as the attribute `delivery_id`. Back ends differ in its use:

    deduplication = "lookup"  `GET requests?account_id=…` finds it, and the records show the field (default)
    deduplication = "key"     a second POST with the same id gives the first one's reference
    deduplication = "none"    neither: an uncertain outcome waits for a person

Status is polled; see `open311_status`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Literal
from urllib.parse import quote

from adapters.base import (
    CallbackRejected,
    Connection,
    Deduplication,
    DeliveryError,
    Handover,
    Poll,
    Receipt,
    StatusUpdate,
    Unavailable,
)
from adapters.http import Answer, HttpClient
from adapters.http_connection import HttpConnection, read_connection
from adapters.open311_form import make_form
from adapters.open311_status import TOKEN, StatusReader, reference_of, text_of
from adapters.open311_wire import Format, Record, WireError, read_records

_ROOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "requests": ("service_requests",),
    "tokens": ("service_requests",),
    "servicerequestupdates": ("service_requests_updates", "service_request_updates"),
}
_ERROR_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)


class Open311Connection(HttpConnection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An Open311 organisation's `connection` table."""

    api_key: str | None = None
    jurisdiction_id: str | None = None
    format: Format = "xml"
    deduplication: Literal["lookup", "key", "none"] = "lookup"
    lookup_field: str = "account_id"
    """Form field and filter that carries the delivery id: `account_id`, `device_id` or the back end's own."""
    status: Literal["updates", "requests", "none"] = "updates"
    """How status comes back: mySociety's updates, open or closed from `requests`, or not at all."""
    overlap: float = 60.0
    """Seconds that each poll asks again about, for updates that appear late."""
    attribute_names: Mapping[str, str] = {}
    """Our attribute names → the organisation's own codes."""
    no_place: str = "No address given"
    """The address of a request that has no place; Open311 knows none without."""


class Open311Adapter:
    """One organisation that speaks GeoReport v2."""

    protocol: ClassVar[str] = "open311"

    def __init__(
        self, connection: Open311Connection, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.deduplication = Deduplication(connection.deduplication)
        self.polls = connection.status != "none"
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._common = (
            {"jurisdiction_id": connection.jurisdiction_id} if connection.jurisdiction_id is not None else {}
        )
        self._client = HttpClient(connection, clock=clock)
        self._status = StatusReader(
            self._ask,
            extension=connection.status == "updates",
            overlap=timedelta(seconds=connection.overlap),
            clock=clock,
        )

    @classmethod
    def from_connection(cls, connection: Connection) -> Open311Adapter:
        """Make it from an organisation's file. Raises `ConfigurationError`."""
        return cls(read_connection(connection, Open311Connection))

    async def deliver(self, handover: Handover) -> Receipt:
        """POST the request. A token is resolved at once if it can be, else it stands for the reference."""
        connection = self._connection
        extra = dict(self._common)
        if connection.api_key is not None:
            extra["api_key"] = connection.api_key
        body, cut = make_form(
            handover,
            extra=extra,
            id_field=connection.lookup_field if connection.deduplication != "none" else None,
            attribute_names=connection.attribute_names,
            no_place=connection.no_place,
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if handover.traceparent is not None:
            headers["traceparent"] = handover.traceparent
        answer = await self._client.exchange(
            "POST", self._address("requests"), headers=headers, body=body, send_by=handover.send_by
        )
        answer.check(code=self._error_code(answer))
        for record in self._records(answer, "requests"):
            if reference := reference_of(record):
                return Receipt(external_reference=reference, detail=cut)
            if token := text_of(record, "token"):
                return Receipt(external_reference=await self._resolved(token), detail=cut)
        raise answer.unreadable("the answer names no request")

    async def lookup(self, delivery_id: str) -> Receipt | None:
        """Ask for the request that carries this delivery id.

        An empty answer is a no. One with other requests in it means that the back end ignored the filter: it
        cannot tell, and must not be taken for a no.
        """
        field = self._connection.lookup_field
        if self.deduplication is not Deduplication.LOOKUP:
            raise Unavailable("this back end cannot be asked for a delivery")
        records = await self._ask("requests", {field: delivery_id})
        if records is None:
            raise Unavailable("this back end cannot be asked for a delivery", status=404)
        for record in records:
            if text_of(record, field) == delivery_id and reference_of(record):
                return Receipt(external_reference=reference_of(record), duplicate=True)
        if records:
            raise Unavailable(f"this back end does not filter by {field}")
        return None

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:
        """Bring what changed since `cursor`. Raises `Unavailable`."""
        if not self.polls:
            return Poll(updates=[], cursor=cursor)
        return await self._status.poll(cursor, open_references)

    def read_callback(
        self,
        headers: Mapping[str, str],  # noqa: ARG002  the contract's
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> list[StatusUpdate]:
        """Reject it: GeoReport has no callbacks."""
        raise CallbackRejected("this organisation is polled and does not call back", status=404)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def _resolved(self, token: str) -> str:
        try:
            reference = await self._status.resolve(token)
        except DeliveryError:
            reference = None  # it has the request; the next poll asks again
        return reference or TOKEN + token

    async def _ask(self, resource: str, parameters: Mapping[str, str]) -> list[Record] | None:
        answer = await self._client.exchange(
            "GET", self._address(resource), params=self._common | dict(parameters), safe=True
        )
        if answer.status == 404:
            return None
        answer.check(code=self._error_code(answer))
        return self._records(answer, resource)

    def _address(self, resource: str) -> str:
        return f"{self._url}/{quote(resource)}.{self._connection.format}"

    def _records(self, answer: Answer, resource: str) -> list[Record]:
        roots = _ROOTS[resource.partition("/")[0]]
        try:
            return read_records(answer.body, answer.content_type, self._connection.format, roots)
        except WireError as error:
            raise answer.unreadable(str(error)) from None

    def _error_code(self, answer: Answer) -> str:
        """Give the code of Open311's own error, never its description, which may quote the citizen."""
        if answer.status < 400:
            return ""
        try:
            errors = read_records(answer.body, answer.content_type, self._connection.format, ("errors",))
        except WireError:
            return ""
        code = text_of(errors[0], "code") if errors else ""
        return f"(code {code})" if _ERROR_CODE.fullmatch(code) else ""
