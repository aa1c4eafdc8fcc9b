"""How the organisations behind an authority's door are: whether they answer, and what waits for them."""

from __future__ import annotations

from datetime import datetime

import msgspec
from aiohttp import web

from gateway.api.callbacks import LINES
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.staff import POOL, UNDERSTANDING
from gateway.callers import EVERYBODY
from gateway.delivery.line import Line
from gateway.store.health import Backlog, backlogs
from gateway.store.pool import unavailable_is_clear
from routing_rules.organisation import Organisation


class OrganisationHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One organisation, as hand-overs to it go just now."""

    code: str
    name: str
    protocol: str
    connected: bool
    """Whether its own back end is behind it; if not, its work is on the council's worklist."""
    breaker: str
    """`closed`: it is sent to. `open`: it did not answer, and is left alone for a while. `half-open`: the next hand-over
    tries it. As the process that answers sees it: each has an opinion of its own."""
    next_try: float | None
    """Seconds until it is tried again; `null` while the breaker is closed."""
    waiting: int
    """Hand-overs that wait or are under way."""
    oldest: datetime | None
    """Since when the oldest of them waits."""
    dead: int
    """Hand-overs out of attempts: a person must look."""
    uncertain: int
    """Hand-overs that may have arrived: a person must look."""


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/organisations/health."""
    caller, lines = request[CALLER], request.app[LINES]
    with unavailable_is_clear():
        found = await backlogs(request.app[POOL], caller.authority, organisation=caller.organisation)
    waits = {each.organisation: each for each in found}
    place = request.app[UNDERSTANDING].door.authorities[caller.authority]
    return json_answer(
        [
            _health(each, lines.get((caller.authority, code)), waits.get(code))
            for code, each in place.organisations.items()
            if caller.organisation in (None, code)
        ]
    )


def _health(organisation: Organisation, line: Line | None, backlog: Backlog | None) -> OrganisationHealth:
    breaker = line.breaker if line is not None else None
    return OrganisationHealth(
        code=organisation.code,
        name=organisation.name,
        protocol=organisation.protocol,
        connected=line is not None and line.connected,
        breaker=breaker.position.name.lower().replace("_", "-") if breaker else "closed",
        next_try=breaker.seconds_until_probe() if breaker else None,
        waiting=backlog.waiting if backlog else 0,
        oldest=backlog.oldest if backlog else None,
        dead=backlog.dead if backlog else 0,
        uncertain=backlog.uncertain if backlog else 0,
    )


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/organisations/health",
        handler=listing,
        auth=Auth.KEY,
        roles=EVERYBODY,
        own_staff=True,
        tag="Deliveries",
        summary="How each organisation is, and what waits for it",
        description="What has only the worklist behind it never fails. An organisation's own people see theirs.",
        answers={200: list[OrganisationHealth]},
        problems=(401, 503),
    )
]
