"""What an organisation's file says about its REST service, and how requests to it are signed."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Final, Literal

import msgspec

from adapters.base import ConfigurationError, Deduplication
from adapters.http_connection import HttpConnection, check_url
from adapters.rest_names import RestNames

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_NEEDED: Final = {
    "oauth2": ("token_url", "client_id", "client_secret"),
    "api_key": ("api_key",),
    "none": (),
}


class RestConnection(HttpConnection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an organisation's `connection` table may hold for signed REST."""

    auth: Literal["oauth2", "api_key", "none"] = "oauth2"
    token_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    scope: str | None = None
    secret_in_body: bool = False
    """Send the client's secret in the token request's body instead of as Basic authentication."""
    api_key: str | None = None
    api_key_header: str = "X-API-Key"
    signing_secret: str | None = None
    """At least 32 characters. Without one requests are not signed."""
    signature_header: str = "X-Signature"
    timestamp_header: str = "X-Timestamp"
    cases_path: str = "/cases"
    changes_path: str = "/cases/changes"
    deduplication: Deduplication = Deduplication.KEY
    names: RestNames = RestNames()
    constants: dict[str, str] = msgspec.field(default_factory=dict)
    """Fixed members of the body, `{"Origin": "Front door"}`."""


def check(connection: RestConnection) -> None:
    """Check what types cannot say. Raises `ConfigurationError` naming the key."""
    for key in _NEEDED[connection.auth]:
        if not getattr(connection, key):
            raise ConfigurationError(f"connection.{key} is needed for auth = {connection.auth!r}")
    if connection.token_url is not None:
        check_url("token_url", connection.token_url, plain_http=connection.plain_http)
    if connection.signing_secret is not None and len(connection.signing_secret) < 32:
        raise ConfigurationError("connection.signing_secret needs at least 32 characters")
    for key in ("api_key_header", "signature_header", "timestamp_header"):
        if not _HEADER_NAME.fullmatch(getattr(connection, key)):
            raise ConfigurationError(f"connection.{key} is no name of a header")
    for key in ("cases_path", "changes_path"):
        if not getattr(connection, key).startswith("/"):
            raise ConfigurationError(f"connection.{key} must begin with '/'")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Sign a request: `sha256=` and the HMAC, in hexadecimal, of `timestamp.body`."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()
