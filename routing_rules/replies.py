"""Reply templates: an authority's own words for messages to citizens, with placeholders that are filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from routing_rules.catalogue import Catalogue
from routing_rules.toml_files import Errors, Source

PLACEHOLDERS: Final = {
    "name": "the citizen's name",
    "reference": "the request's reference",
    "service": "the service's name",
    "organisation": "the name of the organisation that has it",
    "status": "where it stands, in words",
    "authority": "the authority's name",
    "phone": "the authority's phone number",
    "due": "the day by which it is promised",
}
"""What may stand in curly brackets, with what it becomes."""

_PLACE: Final = re.compile(r"\{([^{}]*)\}")


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One template."""

    id: str
    title: str
    """What staff choose it by."""
    text: str
    services: tuple[str, ...] = ()
    """Offered for these services; for all, unless some are named here or in `groups`."""
    groups: tuple[str, ...] = ()

    def fits(self, service: str | None, group: str | None) -> bool:
        """Whether it is offered for a service."""
        return not (self.services or self.groups) or service in self.services or group in self.groups

    def filled(self, values: Mapping[str, str | None]) -> tuple[str, list[str]]:
        """The text with what is known filled in, and the placeholders that stay because nothing is known for them."""
        missing = [name for name in dict.fromkeys(_PLACE.findall(self.text)) if not values.get(name)]
        return _PLACE.sub(lambda found: values.get(found[1]) or found[0], self.text), missing


class RepliesTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`replies.toml`."""

    reply: tuple[Reply, ...] = ()


def check_names(table: RepliesTable, source: Source, catalogue: Catalogue, errors: Errors) -> None:
    """Add an error for every placeholder, service or group that there is not, and for an id that is used twice."""
    seen: set[str] = set()
    for index, reply in enumerate(table.reply):
        here = ("reply", index)
        if reply.id in seen:
            errors.append(source.bad(f"there are two replies {reply.id!r}", *here, "id"))
        seen.add(reply.id)
        errors.extend(
            source.unknown("placeholder", name, PLACEHOLDERS, *here, "text")
            for name in _PLACE.findall(reply.text)
            if name not in PLACEHOLDERS
        )
        if "{" in _PLACE.sub("", reply.text) or "}" in _PLACE.sub("", reply.text):
            errors.append(source.bad("has a curly bracket without its other half", *here, "text"))
        for kind, names, known in (
            ("service", reply.services, catalogue.services),
            ("group", reply.groups, catalogue.groups),
        ):
            errors.extend(
                source.unknown(kind, name, known, *here, f"{kind}s", number)
                for number, name in enumerate(names)
                if name not in known
            )
