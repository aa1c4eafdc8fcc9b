"""The catalogue: every service a citizen can need, as written in `services/*.toml`, one file a group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from routing_rules import toml_files
from routing_rules.errors import Clash, MissingValue, RulesErrors
from routing_rules.toml_files import Errors, Source

OUT_OF_SCOPE: Final = "out-of-scope"
"""The pseudo service for what is no public service enquiry."""

Ask = Literal[
    "postcode",
    "address",
    "where",
    "when",
    "name",
    "contact",
    "date-of-birth",
    "reference",
    "nhs-number",
    "national-insurance-number",
    "vehicle",
    "who",
    "details",
]
Safety = Literal["emergency", "safeguarding", "urgent"]
Tier = Literal["county", "district", "all", "area", "nhs", "national", "none"]
"""Who answers where two tiers share the work: the county, the district, either (`all`), a neighbourhood scheme
(`area`), the NHS, or a national body."""

DEFAULT_TELL: Final = (
    "Your request has been passed on. Keep the reference: with it you can ask where it stands."
)


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a citizen can need."""

    code: str
    group: str
    """The file it stands in: `waste`."""
    name: str
    lgsl: int | None = None
    """Its id in the Local Government Service List, where it has one."""
    safety: Safety | None = None
    description: str
    keywords: tuple[str, ...] = ()
    ask: tuple[Ask, ...]
    """Facts it needs from the citizen."""
    tell: str
    """What the citizen is told happens next."""
    contrast: dict[str, str] = {}
    """Neighbouring service → what makes it that one rather than this."""
    examples: tuple[str, ...]
    """In citizens' own words."""
    tier: Tier = "all"

    @property
    def dangerous(self) -> bool:
        """Whether a person may be in danger: an emergency, or a child or adult at risk."""
        return self.safety in ("emergency", "safeguarding")


class Catalogue(msgspec.Struct, frozen=True):
    """All services, and a fingerprint that changes whenever one of their files does."""

    services: dict[str, Service]
    fingerprint: str
    """SHA-256 over the files' names and contents, hex."""
    groups: dict[str, tuple[str, ...]] = {}
    """Group → the codes of its services."""

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read `services/*.toml` and `tiers.toml` of a folder. Raises `RulesErrors` with everything wrong in them."""
        errors: Errors = []
        catalogue, _ = read(folder, errors)
        if errors:
            raise RulesErrors(errors)
        return catalogue


class _ServiceTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A service's table as written. Only a name and examples are needed to begin with."""

    name: str
    lgsl: int | None = None
    safety: Safety | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    ask: tuple[Ask, ...] = ("details", "contact")
    tell: str = DEFAULT_TELL
    contrast: dict[str, str] = {}
    examples: str

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("the name is empty")


class _TiersTable(msgspec.Struct, forbid_unknown_fields=True):
    groups: dict[str, Tier] = {}
    services: dict[str, Tier] = {}


def read(folder: Path, errors: Errors) -> tuple[Catalogue, list[Source]]:
    """Read what can be read, adding what is wrong to `errors`. The sources are for who wants to name lines."""
    paths = sorted((folder / "services").glob("*.toml"))
    if not paths:
        errors.append(MissingValue(folder / "services", None, "there is no catalogue: no *.toml file"))
    services: dict[str, Service] = {}
    homes: dict[str, Source] = {}
    sources: list[Source] = []
    for path in paths:
        source = toml_files.read(path, errors)
        if source is not None:
            sources.append(source)
            _read_group(source, services, homes, errors)
    complete = len(sources) == len(paths)
    if complete:
        _check_contrasts(services, homes, errors)
    digest = hashlib.sha256()
    tiers = _read_tiers(folder / "tiers.toml", services, errors if complete else [])
    for source in [*sources, *tiers]:
        digest.update(f"{source.path.name}\0{source.digest}\n".encode())
    groups: dict[str, tuple[str, ...]] = {}
    for service in services.values():
        groups[service.group] = (*groups.get(service.group, ()), service.code)
    return Catalogue(services, digest.hexdigest(), groups), sources


def _read_group(
    source: Source, services: dict[str, Service], homes: dict[str, Source], errors: Errors
) -> None:
    for code, value in source.data.items():
        if not isinstance(value, dict):
            message = f"{code!r} stands outside a service: begin each service with [its-code]"
            errors.append(source.bad(message, code))
            continue
        table = toml_files.convert(source, _ServiceTable, errors, code)
        if code in services:
            other = homes[code]
            message = f"service {code!r} is already in {other.path.name}, line {other.line(code)}"
            errors.append(Clash(source.path, source.line(code), message))
            continue
        homes[code] = source
        if table is None:
            # The name is known all the same, so that one fault is not reported again wherever the name is used.
            services[code] = Service(
                code=code, group=source.path.stem, name=code, description=code, ask=(), tell="", examples=()
            )
            continue
        services[code] = Service(
            code=code,
            group=source.path.stem,
            name=table.name,
            lgsl=table.lgsl,
            safety=table.safety,
            description=table.description or table.name,
            keywords=table.keywords,
            ask=table.ask,
            tell=table.tell,
            contrast=table.contrast,
            examples=tuple(line for raw in table.examples.splitlines() if (line := raw.strip())),
        )


def _check_contrasts(services: Mapping[str, Service], homes: Mapping[str, Source], errors: Errors) -> None:
    for code, service in services.items():
        for other in service.contrast:
            if other not in services:
                errors.append(homes[code].unknown("service", other, services, code, "contrast", other))
            elif other == code:
                message = f"service {code!r} is contrasted with itself"
                errors.append(homes[code].bad(message, code, "contrast", other))


def _read_tiers(path: Path, services: dict[str, Service], errors: Errors) -> list[Source]:
    """Set each service's tier: its own entry, else its group's. Without the file every service is `all`."""
    if not path.exists():
        return []
    source = toml_files.read(path, errors)
    if source is None:
        return []
    table = toml_files.convert(source, _TiersTable, errors)
    if table is None:
        return [source]
    groups = {service.group for service in services.values()}
    for group in table.groups:
        if group not in groups:
            errors.append(source.unknown("group", group, groups, "groups", group))
    for code in table.services:
        if code not in services:
            errors.append(source.unknown("service", code, services, "services", code))
    for code, service in services.items():
        tier = table.services.get(code) or table.groups.get(service.group)
        if tier is not None:
            services[code] = msgspec.structs.replace(service, tier=tier)
    return [source]


def ask_words() -> tuple[str, ...]:
    """The vocabulary of `ask`."""
    return get_args(Ask)
