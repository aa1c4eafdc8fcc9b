"""What citizens are promised: how soon they hear that it was taken up, get an answer, and have it done."""

from __future__ import annotations

import msgspec

from routing_rules.hours import Acknowledge


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Promises for one need; what is left out is not promised."""

    acknowledge: Acknowledge | None = None
    """Until somebody has taken it up."""
    respond: Acknowledge | None = None
    """Until the citizen has an answer in words."""
    resolve: Acknowledge | None = None
    """Until it is done."""


_USUAL = Target(
    acknowledge=Acknowledge(working_days=1),
    respond=Acknowledge(working_days=5),
    resolve=Acknowledge(working_days=10),
)


class Targets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[targets]` tables of an authority's file."""

    default: Target = _USUAL
    """For every service that is not named: one, five and ten working days unless the file says otherwise."""
    services: dict[str, Target] = {}
    """Service → its own; what one of these leaves out is as in `default`."""

    def of(self, service: str | None) -> Target:
        """What is promised for a service."""
        own = self.services.get(service or "")
        if own is None:
            return self.default
        return Target(
            acknowledge=own.acknowledge or self.default.acknowledge,
            respond=own.respond or self.default.respond,
            resolve=own.resolve or self.default.resolve,
        )
