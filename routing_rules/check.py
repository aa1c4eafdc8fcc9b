"""Everything that is wrong, or looks wrong, in a rules folder. What `front-door check` prints.

An `error` keeps a folder from being taken into use; a `warning` is for a person to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from routing_rules import reading
from routing_rules.authority import Authority, Files
from routing_rules.catalogue import Catalogue
from routing_rules.errors import RulesError
from routing_rules.reading import Reading
from routing_rules.routes import OUTSIDE
from routing_rules.rule_logic import Logic
from routing_rules.rules import Rule, each
from routing_rules.toml_files import Source

_NOT_WORD: Final = re.compile(r"\W+")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at."""

    level: Literal["error", "warning"]
    file: str
    line: int | None
    """From 1; `None` where something is not there at all."""
    message: str
    suggestion: str | None = None
    """The nearest right name."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{place}: {self.level}: {self.message}{hint}"


def check(folder: Path) -> list[Problem]:
    """Everything wrong in a folder, errors first, in the order of files and lines. Empty: nothing to say."""
    return check_reading(reading.read(folder))


def check_reading(found: Reading) -> list[Problem]:
    """The same, for a folder already read."""
    problems = [_as_problem(error) for error in found.errors]
    problems += _duplicates(found)
    for authority, files in found.authorities.values():
        problems += _rules(found.catalogue, authority, files)
        problems += _unused(authority, files)
        problems += _reminders(found.catalogue, authority, files)
    return sorted(problems, key=lambda one: (one.level != "error", one.file, one.line or 0))


def _as_problem(error: RulesError) -> Problem:
    return Problem(
        level="error",
        file=str(error.file),
        line=error.line,
        message=error.message,
        suggestion=error.suggestion,
    )


def _problem(level: Literal["error", "warning"], source: Source, line: int | None, message: str) -> Problem:
    return Problem(level=level, file=str(source.path), line=line, message=message)


def _duplicates(found: Reading) -> Iterator[Problem]:
    """The same words under two services contradict each other; twice under one they only waste a line."""
    sources = {source.path.stem: source for source in found.groups}
    seen: dict[str, tuple[str, str]] = {}
    for service in found.catalogue.services.values():
        for example in service.examples:
            plain = _NOT_WORD.sub(" ", example.lower()).strip()
            this = (service.code, example)
            first = seen.setdefault(plain, this)
            if first is this:
                continue
            source = sources[service.group]
            line = source.lines.text_line((service.code, "examples"), example)
            if first[0] == service.code:
                yield _problem(
                    "warning", source, line, f"{service.code!r} has this example twice: {example!r}"
                )
            else:
                message = f"the example {example!r} of {service.code!r} is also one of {first[0]!r}"
                yield _problem("error", source, line, message)


def _rules(catalogue: Catalogue, authority: Authority, files: Files) -> Iterator[Problem]:
    logic = Logic(catalogue, authority)
    rules = authority.rules.rule
    for index, rule in enumerate(rules):
        line = files.rules.line("rule", index)
        never = logic.never(rule)
        if never is not None:
            yield _problem("error", files.rules, line, f"rule {rule.id!r} can never fire: {never}")
            continue
        for place, earlier in enumerate(rules[:index]):
            if logic.never(earlier) is None and logic.always_before(earlier, rule):
                above = files.rules.line("rule", place)
                yield _problem("error", files.rules, line, _shadowed(logic, earlier, rule, above))
                break


def _shadowed(logic: Logic, earlier: Rule, rule: Rule, above: int | None) -> str:
    if not logic.always_before(rule, earlier):
        return f"rule {rule.id!r} can never fire: {earlier.id!r} (line {above}) always matches first"
    if earlier.then == rule.then:
        return f"rule {rule.id!r} says the same as {earlier.id!r} (line {above})"
    return f"rule {rule.id!r} contradicts {earlier.id!r} (line {above}): the same conditions, another outcome"


def _unused(authority: Authority, files: Files) -> Iterator[Problem]:
    used = _routed_to(authority)
    for code, source in files.organisations.items():
        if code not in used:
            yield _problem("warning", source, None, f"nothing is ever routed to organisation {code!r}")
    rules = authority.rules
    conditions = [part for rule in rules.rule for part in (rule.when, rule.unless) if part is not None]
    asked = {area for part in conditions for area in each(part.area)}
    for area in rules.areas.keys() - asked:
        line = files.rules.line("areas", area)
        yield _problem("warning", files.rules, line, f"no rule asks for area {area!r}")
    for body in authority.signposts.bodies.keys() - _sent_to(authority):
        line = files.signposts.line("bodies", body)
        yield _problem("warning", files.signposts, line, f"nobody is ever sent to body {body!r}")


def _routed_to(authority: Authority) -> set[str]:
    """The organisations that something can reach."""
    used = {authority.settings.worklist}
    for _, route in authority.routes.values():
        used.update((route.organisation, *route.chain, *route.notify, *route.choices, route.alert or ""))
    for rule in authority.rules.rule:
        used.update((rule.then.organisation or "", *(rule.then.chain or ()), *rule.then.notify))
    for organisation in authority.organisations.values():
        used.update(organisation.members)
    return used


def _sent_to(authority: Authority) -> set[str]:
    """The bodies outside the door that somebody can be sent to."""
    signposts = authority.signposts
    bodies = {*signposts.services.values(), *(rule.then.signpost or "" for rule in authority.rules.rule)}
    if signposts.districts is not None:
        bodies.update((signposts.districts.unknown, *signposts.districts.authorities.values()))
        bodies.update(area.body for area in signposts.districts.areas)
    return bodies


def _reminders(catalogue: Catalogue, authority: Authority, files: Files) -> Iterator[Problem]:
    wording = authority.settings.wording
    samples = [code for code, words in wording.items() if words.sample]
    if samples:
        line = files.settings.line("wording", samples[0])
        message = f"sample words for people in danger, not signed off yet: {', '.join(samples)}"
        yield _problem("warning", files.settings, line, message)
    for code, (route_id, route) in authority.routes.items():
        if catalogue.services[code].dangerous and route.organisation in OUTSIDE and route.alert is None:
            message = f"in {code!r} a person may be in danger; name who is alerted, else it is the worklist"
            _, kind, name = route_id.split(".")
            yield _problem("warning", files.routes, files.routes.line(kind, name), message)
