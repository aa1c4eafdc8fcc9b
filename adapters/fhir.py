"""FHIR R4 in the messages of the NHS Booking and Referral Standard: for primary care trusts and their like.

A delivery is one message with ids that never change; the receiver knows a repeated one by them and answers
409 with the issue code `duplicate`, which is as good as a yes. Status comes by `servicerequest-response` to
our callback address, or by asking for each `ServiceRequest` (`status = "poll"`).

Tested for conformance against the standard's published facts. Not onboarded with the NHS.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

from adapters.base import (
    CallbackRejected,
    Connection,
    Deduplication,
    DeliveryError,
    Handover,
    Poll,
    Receipt,
    Refused,
    StatusUpdate,
    Unavailable,
)
from adapters.fhir_connection import FhirConnection, make_signer, make_tokens, make_verifier
from adapters.fhir_message import DOS, ODS, URI, Parties, derived_id, encode, make_message, message_id
from adapters.fhir_reading import (
    Message,
    NotAMessage,
    as_dict,
    as_list,
    issue_codes,
    read_polled,
    read_update,
    text,
)
from adapters.http import Answer, HttpClient
from adapters.http_connection import read_connection

MEDIA: Final = "application/fhir+json; version=1.0.0"
_AT_ONCE: Final = 8
_FHIR_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


class FhirAdapter:
    """One organisation that takes referrals as FHIR messages."""

    protocol: ClassVar[str] = "fhir"
    deduplication = Deduplication.KEY

    def __init__(
        self, connection: FhirConnection, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.polls = connection.status == "poll"
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._clock = clock
        self._client = HttpClient(connection, clock=clock)
        self._verifier = make_verifier(connection)
        self._signer = make_signer(connection)
        self._tokens = make_tokens(connection, self._signed, clock)

    @classmethod
    def from_connection(cls, connection: Connection) -> FhirAdapter:
        """Make it from an organisation's file. Raises `ConfigurationError`."""
        return cls(read_connection(connection, FhirConnection))

    async def deliver(self, handover: Handover) -> Receipt:
        """Send the message and read the receiver's answer to it."""
        parties = self._parties(handover)
        headers = self._headers(handover, parties)
        body = encode(make_message(handover, parties))
        answer = await self._exchange("POST", "$process-message", headers, body=body)
        codes = issue_codes(_json(answer)) if answer.status >= 400 else []
        if answer.status == 409 and "duplicate" in codes:
            return await self._already(handover.delivery_id)
        answer.check(code=f"({', '.join(codes)})" if codes else "")
        for name in ("X-Request-Id", "X-Correlation-Id"):
            if answer.headers.get(name, headers[name]).lower() != headers[name].lower():
                raise answer.unreadable("it answers another request")
        return self._receipt(answer, handover.delivery_id)

    async def lookup(self, delivery_id: str) -> Receipt | None:
        """Search the receiver for the delivery's identifier. Not every receiver can be searched."""
        answer = await self._ask(
            "ServiceRequest", {"identifier": f"{URI}|urn:uuid:{message_id(delivery_id)}"}
        )
        answer.check()
        found = as_dict(answer.json(dict[str, Any]))
        if found.get("type") != "searchset":
            raise answer.unreadable("it is no search result")
        for entry in as_list(found.get("entry")):
            resource = as_dict(as_dict(entry).get("resource"))
            if resource.get("resourceType") == "ServiceRequest" and text(resource.get("id")):
                return Receipt(external_reference=text(resource["id"]), duplicate=True)
        return None

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:
        """Ask for each referral still open. The receiver keeps no list of changes: no cursor moves."""
        updates: list[StatusUpdate] = []
        if not self.polls:
            return Poll(updates=updates, cursor=cursor)
        for first in range(0, len(open_references), _AT_ONCE):
            updates += await self._polled(open_references[first : first + _AT_ONCE])
        return Poll(updates=updates, cursor=cursor)

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[StatusUpdate]:
        """Check and read a `servicerequest-response` message. Raises `CallbackRejected`."""
        self._verifier.check(headers, now)
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in ("application/fhir+json", "application/json"):
            raise CallbackRejected("a callback is application/fhir+json", status=415)
        try:
            return [read_update(Message(msgspec.json.decode(body)), now)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CallbackRejected("the callback is not JSON", status=400) from None
        except NotAMessage as error:
            raise CallbackRejected(f"the callback is not a status message: {error}", status=400) from None

    async def close(self) -> None:
        """Let go of connections."""
        if self._tokens is not None:
            await self._tokens.close()
        await self._client.close()

    def _parties(self, handover: Handover) -> Parties:
        connection = self._connection
        service_id = handover.external_code or connection.service_id or handover.service
        return Parties(
            sender_ods_code=connection.sender_ods_code,
            sender_name=connection.sender_name or handover.authority,
            receiver_ods_code=connection.receiver_ods_code,
            service_id=service_id,
            source_endpoint=connection.source_endpoint or handover.callback_url or "urn:front-door",
            software=connection.software,
            definition=connection.definition,
            use_case=connection.use_case,
            consent=connection.consent,
        )

    def _headers(self, handover: Handover, parties: Parties) -> dict[str, str]:
        organisation = {
            "resourceType": "Organization",
            "identifier": [{"system": ODS, "value": parties.sender_ods_code}],
            "name": parties.sender_name,
        }
        software = {
            "resourceType": "Device",
            "deviceName": [{"name": parties.software, "type": "manufacturer-name"}],
        }
        headers = {
            "Content-Type": MEDIA,
            "Accept": MEDIA,
            "X-Request-Id": derived_id(handover.delivery_id, f"attempt {handover.attempt}"),
            "X-Correlation-Id": derived_id(handover.delivery_id, "correlation"),
            "NHSD-Target-Identifier": _base64({"system": DOS, "value": parties.service_id}),
            "NHSD-End-User-Organisation": _base64(organisation),
            "NHSD-Requesting-Software": _base64(software),
        }
        return headers if handover.traceparent is None else headers | {"traceparent": handover.traceparent}

    def _receipt(self, answer: Answer, delivery_id: str) -> Receipt:
        """Read the receiver's answer: the referral as it has it, and the Encounter that it plans."""
        sent = message_id(delivery_id)
        if answer.status == 202 and not answer.body:
            return Receipt(external_reference=derived_id(delivery_id, "ServiceRequest"))
        try:
            message = Message(answer.json(dict[str, Any]))
        except NotAMessage as error:
            raise answer.unreadable(str(error)) from None
        if message.answers.lower() != sent:
            raise answer.unreadable("it answers another message")
        if message.response_code == "transient-error":
            raise Unavailable("the receiver answered transient-error", status=answer.status)
        if message.response_code == "fatal-error":
            raise Refused("the receiver answered fatal-error", status=answer.status)
        reference = text(message.first("ServiceRequest").get("id"))
        return Receipt(
            external_reference=reference or derived_id(delivery_id, "ServiceRequest"),
            status=text(message.first("Encounter").get("status")) or None,
        )

    async def _already(self, delivery_id: str) -> Receipt:
        """Make the receipt of a delivery that it had already, with its own reference if that is found."""
        found = None
        try:
            found = await self.lookup(delivery_id)
        except DeliveryError:
            found = None  # what counts is that it has it; callbacks name our own id too
        return found or Receipt(external_reference=derived_id(delivery_id, "ServiceRequest"), duplicate=True)

    async def _polled(self, references: Sequence[str]) -> list[StatusUpdate]:
        asked = [self._poll_one(reference) for reference in references if _FHIR_ID.fullmatch(reference)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures and len(failures) == len(results):
            raise failures[0]  # it is down; one broken referral alone must not hold up the others
        return [result for result in results if isinstance(result, StatusUpdate)]

    async def _poll_one(self, reference: str) -> StatusUpdate | None:
        answer = await self._ask(f"ServiceRequest/{quote(reference)}", {})
        if answer.status in (404, 410):
            return None
        answer.check()
        request = answer.json(dict[str, Any])
        if request.get("resourceType") != "ServiceRequest" or request.get("id") != reference:
            raise answer.unreadable("it is not the referral that was asked for")
        return read_polled(request, self._clock())

    async def _ask(self, path: str, parameters: Mapping[str, str]) -> Answer:
        return await self._exchange("GET", path, {"Accept": MEDIA}, params=parameters, safe=True)

    async def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        safe: bool = False,
    ) -> Answer:
        """Send a request, once more with a new token if the old one was not taken, in one time limit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._connection.timeout
        again = True
        while True:
            token = await self._token(deadline)
            signed = {} if token is None else {"Authorization": f"Bearer {token}"}
            answer = await self._client.exchange(
                method,
                f"{self._url}/{path}",
                headers={**headers, **signed},
                params=params,
                body=body,
                safe=safe,
                within=max(deadline - loop.time(), 0.001),
            )
            if answer.status != 401 or self._tokens is None or token is None or not again:
                return answer
            self._tokens.forget(token)
            again = False

    async def _token(self, deadline: float) -> str | None:
        if self._signer is None:
            return None
        if self._tokens is None:
            return self._signed()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._tokens.token()
        except TimeoutError:
            raise Unavailable("no token in time") from None

    def _signed(self) -> str:
        assert self._signer is not None
        return self._signer.token(self._clock())


def _json(answer: Answer) -> object:
    """Read an error's body; nothing if it makes no sense, as the status speaks for itself."""
    try:
        return answer.json(dict[str, Any])
    except DeliveryError:
        return None


def _base64(resource: Mapping[str, Any]) -> str:
    return base64.b64encode(msgspec.json.encode(resource)).decode("ascii")
