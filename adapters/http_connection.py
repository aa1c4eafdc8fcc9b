"""What an organisation's `connection` table may hold for HTTP, and whether it makes sense."""

from __future__ import annotations

import ipaddress
import ssl
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from adapters.base import ConfigurationError, Connection

_Shape = TypeVar("_Shape")
_Connection = TypeVar("_Connection", bound="HttpConnection")


class HttpConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an organisation's `connection` table may hold for any HTTP protocol."""

    url: str
    """Base address, without a trailing slash needed."""
    timeout: float = 20.0
    """Seconds for one whole exchange, connecting and reading included."""
    connect_timeout: float = 5.0
    """Seconds for a free connection to be ready."""
    ca_file: str | None = None
    """PEM file of the authorities to trust, instead of the system's."""
    client_certificate: str | None = None
    """PEM file with our certificate and key, where the organisation asks for one (mutual TLS)."""
    plain_http: bool = False
    """Allow `http://` to another machine. On loopback it is always allowed."""
    max_body: int = 1024 * 1024
    """Bytes of an answer that are read; a longer one makes no sense."""
    max_connections: int = 32


def read_connection(connection: Connection, shape: type[_Connection]) -> _Connection:
    """Decode and check a `connection` table. Raises `ConfigurationError` naming the key."""
    read = decode(connection, shape)
    for key in ("timeout", "connect_timeout", "max_body", "max_connections"):
        if not getattr(read, key) > 0:
            raise ConfigurationError(f"connection.{key} must be above zero")
    check_url("url", read.url, plain_http=read.plain_http)
    return read


def decode(connection: Connection, shape: type[_Shape]) -> _Shape:
    """Decode a `connection` table of any protocol. Raises `ConfigurationError` naming the key."""
    try:
        return msgspec.convert(connection, shape, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"connection: {str(error).replace('`$', '`connection')}") from None


def check_url(key: str, url: str, *, plain_http: bool) -> None:
    """Check one address of a `connection` table. Raises `ConfigurationError` naming the key."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"connection.{key} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"connection.{key} must be an http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"connection.{key} must not hold a name or password")
    if parts.scheme == "http" and not plain_http and not _is_loopback(host):
        raise ConfigurationError(
            f"connection.{key} would send citizens' details in clear; use https://, or set plain_http = true"
        )


def ssl_context(connection: HttpConnection) -> ssl.SSLContext | bool:
    """How its certificate is checked and ours shown; `True` where no TLS is spoken. Raises `ConfigurationError`."""
    if urlsplit(connection.url).scheme != "https":
        return True
    try:
        context = ssl.create_default_context(cafile=connection.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"connection.ca_file cannot be used: {error}") from None
    if connection.client_certificate is not None:
        try:
            context.load_cert_chain(connection.client_certificate)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"connection.client_certificate cannot be used: {error}") from None
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
