"""What a person may do: the provider's claims, read by the authority's own `[people]` grants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.callers import Caller, read_roles
from gateway.errors import Forbidden
from gateway.oidc.provider import Provider
from routing_rules.authority import Authority
from routing_rules.people import Grant

DEVELOPMENT_CLAIM: Final = "front_door_sample"


def caller_of(
    claims: Mapping[str, Any], provider: Provider, authorities: Mapping[str, Authority], wanted: str | None
) -> Caller:
    """Who this is, within `wanted` or the one authority that knows them.

    Raises `Forbidden` when no authority knows them, or several do and none was named.
    """
    places = [wanted] if wanted is not None else list(authorities)
    found = [
        caller
        for code in places
        if code in authorities and provider.knows(code)
        if (caller := _within(authorities[code], claims, provider)) is not None
    ]
    if not found:
        raise Forbidden("you are signed in, but no authority here has given you a role")
    if len(found) > 1:
        names = ", ".join(caller.authority for caller in found)
        raise Forbidden(f"you have roles with several authorities; name one in Front-Door-Authority: {names}")
    return found[0]


def _within(authority: Authority, claims: Mapping[str, Any], provider: Provider) -> Caller | None:
    if provider.development:
        sample = claims.get(DEVELOPMENT_CLAIM)
        if not isinstance(sample, dict) or sample.get("authority") != authority.code:
            return None
        roles, organisations = [str(role) for role in sample.get("roles", [])], {sample.get("organisation")}
    else:
        fitting = [grant for grant in authority.settings.people.grants if _fits(grant, claims, provider)]
        roles = [role for grant in fitting for role in grant.roles]
        organisations = {grant.organisation for grant in fitting}
    if not roles:
        return None
    if len(organisations) != 1:
        raise Forbidden(
            f"{authority.code} counts you among the people of several organisations; its grants must be mended"
        )
    return Caller(
        authority=authority.code,
        name=_name(claims),
        subject=f"{provider.issuer}#{claims['sub']}"[:500],
        roles=read_roles(roles),
        organisation=organisations.pop(),
        kind="person",
    )


def _fits(grant: Grant, claims: Mapping[str, Any], provider: Provider) -> bool:
    if grant.issuer is not None and grant.issuer != provider.issuer:
        return False
    value: Any = claims
    for step in grant.claim.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return grant.value in value if isinstance(value, list) else value == grant.value


def _name(claims: Mapping[str, Any]) -> str:
    for claim in ("name", "preferred_username", "email"):
        value = claims.get(claim)
        if isinstance(value, str) and value.strip() and value.isprintable():
            return value.strip()[:100]
    return str(claims["sub"])[:100]
