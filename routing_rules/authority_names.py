"""Every name that an authority's files use must exist: services, groups, organisations, areas, bodies, councils."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from routing_rules.catalogue import OUT_OF_SCOPE, Catalogue
from routing_rules.errors import MissingValue
from routing_rules.local_authorities import by_slug, local_authorities
from routing_rules.routes import DISTRICT, OUTSIDE, SIGNPOST, Districts, Route, RoutesTable, SignpostsTable
from routing_rules.rules import Conditions, Rule, RulesTable, each
from routing_rules.toml_files import Errors, Source

if TYPE_CHECKING:
    from routing_rules.authority import AuthorityTable, Files

Tables = tuple["AuthorityTable", RoutesTable, SignpostsTable, RulesTable]


def check_names(
    tables: Tables,
    files: Files,
    organisations: Collection[str],
    by_service: Mapping[str, tuple[str, Route]],
    catalogue: Catalogue,
    errors: Errors,
) -> None:
    """Add an error for every name that does not exist, and for every service that nobody answers for."""
    settings, routes, signposts, rules = tables
    _check_settings(settings, files.settings, organisations, catalogue, errors)
    for service in settings.targets.services:
        if service not in catalogue.services:
            where = ("targets", "services", service)
            errors.append(files.settings.unknown("service", service, catalogue.services, *where))
    _check_routes(routes, files.routes, organisations, catalogue, errors)
    _check_coverage(by_service, signposts, files, catalogue, errors)
    _check_signposts(signposts, files.signposts, catalogue, errors)
    for index, rule in enumerate(rules.rule):
        _check_rule(rule, index, (rules, signposts), files.rules, organisations, catalogue, errors)
    _check_rule_ids(rules, files.rules, errors)


def _check_settings(
    settings: AuthorityTable,
    source: Source,
    organisations: Collection[str],
    catalogue: Catalogue,
    errors: Errors,
) -> None:
    if settings.worklist not in organisations:
        errors.append(source.unknown("organisation", settings.worklist, organisations, "worklist"))
    for index, rung in enumerate(settings.safeguarding.ladder):
        if rung.tell not in organisations:
            errors.append(
                source.unknown(
                    "organisation", rung.tell, organisations, "safeguarding", "ladder", index, "tell"
                )
            )
    _check_people(settings, source, organisations, catalogue, errors)
    for index, gss in enumerate(settings.gss):
        if gss not in local_authorities():
            errors.append(source.unknown("GSS code", gss, local_authorities(), "gss", index))
    for service in settings.wording:
        if service not in catalogue.services:
            errors.append(source.unknown("service", service, catalogue.services, "wording", service))
    for code, entry in catalogue.services.items():
        if entry.dangerous and code not in settings.wording:
            message = f"there is no wording for {code!r}, in which a person may be in danger"
            errors.append(MissingValue(source.path, source.line("wording") or 1, message))


def _check_people(
    settings: AuthorityTable,
    source: Source,
    organisations: Collection[str],
    catalogue: Catalogue,
    errors: Errors,
) -> None:
    for service in settings.retention.services:
        if service not in catalogue.services:
            errors.append(
                source.unknown("service", service, catalogue.services, "retention", "services", service)
            )
    for index, grant in enumerate(settings.people.grants):
        if grant.organisation is not None and grant.organisation not in organisations:
            path = ("people", "grants", index, "organisation")
            errors.append(source.unknown("organisation", grant.organisation, organisations, *path))


def _check_routes(
    routes: RoutesTable, source: Source, organisations: Collection[str], catalogue: Catalogue, errors: Errors
) -> None:
    for kind, table, known in (
        ("group", routes.groups, catalogue.groups),
        ("service", routes.services, catalogue.services),
    ):
        for name, route in table.items():
            path = (f"{kind}s", name)
            if name not in known:
                errors.append(source.unknown(kind, name, known, *path))
            _check_route(route, source, path, organisations, errors)
    _check_all("group", routes.for_anyone.groups, catalogue.groups, source, ("for_anyone", "groups"), errors)
    _check_all(
        "service", routes.for_anyone.services, catalogue.services, source, ("for_anyone", "services"), errors
    )


def _check_route(
    route: Route, source: Source, path: tuple[str, ...], organisations: Collection[str], errors: Errors
) -> None:
    if route.organisation not in organisations and route.organisation not in OUTSIDE:
        known = (*organisations, *OUTSIDE)
        errors.append(source.unknown("organisation", route.organisation, known, *path, "organisation"))
    for key in ("chain", "notify", "choices"):
        _check_all("organisation", getattr(route, key), organisations, source, (*path, key), errors)
    if route.alert is not None and route.alert not in organisations:
        errors.append(source.unknown("organisation", route.alert, organisations, *path, "alert"))


def _check_coverage(
    by_service: Mapping[str, tuple[str, Route]],
    signposts: SignpostsTable,
    files: Files,
    catalogue: Catalogue,
    errors: Errors,
) -> None:
    for code in catalogue.services:
        if code == OUT_OF_SCOPE:
            continue
        if code not in by_service:
            message = f"nobody answers for service {code!r}: it has no route and its group has none"
            errors.append(MissingValue(files.routes.path, None, message))
            continue
        answers = by_service[code][1].organisation
        if answers == SIGNPOST and code not in signposts.services:
            message = f"service {code!r} is signposted, but to nobody: add it to [services]"
            errors.append(MissingValue(files.signposts.path, files.signposts.line("services"), message))
        if answers == DISTRICT and signposts.districts is None:
            message = f"service {code!r} goes to the district, but there is no [districts]"
            errors.append(MissingValue(files.signposts.path, None, message))


def _check_signposts(signposts: SignpostsTable, source: Source, catalogue: Catalogue, errors: Errors) -> None:
    bodies = signposts.bodies
    for service, body in signposts.services.items():
        if service not in catalogue.services:
            errors.append(source.unknown("service", service, catalogue.services, "services", service))
        if body not in bodies:
            errors.append(source.unknown("body", body, bodies, "services", service))
    if signposts.districts is not None:
        _check_districts(signposts.districts, bodies, source, errors)


def _check_districts(districts: Districts, bodies: Collection[str], source: Source, errors: Errors) -> None:
    if districts.unknown not in bodies:
        errors.append(source.unknown("body", districts.unknown, bodies, "districts", "unknown"))
    for slug, body in districts.authorities.items():
        if slug not in by_slug():
            errors.append(source.unknown("authority", slug, by_slug(), "districts", "authorities", slug))
        if body not in bodies:
            errors.append(source.unknown("body", body, bodies, "districts", "authorities", slug))
    for index, area in enumerate(districts.areas):
        if area.body not in bodies:
            errors.append(source.unknown("body", area.body, bodies, "districts", "areas", index, "body"))


def _check_rule(
    rule: Rule,
    index: int,
    tables: tuple[RulesTable, SignpostsTable],
    source: Source,
    organisations: Collection[str],
    catalogue: Catalogue,
    errors: Errors,
) -> None:
    rules, signposts = tables
    path = ("rule", index)
    for key in ("when", "unless"):
        conditions: Conditions | None = getattr(rule, key)
        if conditions is not None:
            _check_conditions(conditions, rules, source, (*path, key), organisations, catalogue, errors)
    then = rule.then
    here = (*path, "then")
    if then.organisation is not None and then.organisation not in organisations:
        errors.append(source.unknown("organisation", then.organisation, organisations, *here, "organisation"))
    _check_all("organisation", then.chain or (), organisations, source, (*here, "chain"), errors)
    _check_all("organisation", then.notify, organisations, source, (*here, "notify"), errors)
    if then.signpost is not None and then.signpost not in signposts.bodies:
        errors.append(source.unknown("body", then.signpost, signposts.bodies, *here, "signpost"))


def _check_conditions(
    conditions: Conditions,
    rules: RulesTable,
    source: Source,
    path: tuple[str | int, ...],
    organisations: Collection[str],
    catalogue: Catalogue,
    errors: Errors,
) -> None:
    councils = (*by_slug(), source.path.parent.name)
    for key, kind, known in (
        ("service", "service", catalogue.services),
        ("group", "group", catalogue.groups),
        ("organisation", "organisation", (*organisations, *OUTSIDE)),
        ("area", "area", rules.areas),
        ("authority", "authority", councils),
    ):
        _check_all(kind, getattr(conditions, key), known, source, (*path, key), errors)
    if conditions.hours_of is not None and conditions.hours_of not in organisations:
        errors.append(source.unknown("organisation", conditions.hours_of, organisations, *path, "hours_of"))


def _check_rule_ids(rules: RulesTable, source: Source, errors: Errors) -> None:
    seen: set[str] = set()
    for index, rule in enumerate(rules.rule):
        if rule.id in seen:
            errors.append(source.bad(f"there is another rule {rule.id!r}", "rule", index, "id"))
        seen.add(rule.id)


def _check_all(
    kind: str,
    names: Any,
    known: Iterable[str],
    source: Source,
    path: tuple[str | int, ...],
    errors: Errors,
) -> None:
    listed = not isinstance(names, str)
    have = set(known)
    for index, name in enumerate(each(names)):
        if name not in have:
            where = (*path, index) if listed else path
            errors.append(source.unknown(kind, name, have, *where))
