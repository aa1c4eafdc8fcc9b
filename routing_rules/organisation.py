"""Who delivers: one file an organisation, `organisations/<code>.toml`. All that the door knows about it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from routing_rules import toml_files
from routing_rules.errors import BadVariable, MissingValue, MissingVariables
from routing_rules.hours import Acknowledge, HoursTable
from routing_rules.toml_files import Errors, Source

Kind = Literal[
    "council",
    "health",
    "jobcentre",
    "arms-length",
    "outsourced",
    "joint-venture",
    "mutual",
    "police",
    "fire",
    "charity",
    "taskforce",
]
State = Literal["delivered", "in_progress", "resolved", "rejected", "cancelled"]
"""The states of a referral that an organisation's own word can mean."""
Field = Literal[
    "description",
    "name",
    "email",
    "phone",
    "address",
    "postcode",
    "date_of_birth",
    "nhs_number",
    "national_insurance_number",
    "lat",
    "long",
    "language",
    "notes",
]
LawfulBasis = Literal[
    "public task", "legal obligation", "vital interests", "consent", "contract", "legitimate interests"
]

_VARIABLE: Final = re.compile(
    r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::(?P<kind>int|float|bool))?(?:=(?P<default>[^}]*))?\}"
)

_KINDS: Final[dict[str, type]] = {"int": int, "float": float, "bool": bool}


class Sharing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the organisation may be given. A field that is not listed cannot leave."""

    fields: tuple[Field, ...]
    purpose: str
    lawful_basis: LawfulBasis
    """Article 6 of the UK GDPR."""
    special_category: str | None = None
    """The condition under Article 9, where health and the like are shared."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How hard the courier may press it."""

    concurrency: int = 8
    """Hand-overs under way at once."""
    rate: float = 50.0
    """Hand-overs a second, at most."""
    timeout: float = 10.0
    """Seconds for one hand-over."""
    lookup_after: float | None = None
    """Seconds after a hand-over without an answer until "I do not have it" is believed of an organisation that can only be
    asked: it may still be at work on it. Not given: as long again as `timeout`."""
    max_attempts: int = 12
    breaker_threshold: int = 5
    """Failures in a row that open the breaker."""
    breaker_cooldown: float = 30.0
    """Seconds until the one trial hand-over."""
    poll_interval: float = 60.0
    """Seconds between status polls, where the protocol polls."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a number that would stop deliveries."""
        for name in self.__struct_fields__:
            number = getattr(self, name)
            if number is not None and number <= 0:
                raise ValueError(f"{name} must be more than 0")


class Contact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the public reaches it."""

    phone: str | None = None
    email: str | None = None
    url: str | None = None


class Organisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One organisation, as its file says."""

    code: str
    """The file's name."""
    name: str
    kind: Kind
    protocol: str
    """Which adapter hands over: `open311`, `fhir`, `rest`, `webhook`, `email`, `worklist`."""
    connection: dict[str, Any] = {}
    """For the adapter, as written: `${NAME}` still stands for an environment variable (`fill`)."""
    sharing: Sharing
    delivery: Delivery = Delivery()
    acknowledge: Acknowledge = Acknowledge(working_days=2)
    statuses: dict[str, State] = {}
    """The organisation's own status words → our states. Read them with `state_of`."""
    notes_to_citizen: bool = False
    """Whether its status notes are shown to the citizen."""
    hours: HoursTable | None = None
    """`None`: as the authority's contact centre."""
    service_codes: dict[str, str] = {}
    """Our service → the organisation's own code, where it differs."""
    members: tuple[str, ...] = ()
    """A team of several organisations: each one is told, this one leads."""
    public_contact: Contact = Contact()

    def state_of(self, word: str) -> State | None:
        """What one of its status words means; `None` when its file does not say. Case, spaces and hyphens are alike."""
        wanted = status_word(word)
        for known, state in self.statuses.items():
            if status_word(known) == wanted:
                return state
        return None


def status_word(word: str) -> str:
    """A status word as it is compared: `In Progress`, `in-progress` and `IN_PROGRESS` are one."""
    return re.sub(r"[\s_-]+", "_", word.strip().lower())


def read(path: Path, errors: Errors) -> tuple[Organisation, Source] | None:
    """Read one organisation's file; what is wrong with it is added to `errors`."""
    source = toml_files.read(path, errors)
    if source is None:
        return None
    if "code" in source.data:
        errors.append(source.bad("an organisation's code is its file's name: leave 'code' out", "code"))
        return None
    source.data["code"] = path.stem
    organisation = toml_files.convert(source, Organisation, errors)
    if organisation is None:
        return None
    if organisation.protocol != "worklist" and not organisation.connection:
        message = f"protocol {organisation.protocol!r} needs a [connection] table"
        errors.append(MissingValue(path, source.line("protocol"), message))
    return organisation, source


def read_all(folder: Path, errors: Errors) -> dict[str, tuple[Organisation, Source]]:
    """Read every file of an `organisations` folder."""
    found = (read(path, errors) for path in sorted(folder.glob("*.toml")))
    return {entry[0].code: entry for entry in found if entry is not None}


def check_names(
    organisations: Mapping[str, tuple[Organisation, Source]], services: Iterable[str], errors: Errors
) -> None:
    """Check that the services and members that the files name exist."""
    known = set(services)
    for organisation, source in organisations.values():
        for service in organisation.service_codes:
            if service not in known:
                errors.append(source.unknown("service", service, known, "service_codes", service))
        for index, member in enumerate(organisation.members):
            if member not in organisations:
                errors.append(source.unknown("organisation", member, organisations, "members", index))
            elif member == organisation.code:
                errors.append(source.bad("a team cannot be its own member", "members", index))


def fill(connection: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A connection with every `${NAME}` replaced from `environ`, in nested tables and lists too.

    `${NAME=587}` gives a value for when it is not set. A value that is nothing but `${NAME:int}`, `:float` or `:bool`
    becomes one. Raises `MissingVariables` naming all that are not set, or `BadVariable`; no value is ever part of
    an error.
    """
    missing = [name for name, needed in _variables(connection).items() if needed and name not in environ]
    if missing:
        raise MissingVariables(missing)
    return {key: _fill(value, environ) for key, value in connection.items()}


def variables(connection: Mapping[str, Any]) -> list[str]:
    """The environment variables that a connection names, in order, each once, those with a default too."""
    return list(_variables(connection))


def _variables(value: Any) -> dict[str, bool]:
    """Name → whether it must be set."""
    names: dict[str, bool] = {}
    if isinstance(value, str):
        for found in _VARIABLE.finditer(value):
            names[found["name"]] = names.get(found["name"], False) or found["default"] is None
    elif isinstance(value, Mapping | list | tuple):
        for entry in value.values() if isinstance(value, Mapping) else value:
            for name, needed in _variables(entry).items():
                names[name] = names.get(name, False) or needed
    return names


def _fill(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        if whole is not None and whole["kind"]:
            return _typed(whole["name"], whole["kind"], environ.get(whole["name"], whole["default"]))
        return _VARIABLE.sub(lambda found: environ.get(found["name"], found["default"]), value)
    if isinstance(value, Mapping):
        return {key: _fill(entry, environ) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(entry, environ) for entry in value]
    return value


def _typed(name: str, kind: str, text: str) -> Any:
    try:
        return msgspec.convert(text.lower(), _KINDS[kind], strict=False)
    except msgspec.ValidationError:
        raise BadVariable(name, kind) from None
