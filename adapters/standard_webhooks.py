"""Standard Webhooks: what is signed, how it is checked, and how a secret is changed without an outage.

Signed is `id.timestamp.body` with HMAC-SHA256. While a secret is being changed both sides hold two: the
sender signs with each (space-separated signatures) and the receiver accepts any, so they need not switch at
one moment.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from adapters.base import CallbackRejected, ConfigurationError

PREFIX: Final = "whsec_"
TOLERANCE_SECONDS: Final = 300
"""How far a sender's clock may be from ours, either way: what bounds the use of a recorded message."""
_MOST_SIGNATURES: Final = 16


class WebhookSecrets:
    """The shared secrets of one endpoint, current one first. Never shows them."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys = tuple(keys)
        if not self._keys:
            raise ValueError("at least one secret is needed")

    def __repr__(self) -> str:
        return f"<WebhookSecrets: {len(self._keys)}>"

    @classmethod
    def from_connection(cls, value: object, *, key: str = "secret") -> WebhookSecrets:
        """Read one `whsec_…` secret or a list. Raises `ConfigurationError` naming `key`, never the secret."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not texts:
            raise ConfigurationError(f"{key}: one 'whsec_…' secret or a list of them is needed")
        return cls(_key_of(text, key) for text in texts)

    def sign(self, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
        """Give the three headers for a message. `message_id` must stay the same over every attempt."""
        if not message_id or "." in message_id:
            raise ValueError("a message id is not empty and holds no '.', which separates what is signed")
        timestamp = str(int(now.timestamp()))
        signed = _signed(message_id, timestamp, body)
        signatures = (base64.b64encode(hmac.digest(key, signed, sha256)).decode() for key in self._keys)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        """Check a message (header names in lower case) and give its id.

        Raises `CallbackRejected`: 400 where a header is missing or makes no sense, 401 where the time is
        outside the tolerance or no signature fits.
        """
        message_id = headers.get("webhook-id", "")
        timestamp = headers.get("webhook-timestamp", "")
        given = headers.get("webhook-signature", "")
        if not message_id or "." in message_id or not given:
            raise CallbackRejected("webhook-id or webhook-signature is missing or malformed", status=400)
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise CallbackRejected("webhook-timestamp is missing or no number of seconds", status=400)
        if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
            raise CallbackRejected("webhook-timestamp is too far from our clock", status=401)
        signed = _signed(message_id, timestamp, body)
        signatures = list(_signatures(given))
        fits = False
        for key in self._keys:
            expected = hmac.digest(key, signed, sha256)
            for signature in signatures:
                fits |= hmac.compare_digest(expected, signature)
        if not fits:
            raise CallbackRejected("no signature fits", status=401)
        return message_id


def _key_of(text: object, key: str) -> bytes:
    if not isinstance(text, str) or not text.startswith(PREFIX):
        raise ConfigurationError(f"{key}: a secret starts with '{PREFIX}'")
    encoded = text.removeprefix(PREFIX)
    try:
        # Some senders leave the padding off.
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{key}: what follows '{PREFIX}' is not base64") from None
    if not 24 <= len(secret) <= 64:
        raise ConfigurationError(f"{key}: a secret has 24 to 64 bytes, this one {len(secret)}")
    return secret


def _signed(message_id: str, timestamp: str, body: bytes) -> bytes:
    # A header that is not UTF-8 reaches us with surrogates; it must fail the comparison, not the encoding.
    return b".".join((message_id.encode("utf-8", "surrogateescape"), timestamp.encode(), body))


def _signatures(header: str) -> Iterable[bytes]:
    for word in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, encoded = word.partition(",")
        if version != "v1":
            continue  # an asymmetric signature (v1a) or a version to come; one we know may stand beside it
        try:
            yield base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
