"""A case system over REST: Jobcentre Plus, or an outsourcer's, with sign-in and signatures checked for real.

Status words: `RECEIVED`, `ACKNOWLEDGED`, `IN_PROGRESS`, `COMPLETED`, `REJECTED`.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal
from urllib.parse import unquote

import msgspec
from aiohttp import web

from adapters.rest_connection import signature
from adapters.rest_names import RestNames
from adapters.sandbox.core import Case, Change, Faults, HttpSandbox, Ledger, Lifecycle, Scope, utc_now

WORDS: Final = {
    "received": "RECEIVED",
    "acknowledged": "ACKNOWLEDGED",
    "in_progress": "IN_PROGRESS",
    "resolved": "COMPLETED",
    "rejected": "REJECTED",
}
"""The sandbox's neutral status to this protocol's word."""

_TOLERANCE_SECONDS: Final = 300


class RestOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be chosen for this sandbox; the same names as in the organisation's `connection`."""

    auth: Literal["oauth2", "api_key", "none"] = "none"
    client_id: str = "front-door"
    client_secret: str = ""
    token_seconds: float = 600.0
    api_key: str = ""
    api_key_header: str = "X-API-Key"
    signing_secret: str | None = None
    deduplicate: bool = True
    """Whether a delivery that comes again is recognised; if not, it has to be looked up."""
    names: RestNames = RestNames()
    page: int = 100
    """Changes on one page of a poll."""


class RestSandbox(HttpSandbox):
    """Opens cases, answers for them, and lists what changed."""

    protocol: ClassVar[str] = "rest"

    def __init__(
        self,
        code: str,
        ledger: Ledger,
        faults: Faults,
        lifecycle: Lifecycle,
        options: RestOptions,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(code, ledger, faults, lifecycle)
        self.options = options
        self.tokens_given = 0
        self._monotonic = monotonic
        self._tokens: dict[str, float] = {}
        self.route("POST", "/oauth/token", self._token)
        self.route("POST", "/cases", self._open, scope=Scope.DELIVER)
        self.route("GET", "/cases", self._find)
        self.route("GET", "/cases/changes", self._changes)

    def revoke(self) -> None:
        """Let no token that was given be good any more."""
        self._tokens.clear()

    async def refusal(self, request: web.Request) -> web.Response:
        """Say no, once whoever asks is known."""
        return await self._guard(request) or _problem(422, "not_ours")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = (str(form.get("client_id", "")), str(form.get("client_secret", "")))
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
            given = (unquote(name), unquote(secret))
        if form.get("grant_type") != "client_credentials":
            return _problem(400, "unsupported_grant_type")
        if given != (self.options.client_id, self.options.client_secret):
            return _problem(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self.tokens_given += 1
        self._tokens[token] = self._monotonic() + self.options.token_seconds
        return _json(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.options.token_seconds}
        )

    async def _open(self, request: web.Request) -> web.Response:
        refused = await self._guard(request)
        if refused is not None:
            return refused
        raw = await request.read()
        try:
            body = msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.DecodeError:
            return _problem(400, "not_json")
        names = self.options.names
        delivery_id = body.get(names.delivery)
        if not isinstance(delivery_id, str) or not delivery_id:
            return _problem(400, "no_external_reference")
        if request.headers.get("Idempotency-Key", "").strip('"') != delivery_id:
            return _problem(400, "idempotency_key_differs")
        case, repeat = self.ledger.take(
            delivery_id,
            _flat(body),
            service=str(body.get(names.service, "")),
            deduplicate=self.options.deduplicate,
            raw=raw,
        )
        if repeat:
            return _json({**self._about(case), "error": "duplicate"}, status=409)
        self.opened(case)
        return _json(self._about(case), status=202)

    async def _find(self, request: web.Request) -> web.Response:
        refused = await self._guard(request)
        if refused is not None:
            return refused
        names = self.options.names
        delivery_id = request.query.get(names.lookup_parameter, "")
        return _json(
            _nest({names.cases: [self._about(case) for case in self.ledger.by_delivery(delivery_id)]})
        )

    async def _changes(self, request: web.Request) -> web.Response:
        refused = await self._guard(request)
        if refused is not None:
            return refused
        names = self.options.names
        since = request.query.get(names.since_parameter, "0")
        changes = self.ledger.changes
        if not since.isdigit() or int(since) > len(changes):
            return _problem(410, "cursor_gone")
        first = int(since)
        page = changes[first : first + self.options.page]
        return _json(
            _nest(
                {
                    names.changes: [self._change(change) for change in page],
                    names.cursor: str(first + len(page)),
                    names.more: first + len(page) < len(changes),
                }
            )
        )

    def _about(self, case: Case) -> dict[str, Any]:
        names = self.options.names
        return _nest(
            {
                names.answer_reference: case.external_reference,
                names.answer_status: WORDS.get(case.status, case.status.upper()),
                names.delivery: case.delivery_id,
            }
        )

    def _change(self, change: Change) -> dict[str, Any]:
        names = self.options.names
        return _nest(
            {
                names.change_id: change.update_id,
                names.change_reference: change.external_reference,
                names.change_delivery: change.delivery_id,
                names.change_status: WORDS.get(change.status, change.status.upper()),
                names.change_at: change.at.isoformat(),
                names.change_note: change.note,
            }
        )

    async def _guard(self, request: web.Request) -> web.Response | None:
        """Turn away whoever is not signed in, or whose signature does not fit."""
        options = self.options
        if options.auth == "oauth2":
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or self._tokens.get(token, 0.0) <= self._monotonic():
                return _problem(401, "invalid_token")
        if options.auth == "api_key" and request.headers.get(options.api_key_header) != options.api_key:
            return _problem(401, "invalid_key")
        if options.signing_secret is not None:
            timestamp = request.headers.get("X-Timestamp", "")
            wanted = signature(options.signing_secret, timestamp, await request.read())
            fits = hmac.compare_digest(wanted, request.headers.get("X-Signature", ""))
            age = abs(utc_now().timestamp() - int(timestamp)) if timestamp.isdigit() else None
            if not fits or age is None or age > _TOLERANCE_SECONDS:
                return _problem(401, "invalid_signature")
        return None


def make(
    code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Mapping[str, Any]
) -> RestSandbox:
    """Make a case system. Raises `ValueError` for wrong options."""
    return RestSandbox(code, ledger, faults, lifecycle, msgspec.convert(options, RestOptions))


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _problem(status: int, code: str) -> web.Response:
    return _json({"error": code}, status=status)


def _flat(body: Mapping[str, Any]) -> dict[str, str]:
    """Put nested members beside the others, as text."""
    flat: dict[str, str] = {}
    for name, value in body.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: str(value)}
    return flat


def _nest(members: Mapping[str, Any]) -> dict[str, Any]:
    """Make `{"a": {"b": 1}}` of `{"a.b": 1}`."""
    nested: dict[str, Any] = {}
    for path, value in members.items():
        *outer, name = path.split(".")
        inside = nested
        for step in outer:
            inside = inside.setdefault(step, {})
        inside[name] = value
    return nested
