"""Signed REST: Jobcentre Plus as it stands, and outsourcers' case systems by renaming.

    POST {url}/cases                 Idempotency-Key: "<delivery id>", body {"externalReference": "<delivery
    id>", …}
        202 {"reference": "JCP-000123", "status": "RECEIVED"}
        409 {"reference": "JCP-000123", "status": …}     it has this delivery already: as good as received
    GET  {url}/cases?externalReference=<delivery id>      {"cases": [{"externalReference": …, "reference":
    …}]} GET  {url}/cases/changes?since=<cursor>               {"changes": […], "cursor": …, "more": false}

Received is not yet acknowledged: that, like every later step, comes by polling the changes. Every request
may carry a signature, HMAC-SHA256 of `timestamp.body`. Paths, names and the kind of sign-in are the
organisation's file's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec

from adapters.base import (
    CallbackRejected,
    Connection,
    Handover,
    Poll,
    Receipt,
    StatusUpdate,
    Unavailable,
    Uncertain,
)
from adapters.elapsed import elapsed
from adapters.http import Answer, HttpClient
from adapters.http_connection import read_connection
from adapters.oauth import TokenSource
from adapters.rest_connection import RestConnection, check, signature
from adapters.rest_names import case_body, find, read_case, read_changes

_PAGES_MOST: Final = 50
"""Pages of changes read in one poll; what is left comes with the next."""
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


class RestAdapter:
    """Hands referrals over as cases of a REST service."""

    protocol: ClassVar[str] = "rest"
    polls: bool = True

    def __init__(
        self,
        connection: RestConnection,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = elapsed,
    ) -> None:
        check(connection)
        self.deduplication = connection.deduplication
        self._connection = connection
        self._names = connection.names
        self._clock = clock
        base = connection.url.rstrip("/")
        self._cases = base + connection.cases_path
        self._changes = base + connection.changes_path
        self._client = HttpClient(connection, clock=clock)
        self._tokens = _tokens(connection, clock, monotonic)

    @classmethod
    def from_connection(cls, connection: Connection) -> RestAdapter:
        """Build it from an organisation's `connection`. Raises `ConfigurationError` naming the key."""
        return cls(read_connection(connection, RestConnection))

    async def deliver(self, handover: Handover) -> Receipt:
        """Open a case. Raises as the contract says."""
        body = msgspec.json.encode(case_body(handover, self._names, self._connection.constants))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f'"{handover.delivery_id}"',
        }
        if handover.traceparent is not None:
            headers["traceparent"] = handover.traceparent
        answer = await self._exchange(
            "POST", self._cases, headers=headers, body=body, send_by=handover.send_by
        )
        if answer.status == 409:
            try:
                return self._receipt(answer, answer.json(dict[str, Any]), duplicate=True)
            except Uncertain:
                # Without a reference it may just be busy with our own earlier attempt.
                raise answer.unreadable("it does not say which case it means") from None
        answer.check(code=_code_of(answer))
        return self._receipt(answer, answer.json(dict[str, Any]))

    async def lookup(self, delivery_id: str) -> Receipt | None:
        """Ask for the case with our reference. Raises `Unavailable` if it cannot tell."""
        answer = await self._ask(self._cases, {self._names.lookup_parameter: delivery_id})
        answer.check()
        listed = find(answer.json(dict[str, Any]), self._names.cases)
        if not isinstance(listed, list):
            raise answer.unreadable("it does not list cases")
        if not listed:
            return None
        for case in listed:
            if find(case, self._names.delivery) == delivery_id:
                return self._receipt(answer, case, duplicate=True)
        # Some services overlook a filter that they do not know, and list whatever they have.
        raise answer.unreadable("it lists other cases than the one asked for")

    async def poll(self, cursor: str | None, open_references: list[str]) -> Poll:  # noqa: ARG002  the contract's
        """Bring what changed since `cursor`, or everything if that is too old. Raises `Unavailable`."""
        updates: list[StatusUpdate] = []
        for _ in range(_PAGES_MOST):
            answer = await self._ask(
                self._changes, {} if cursor is None else {self._names.since_parameter: cursor}
            )
            if answer.status == 410 and cursor is not None:
                cursor = None
                continue
            answer.check()
            page = read_changes(answer.json(dict[str, Any]), self._names, answer.now)
            if page is None:
                raise answer.unreadable("a change cannot be read")
            updates += page.updates
            stuck = page.cursor is None or page.cursor == cursor
            cursor = page.cursor or cursor
            if stuck or not page.more:
                break
        return Poll(updates=updates, cursor=cursor)

    def read_callback(
        self,
        headers: Mapping[str, str],  # noqa: ARG002  the contract's
        body: bytes,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> list[StatusUpdate]:
        """Refuse: this protocol is polled."""
        raise CallbackRejected("status is polled for, not called back", status=404)

    async def close(self) -> None:
        """Let go of connections."""
        if self._tokens is not None:
            await self._tokens.close()
        await self._client.close()

    async def _ask(self, url: str, params: Mapping[str, str]) -> Answer:
        return await self._exchange("GET", url, params=params, safe=True)

    async def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes = b"",
        safe: bool = False,
        send_by: float | None = None,
    ) -> Answer:
        """Send one request, signed in and signed; once more with a new token if the old one was not taken.

        All of it within one time limit, fetching tokens included.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._connection.timeout
        again = self._tokens is not None
        while True:
            signed_in, token = await self._sign_in(deadline)
            answer = await self._client.exchange(
                method,
                url,
                headers={
                    "Accept": "application/json",
                    **(headers or {}),
                    **signed_in,
                    **self._signature(body),
                },
                params=params,
                body=body or None,
                safe=safe,
                within=max(deadline - loop.time(), 0.001),
                send_by=send_by,
            )
            if answer.status != 401 or not again or self._tokens is None or token is None:
                return answer
            self._tokens.forget(token)
            again = False

    async def _sign_in(self, deadline: float) -> tuple[dict[str, str], str | None]:
        connection = self._connection
        if self._tokens is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    token = await self._tokens.token()
            except TimeoutError:
                raise Unavailable("no token in time") from None
            return {"Authorization": f"Bearer {token}"}, token
        if connection.auth == "api_key":
            return {connection.api_key_header: connection.api_key or ""}, None
        return {}, None

    def _signature(self, body: bytes) -> dict[str, str]:
        connection = self._connection
        if connection.signing_secret is None:
            return {}
        timestamp = str(int(self._clock().timestamp()))
        return {
            connection.timestamp_header: timestamp,
            connection.signature_header: signature(connection.signing_secret, timestamp, body),
        }

    def _receipt(self, answer: Answer, case: Any, *, duplicate: bool = False) -> Receipt:
        found = read_case(case, self._names)
        if found is None:
            raise answer.unreadable("it does not name a case")
        reference, status = found
        return Receipt(
            external_reference=reference,
            status=status,
            duplicate=duplicate,
            detail=f"HTTP {answer.status}",
        )


def _tokens(
    connection: RestConnection, clock: Callable[[], datetime], monotonic: Callable[[], float]
) -> TokenSource | None:
    if connection.auth != "oauth2" or not connection.token_url:
        return None
    return TokenSource(
        HttpClient(msgspec.structs.replace(connection, url=connection.token_url), clock=clock),
        connection.token_url,
        client_id=connection.client_id or "",
        client_secret=connection.client_secret or "",
        scope=connection.scope,
        secret_in_body=connection.secret_in_body,
        monotonic=monotonic,
    )


def _code_of(answer: Answer) -> str:
    """Give the organisation's error code where it has one; a sentence might quote the citizen."""
    if answer.status < 400 or answer.content_type != "application/json":
        return ""
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    code = body.get("error") if isinstance(body, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
