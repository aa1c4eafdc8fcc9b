"""An arm's-length provider that takes signed webhooks and reports by signed webhooks.

Status words: `accepted`, `started`, `finished`, `declined`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec
from aiohttp import web

from adapters.base import CallbackRejected, ConfigurationError
from adapters.sandbox.core import (
    Callback,
    Case,
    Change,
    Faults,
    HttpSandbox,
    Ledger,
    Lifecycle,
    Scope,
    utc_now,
)
from adapters.standard_webhooks import WebhookSecrets

WORDS: Final = {
    "acknowledged": "accepted",
    "in_progress": "started",
    "resolved": "finished",
    "rejected": "declined",
}
"""The sandbox's neutral status to this protocol's word."""


class WebhookOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be chosen for this sandbox; the same names as in the organisation's `connection`."""

    secret: str | list[str]
    callback_secret: str | list[str] | None = None
    callback_url: str | None = None
    """Where to report for cases that came without an address of their own."""
    reference: bool = True
    """Answer with a reference of our own; if not, with nothing."""


class WebhookSandbox(HttpSandbox):
    """Takes each webhook-id once, however often it comes."""

    protocol: ClassVar[str] = "webhook"
    path: ClassVar[str] = "/hooks/front-door"

    def __init__(
        self, code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: WebhookOptions
    ) -> None:
        super().__init__(code, ledger, faults, lifecycle)
        self.options = options
        self._secrets = _secrets(options.secret)
        self._callback_secrets = (
            None if options.callback_secret is None else _secrets(options.callback_secret)
        )
        self.route("POST", self.path, self._take, scope=Scope.DELIVER)

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            # By the real time: whoever sends has a real clock, whatever this ledger goes by.
            message_id = self._secrets.verify(headers, raw, utc_now())
        except CallbackRejected as error:
            return _json({"error": error.detail}, status=error.status)
        data = msgspec.json.decode(raw, type=dict[str, Any])["data"]
        fields = {**{name: str(value) for name, value in data.items() if name != "fields"}, **data["fields"]}
        case, repeat = self.ledger.take(
            message_id,
            fields,
            service=data["service"],
            callback_url=data.get("callbackUrl") or self.options.callback_url,
            raw=raw,
        )
        if not repeat:
            self.opened(case)
        if not self.options.reference:
            return web.Response(status=204)
        return _json({"reference": case.external_reference, "duplicate": repeat})

    def callback(self, change: Change, case: Case) -> Callback | None:
        """Report a change, signed whenever it is sent: the other side may be away for a while."""
        secrets = self._callback_secrets
        if secrets is None or case.callback_url is None:
            return None
        body = {
            "type": "case.updated",
            "timestamp": change.at.isoformat(),
            "data": {
                "reference": change.external_reference,
                "deliveryId": change.delivery_id,
                "status": WORDS.get(change.status, change.status),
                "note": change.note,
            },
        }

        def sign(raw: bytes) -> Mapping[str, str]:
            return secrets.sign(change.update_id, raw, self.ledger.clock())

        return Callback(
            url=case.callback_url,
            body=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
            sign=sign,
        )


def make(
    code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Mapping[str, Any]
) -> WebhookSandbox:
    """Make a provider. Raises `ValueError` for wrong options."""
    return WebhookSandbox(code, ledger, faults, lifecycle, msgspec.convert(options, WebhookOptions))


def _secrets(value: str | list[str]) -> WebhookSecrets:
    try:
        return WebhookSecrets.from_connection(value)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
