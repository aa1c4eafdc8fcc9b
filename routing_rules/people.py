"""Who may do what for an authority: what its sign-in provider says of a person → roles here."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

RoleName = Literal["agent", "supervisor", "commissioner", "auditor"]
"""What a person can be. `machine` is for API keys alone."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whoever's token has this value in this claim gets these roles. Several that fit add up."""

    claim: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """`groups`, or a path into the claims: `realm_access.roles`."""
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """What it must be, or have among others."""
    roles: Annotated[tuple[RoleName, ...], msgspec.Meta(min_length=1)]
    organisation: str | None = None
    """For an organisation's own staff: they see what is theirs and nothing else."""
    issuer: str | None = None
    """Only from this provider."""


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retention]` in `authority.toml`: how long a citizen's words and details are kept once all is done."""

    days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """After the last change of a request that has ended. Without it, for good."""
    services: dict[str, Annotated[int, msgspec.Meta(ge=1)]] = {}
    """Service → days, where they differ. Of a request for several, the longest counts."""


class People(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[people]` in `authority.toml`."""

    grants: tuple[Grant, ...] = ()
