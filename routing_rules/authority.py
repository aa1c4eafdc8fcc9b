"""One authority's whole folder, read and cross-checked: its own file, organisations, routes, signposts and rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from routing_rules import organisation as organisations
from routing_rules import toml_files
from routing_rules.authority_names import check_names
from routing_rules.catalogue import Catalogue
from routing_rules.chat_table import ChatTable
from routing_rules.errors import Clash, MissingValue, RulesErrors
from routing_rules.hours import Hours, HoursTable, Nation
from routing_rules.matching import Clocks, ReadyRule, make_ready
from routing_rules.organisation import Contact, Organisation
from routing_rules.people import People, Retention
from routing_rules.replies import RepliesTable
from routing_rules.replies import check_names as check_replies
from routing_rules.routes import Route, RoutesTable, SignpostsTable
from routing_rules.rules import RulesTable
from routing_rules.targets import Targets
from routing_rules.toml_files import Errors, Source

T = TypeVar("T")


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sure is sure enough, as calibrated confidence from 0 to 1."""

    route_at: float = 0.6
    """From here on a need is routed without asking."""
    clarify_at: float = 0.25
    """From here on one question is asked; below it a person decides."""
    refuse_at: float = 0.6
    """From here on something out of scope is refused; below it a person decides."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for thresholds out of order."""
        if not 0 <= self.clarify_at <= self.route_at <= 1 or not 0 <= self.refuse_at <= 1:
            raise ValueError("thresholds are from 0 to 1, and clarify_at is not above route_at")


class Wording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What someone in danger is told at once, and who answers for these words."""

    words: str
    signed_off_by: str
    """The role that answers for the words."""
    signed_off_on: date
    sample: bool = False
    """Words that came with the software and that nobody at this authority has signed off yet."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for words that name no number to call."""
        if not any(character.isdigit() for character in self.words):
            raise ValueError("the words name no number to call")


