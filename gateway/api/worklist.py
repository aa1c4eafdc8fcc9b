"""Lists of work: one call gives one screen."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from gateway.api.desk import DESK, Code, looked
from gateway.api.endpoint import CALLER, Auth, Endpoint, json_answer
from gateway.api.masking import WORDS
from gateway.api.problems import invalid
from gateway.api.reading import read_query
from gateway.model import State
from gateway.store import call_backs, worklist
from gateway.store.call_backs import CallBack
from gateway.store.worklist import After, Count, Wanted, Work
from gateway.work.claims import check_skill
from gateway.work.desk import Desk
from routing_rules.authority import Authority

Queue = Literal["people", "triage", "mine", "claimed", "organisation", "due"]


class WorklistQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which work, and which page of it."""

    queue: Queue = "people"
    """`people`: all that waits for a person here. `triage`: what the door would not decide. `mine`: what you work on, were
    handed or are offered. `claimed`: what anybody works on. `organisation`: what one organisation has (name it). `due`: what
    was promised for soon, soonest first."""
    organisation: Code | None = None
    skill: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    """Only `group:…`, `organisation:…` or `service:…`; and what was handed to that skill."""
    service: Code | None = None
    state: State | None = None
    priority: Literal["normal", "urgent", "safeguarding"] | None = None
    tag: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    free: bool = False
    """Only what nobody works on."""
    due_within: Annotated[int, msgspec.Meta(ge=0, le=43_200)] = 60
    """Minutes, for `due`: from now; what is past due is always there."""
    cursor: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """`next` of the page before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class Worklist(msgspec.Struct, frozen=True, kw_only=True):
    """A page of work: safeguarding first, then urgent, then the oldest."""

    items: list[Work]
    call_backs: list[CallBack]
    """Call-backs that are due now, longest waiting first; on the first page."""
    next: str | None


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits where."""

    queues: list[Count]


async def listing(request: web.Request) -> web.Response:
    """GET /api/v1/worklist."""
    query = read_query(request, WorklistQuery)
    caller, desk = request[CALLER], request.app[DESK]
    now = desk.clock.now()
    wanted = _wanted(query, desk, caller.authority, caller.actor)
    after = _read_cursor(query.cursor) if query.cursor else None
    async with desk.view(caller.authority) as connection:
        rows = await worklist.listing(
            connection, caller.authority, wanted, now=now, after=after, limit=query.limit + 1
        )
        calls = []
        if after is None and query.queue in {"people", "mine"}:
            calls = await call_backs.due(
                connection, caller.authority, now, person=caller.actor if query.queue == "mine" else None
            )
    page = rows[: query.limit]
    if page or calls:
        await looked(
            request,
            "listed",
            [WORDS, "phone"] if calls else [WORDS],
            referrals=[work.referral_id for work, _ in page],
            call_backs=[each.call_back_id for each in calls],
        )
    more = _cursor(page[-1][1]) if len(rows) > query.limit else None
    return json_answer(Worklist(items=[work for work, _ in page], call_backs=calls, next=more))


async def queues(request: web.Request) -> web.Response:
    """GET /api/v1/queues."""
    caller, desk = request[CALLER], request.app[DESK]
    now = desk.clock.now()
    async with desk.view(caller.authority) as connection:
        found = await worklist.counts(
            connection,
            caller.authority,
            desks=people_of(desk.authority(caller.authority)),
            person=caller.actor,
            now=now,
            soon=now + timedelta(hours=1),
        )
    return json_answer(Queues(queues=found))


def people_of(authority: Authority) -> list[str]:
    """The organisations that have no system behind them: their work is done here."""
    return [code for code, each in authority.organisations.items() if each.protocol == "worklist"]


def _wanted(query: WorklistQuery, desk: Desk, code: str, actor: str) -> Wanted:
    authority, catalogue = desk.authority(code), desk.understanding.door.catalogue
    if query.organisation is not None and query.organisation not in authority.organisations:
        raise invalid(f"there is no organisation {query.organisation!r}", "?organisation")
    if (query.queue == "organisation") != (query.organisation is not None):
        raise invalid("goes with queue=organisation, and that with it", "?organisation")
    organisations = [query.organisation] if query.organisation else []
    services = [query.service] if query.service else None
    skills: list[str] = []
    if query.skill is not None:
        check_skill(query.skill, catalogue, authority)
        kind, _, name = query.skill.partition(":")
        skills = [query.skill]
        if kind == "organisation":
            organisations = [name]
        else:
            of_skill = list(catalogue.groups[name]) if kind == "group" else [name]
            services = [each for each in of_skill if services is None or each in services]
    everything = query.queue == "people"
    return Wanted(
        stuck=query.queue in {"people", "triage"},
        stuck_with=organisations or None,
        states=["triage"] if query.queue == "triage" else [query.state.value] if query.state else None,
        organisations=organisations or (people_of(authority) if everything else []),
        skills=skills,
        person=actor if query.queue == "mine" else None,
        claimed=query.queue == "claimed",
        due_before=desk.clock.now() + timedelta(minutes=query.due_within) if query.queue == "due" else None,
        services=services,
        priority=query.priority,
        free=query.free,
        tag=query.tag,
    )


def _cursor(after: After) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(after)).decode().rstrip("=")


def _read_cursor(cursor: str) -> After:
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=After)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise invalid("is no cursor of ours", "?cursor") from None


ENDPOINTS = [
    Endpoint(
        method="GET",
        path="/api/v1/worklist",
        handler=listing,
        auth=Auth.KEY,
        tag="Work",
        summary="What waits for a person",
        description="Safeguarding first, then urgent, then the oldest. Whoever works on something is named with it; a lease "
        "that ran out holds nothing, so nothing is stranded with somebody who went home.",
        query=WorklistQuery,
        answers={200: Worklist},
        problems=(401, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/queues",
        handler=queues,
        auth=Auth.KEY,
        tag="Work",
        summary="How much waits where, and since when",
        answers={200: Queues},
        problems=(401, 503),
    ),
]
