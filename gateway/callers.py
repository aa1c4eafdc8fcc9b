"""Who calls: a person who signed in, or an authority's software; with their roles, and always within one authority."""

from __future__ import annotations

import enum
from typing import Final, Literal
from uuid import UUID

import msgspec


class Role(enum.Enum):
    """What somebody is here for."""

    AGENT = "agent"
    """Takes calls and chats, and works on requests."""
    SUPERVISOR = "supervisor"
    """An agent who also answers for the others' work, for exports and for erasure."""
    COMMISSIONER = "commissioner"
    """Looks at how organisations perform; sees no citizen's details."""
    AUDITOR = "auditor"
    """Looks at who did what; sees no citizen's details."""
    MACHINE = "machine"
    """The authority's own software, by API key: may do what agents and supervisors may."""


STAFF: Final = (Role.AGENT, Role.SUPERVISOR, Role.MACHINE)
"""Who works on requests: what a route allows unless it says otherwise."""
LEAD: Final = (Role.SUPERVISOR, Role.MACHINE)
"""Who answers for others' work."""
EVERYBODY: Final = tuple(Role)
SEES_DETAILS: Final = frozenset(STAFF)
"""Roles that are shown citizens' details; to all others they are masked."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, and for which authority."""

    authority: str
    name: str
    """A person's name as their provider gives it, or a key's."""
    subject: str
    """Who it is for good: `key:<id>`, or the provider's issuer and subject. Never shown to citizens."""
    roles: frozenset[Role] = frozenset({Role.MACHINE})
    organisation: str | None = None
    """Set for an organisation's own staff, who see what is theirs and nothing else; `None`: the authority's people."""
    kind: Literal["key", "person", "citizen"] = "key"
    """`citizen`: who proved that a request is theirs."""
    key_id: UUID | None = None
    """Of an API key."""
    session: bool = False
    """Came by the browser's cookie."""
    per_minute: int | None = None
    """Calls a minute, where it differs from the settings'."""

    @property
    def actor(self) -> str:
        """How events name this caller."""
        return "citizen" if self.kind == "citizen" else f"{self.kind}:{self.name}"

    @property
    def sees_details(self) -> bool:
        """Whether citizens' words and details are shown unmasked."""
        return bool(self.roles & SEES_DETAILS)

    def has(self, *roles: Role) -> bool:
        """Whether the caller has any of these roles."""
        return not self.roles.isdisjoint(roles)


def read_roles(names: list[str]) -> frozenset[Role]:
    """Roles as they are stored; one that this version does not know gives no right."""
    known = {role.value: role for role in Role}
    return frozenset(known[name] for name in names if name in known)