class Rung(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of the safeguarding ladder."""

    after_minutes: float
    """After the alarm was raised, while nobody has answered it."""
    tell: str
    """The organisation that is told."""


class Safeguarding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens with an alarm about a person until somebody answers it by name."""

    ladder: tuple[Rung, ...]
    """In order. The rungs at 0 minutes are told at once, beside whoever answers for the service."""
    repeat_minutes: float = 15
    """Past the last rung, how often it is told again."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a ladder that would let an alarm fall silent."""
        times = [rung.after_minutes for rung in self.ladder]
        if not times or times[0] != 0 or times != sorted(times) or self.repeat_minutes <= 0:
            raise ValueError(
                "a ladder begins at 0 minutes, its rungs are in order, and repeat_minutes is more than 0"
            )


class AuthorityTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`authority.toml`."""

    name: str
    short_name: str
    """As people there say it: `Barnet`."""
    reference_prefix: str
    """Three letters that begin each reference: `BAR`."""
    gss: tuple[str, ...]
    """The GSS codes of the areas it serves."""
    nation: Nation = "england-and-wales"
    """Whose bank holidays count."""
    time_zone: Literal["Europe/London"] = "Europe/London"
    worklist: str
    """The organisation that is every last resort."""
    public_contact: Contact = Contact()
    hours: HoursTable
    """The contact centre's."""
    chat: ChatTable = ChatTable()
    safeguarding: Safeguarding
    thresholds: Thresholds = Thresholds()
    people: People = People()
    retention: Retention = Retention()
    targets: Targets = Targets()
    """What citizens are promised."""
    wording: dict[str, Wording] = {}
    """Service → words, for each service in which a person may be in danger."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a prefix that cannot begin a reference."""
        prefix = self.reference_prefix
        if not (len(prefix) == 3 and prefix.isascii() and prefix.isalpha() and prefix.isupper()):
            raise ValueError(f"reference_prefix must be three capital letters, not {prefix!r}")


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """The council whose front door this is; the tenant."""

    code: str
    """Its folder's name: `barnet`."""
    settings: AuthorityTable
    organisations: dict[str, Organisation]
    routes: dict[str, tuple[str, Route]]
    """Service → the route's id (`routes.services.missed-bin`, `routes.groups.waste`) and the route."""
    for_anyone: frozenset[str]
    """Services for people from anywhere."""
    signposts: SignpostsTable
    rules: RulesTable
    ready_rules: tuple[ReadyRule, ...]
    clocks: Clocks
    replies: RepliesTable
    """What staff choose from when they write to a citizen."""
    fingerprint: str
    """SHA-256 over its files' names and contents, hex."""

    @property
    def name(self) -> str:
        """`London Borough of Barnet`."""
        return self.settings.name

    def hours_of(self, organisation: str) -> Hours:
        """An organisation's opening hours; the contact centre's where its file names none."""
        return self.clocks.of(organisation)

    def name_of(self, organisation: str) -> str:
        """An organisation's name for people; the code itself where there is no such organisation."""
        known = self.organisations.get(organisation)
        return organisation if known is None else known.name


class Files(msgspec.Struct, frozen=True):
    """Where an authority's things are written, for who wants to name lines."""

    settings: Source
    routes: Source
    signposts: Source
    rules: Source
    replies: Source | None
    organisations: dict[str, Source]


def read_all(folder: Path, catalogue: Catalogue | None, errors: Errors) -> dict[str, tuple[Authority, Files]]:
    """Read every authority of a folder. One that has errors is left out, its errors added.

    Without a catalogue the files are read and their names are not checked; the answer is then empty.
    """
    found: dict[str, tuple[Authority, Files]] = {}
    prefixes: dict[str, str] = {}
    paths = sorted(
        path for path in folder.glob("*") if path.is_dir() and not path.name.startswith((".", "_"))
    )
    if not paths:
        errors.append(MissingValue(folder, None, "there is no authority: no folder with an authority.toml"))
    for path in paths:
        entry = _read(path, catalogue, errors)
        if entry is None:
            continue
        authority, files = entry
        prefix = authority.settings.reference_prefix
        if prefix in prefixes:
            message = f"reference_prefix {prefix!r} already belongs to {prefixes[prefix]!r}"
            errors.append(Clash(files.settings.path, files.settings.line("reference_prefix"), message))
        prefixes[prefix] = authority.code
        found[authority.code] = entry
    return found


def load(folder: Path, catalogue: Catalogue) -> Authority:
    """Read one authority's folder. Raises `RulesErrors` with everything wrong in it."""
    errors: Errors = []
    entry = _read(folder, catalogue, errors)
    if errors or entry is None:
        raise RulesErrors(errors)
    return entry[0]


def _read(folder: Path, catalogue: Catalogue | None, errors: Errors) -> tuple[Authority, Files] | None:
    before = len(errors)
    settings = _file(folder / "authority.toml", AuthorityTable, errors)
    routes = _file(folder / "routes.toml", RoutesTable, errors)
    signposts = _file(folder / "signposts.toml", SignpostsTable, errors)
    rules = _file(folder / "rules.toml", RulesTable, errors)
    replies = None
    if (folder / "replies.toml").exists():  # an authority may do without
        replies = _file(folder / "replies.toml", RepliesTable, errors)
    bodies = organisations.read_all(folder / "organisations", errors)
    if catalogue is None:
        return None
    organisations.check_names(bodies, catalogue.services, errors)
    if settings is None or routes is None or signposts is None or rules is None:
        return None
    files = Files(
        *(settings[1], routes[1], signposts[1], rules[1], replies[1] if replies else None),
        {code: source for code, (_, source) in bodies.items()},
    )
    if replies is not None:
        check_replies(*replies, catalogue, errors)
    known = {code: organisation for code, (organisation, _) in bodies.items()}
    by_service = _by_service(routes[0], catalogue)
    # A file that could not be read must not show again as a name that is unknown everywhere else.
    unread = {path.stem for path in (folder / "organisations").glob("*.toml")} - set(known)
    check_names(
        (settings[0], routes[0], signposts[0], rules[0]),
        files,
        {*known, *unread},
        by_service,
        catalogue,
        errors,
    )
    if len(errors) > before:
        return None
    nation = settings[0].nation
    clocks = Clocks(
        Hours(settings[0].hours, nation),
        {code: Hours(body.hours, nation) for code, body in known.items() if body.hours is not None},
    )
    authority = Authority(
        code=folder.name,
        settings=settings[0],
        organisations=known,
        routes=by_service,
        for_anyone=_for_anyone(routes[0], catalogue),
        signposts=signposts[0],
        rules=rules[0],
        ready_rules=make_ready(rules[0], clocks),
        clocks=clocks,
        replies=replies[0] if replies else RepliesTable(),
        fingerprint=_fingerprint(files),
    )
    return authority, files


def _file(path: Path, kind: type[T], errors: Errors) -> tuple[T, Source] | None:
    source = toml_files.read(path, errors)
    if source is None:
        return None
    table = toml_files.convert(source, kind, errors)
    return None if table is None else (table, source)


def _by_service(routes: RoutesTable, catalogue: Catalogue) -> dict[str, tuple[str, Route]]:
    found: dict[str, tuple[str, Route]] = {}
    for code, service in catalogue.services.items():
        if code in routes.services:
            found[code] = (f"routes.services.{code}", routes.services[code])
        elif service.group in routes.groups:
            found[code] = (f"routes.groups.{service.group}", routes.groups[service.group])
    return found


def _for_anyone(routes: RoutesTable, catalogue: Catalogue) -> frozenset[str]:
    groups: Iterable[str] = routes.for_anyone.groups
    return frozenset(routes.for_anyone.services).union(*(catalogue.groups.get(group, ()) for group in groups))


def _fingerprint(files: Files) -> str:
    digest = hashlib.sha256()
    sources: Mapping[str, Source] = dict(sorted(files.organisations.items()))
    own = (files.settings, files.routes, files.signposts, files.rules, files.replies)
    for source in (*(each for each in own if each is not None), *sources.values()):
        digest.update(f"{source.path.name}\0{source.digest}\n".encode())
    return digest.hexdigest()
