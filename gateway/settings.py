"""Settings: one frozen struct, read once from a TOML file and the environment. Unknown keys are errors.

A key `max_in_flight` is set by `max_in_flight = 500` in the file, or `FRONT_DOOR_MAX_IN_FLIGHT=500`, which wins.
`DATABASE_URL` is taken too, because every platform sets it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from rapidfuzz import process

from gateway.errors import StartError
from gateway.oidc.provider import Provider

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Hours = Annotated[float, msgspec.Meta(gt=0, le=24)]
Minutes = Annotated[float, msgspec.Meta(gt=0, le=24 * 60)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this process runs. What belongs to an authority or an organisation stands in its own files."""

    database_url: str | None = None
    """PostgreSQL to use. Without it, the gateway starts its own in `data_dir`."""
    data_dir: Path | None = None
    """Where the embedded database and built models live. Default: `./var`."""
    rules_dir: Path | None = None
    """A folder with `services/` and `authorities/`. Default: the ones that come with the package."""
    connections_file: Path | None = None
    """JSON that replaces organisations' connections in a test environment; see `gateway.connections.Replacement`."""
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None
    """How organisations reach this gateway for callbacks. Default: `http://host:port`."""
    writers: Positive = 2
    """Connections that commit intake; each takes whatever queued while its last commit ran."""
    batch: Positive = 128
    """Most requests in one commit."""
    pool_size: Positive = 8
    """Connections for staff and citizens, and as many again for the courier."""
    max_in_flight: Positive = 1024
    """Intake held at once; past it the answer is 503 with Retry-After."""
    courier_poll: Seconds = 0.3
    """Seconds between looks at the queue when nothing woke the courier."""
    lease_margin: Seconds = 10.0
    """Seconds a claim outlives its organisation's time limit before another courier may take it."""
    drain: Seconds = 20.0
    """Seconds that shutdown waits for what is in flight."""
    connect_timeout: Seconds = 5.0
    """Seconds to reach one database host."""
    private_subscribers: bool = False
    """Let subscriptions lead to this machine and to private networks, and go by http://: for development and tests."""
    sign_in: tuple[Provider, ...] = ()
    """Where people sign in: tables `[[sign_in]]` in the file, or a JSON array in FRONT_DOOR_SIGN_IN."""
    session_hours: Hours = 10.0
    """Hours after which a person must sign in again."""
    session_idle_minutes: Minutes = 60.0
    """Minutes without a call after which they must too."""
    person_per_minute: Positive = 600
    """Calls a minute that each person may make of each process."""
    key_per_minute: Positive = 600_000
    """Calls a minute of each API key that has no limit of its own."""
    audit_key: Annotated[str, msgspec.Meta(min_length=32)] | None = None
    """A secret that signs how long the audit is. The embedded database has one of its own in `data_dir`."""
    chat_starts: Positive = 30
    """Conversations that one address may begin at once; as many again each minute."""
    most_streams: Positive = 5000
    """Conversations listened to at once by this process; past it the answer is 503 with Retry-After."""
    trusted_proxies: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """Proxies in front that add to X-Forwarded-For: where a caller's address is read. 0: the socket's own peer."""
    log_level: str = "info"


PREFIX = "FRONT_DOOR_"


def load(environ: Mapping[str, str], file: Path | None = None, **overrides: Any) -> Settings:
    """Read the file, then the environment, then `overrides` (command-line options; `None` means not given).

    Raises `StartError` naming the key, where it was set, and the nearest right name.
    """
    names = {field.name for field in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if file is not None:
        for key, value in _read_file(file).items():
            values[key], sources[key] = value, str(file)
    if environ.get("DATABASE_URL"):
        values["database_url"], sources["database_url"] = environ["DATABASE_URL"], "DATABASE_URL"
    for variable, value in environ.items():
        if variable.startswith(PREFIX):
            key = variable.removeprefix(PREFIX).lower()
            values[key], sources[key] = _from_environment(key, value), variable
    for key, value in overrides.items():
        if value is not None:
            values[key], sources[key] = value, f"--{key.replace('_', '-')}"
    for key, value in values.items():
        _check(key, value, names, sources[key])
    return _convert(values)


def _from_environment(key: str, value: str) -> Any:
    if key != "sign_in":
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise StartError(f"{PREFIX}SIGN_IN: not JSON: {error}") from None


def _check(key: str, value: Any, names: set[str], source: str) -> None:
    if key not in names:
        nearest = process.extractOne(key, names, score_cutoff=60)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise StartError(f"{source}: there is no setting {key!r}{hint}")
    try:
        _convert({key: value})
    except msgspec.ValidationError as error:
        raise StartError(f"{source}: {key}: {str(error).split(' - at')[0]}") from None


def _convert(values: Mapping[str, Any]) -> Settings:
    def decode(kind: type, value: Any) -> Any:
        if kind is Path and value and isinstance(value, str | Path):
            return Path(value)
        raise ValueError(f"Expected a path, got {value!r}")

    return msgspec.convert(values, Settings, strict=False, dec_hook=decode)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartError(f"{file}: {error}") from None
