"""What a FHIR organisation's file says about reaching it, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from adapters.base import ConfigurationError
from adapters.fhir_auth import Algorithm, Signer, Verifier
from adapters.http import HttpClient
from adapters.http_connection import HttpConnection, check_url
from adapters.oauth import TokenSource


class FhirConnection(HttpConnection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A FHIR organisation's `connection` table. Keys are PEM text, from the environment like tokens."""

    receiver_ods_code: str
    sender_ods_code: str
    sender_name: str | None = None
    """How we are called; the authority's code unless given."""
    service_id: str | None = None
    """The receiver's id in the Directory of Services, where the service itself has no external code."""
    source_endpoint: str | None = None
    """Our entry in the endpoint catalogue; our callback address unless given."""
    software: str = "front-door"
    use_case: str | None = None
    """Code of the standard's use-case category."""
    definition: str = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral"
    consent: bool = True
    """Whether the message states consent to direct care, which the standard asks for."""
    status: Literal["callback", "poll", "none"] = "callback"
    jwt_key: str | None = None
    """Our private key. Without it requests carry no `Authorization`."""
    jwt_algorithm: Algorithm = "RS512"
    jwt_key_id: str | None = None
    jwt_issuer: str | None = None
    """The application's key with the receiver's platform."""
    jwt_audience: str | None = None
    """Whom the token is for; `token_url`, else `url`, unless given."""
    token_url: str | None = None
    """Where the signed token is exchanged for an access token; without it the signed one is sent itself."""
    callback_token: str | None = None
    callback_public_key: str | None = None
    callback_algorithm: Algorithm = "RS512"
    callback_audience: str | None = None


def make_signer(connection: FhirConnection) -> Signer | None:
    """Make what signs our tokens, if there is a key. Raises `ConfigurationError`."""
    if connection.jwt_key is None:
        if connection.token_url is not None:
            raise ConfigurationError("connection: token_url needs jwt_key")
        return None
    if connection.jwt_issuer is None:
        raise ConfigurationError("connection: jwt_key needs jwt_issuer")
    return Signer(
        connection.jwt_key,
        algorithm=connection.jwt_algorithm,
        issuer=connection.jwt_issuer,
        audience=connection.jwt_audience or connection.token_url or connection.url,
        key_id=connection.jwt_key_id,
    )


def make_verifier(connection: FhirConnection) -> Verifier:
    """Make what checks callbacks. Raises `ConfigurationError` if they are wanted and could not be checked."""
    verifier = Verifier(
        token=connection.callback_token,
        public_key=connection.callback_public_key,
        algorithm=connection.callback_algorithm,
        audience=connection.callback_audience,
    )
    if connection.status == "callback" and not verifier.configured:
        raise ConfigurationError(
            'connection: callback_token or callback_public_key is needed for status = "callback"'
        )
    return verifier


def make_tokens(
    connection: FhirConnection, signed: Callable[[], str], clock: Callable[[], datetime]
) -> TokenSource | None:
    """Make what exchanges our signed token for access tokens, if the organisation has a place for that."""
    if connection.token_url is None:
        return None
    check_url("token_url", connection.token_url, plain_http=connection.plain_http)
    at = msgspec.structs.replace(connection, url=connection.token_url)
    return TokenSource(HttpClient(at, clock=clock), connection.token_url, assertion=signed)
