"""Pages for citizens: the sample page, the form without script, looking up a request; and the chat's own script."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec
from aiohttp import web

from gateway.api.chat import MOST_CHARACTERS, SURVEYS, proved
from gateway.api.chat_access import CHAT, LIMITS, address_of, authority_of, keep_within, may_call
from gateway.api.endpoint import Auth, Endpoint
from gateway.api.problems import ProblemError, problem
from gateway.api.staff import INTAKE, UNDERSTANDING
from gateway.chat import facts, pages
from gateway.chat.pages import Filled, Place
from gateway.chat.surveys import Opinion
from gateway.chat.texts import languages, texts
from gateway.chat.tracking import Standing
from gateway.errors import NotFound, Overloaded, StoreUnavailable
from gateway.identifiers import read_reference
from gateway.intake import Agreed, Answer, Incoming
from routing_rules.decision import Action, Decision, Facts, Part
from routing_rules.postcodes import normalise

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' "
    "data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _file(name: str) -> str:
    return (resources.files("gateway") / "web" / name).read_text(encoding="utf-8")


SCRIPT: Final = _file("front-door-chat.js")
STYLE: Final = _file("pages.css")


async def script(_: web.Request) -> web.Response:
    """GET /web/front-door-chat.js."""
    headers = {
        "Cross-Origin-Resource-Policy": "cross-origin",  # it is meant for a council's own pages
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "max-age=300",
    }
    answer = web.Response(text=SCRIPT, content_type="text/javascript", headers=headers)
    answer.enable_compression()
    return answer


async def style(_: web.Request) -> web.Response:
    """GET /web/pages.css."""
    answer = web.Response(
        text=STYLE, content_type="text/css", headers={**SECURITY, "Cache-Control": "max-age=300"}
    )
    answer.enable_compression()
    return answer


async def sample(request: web.Request) -> web.Response:
    """GET /."""
    door = request.app[UNDERSTANDING].door
    code = request.query.get("authority", next(iter(door.authorities)))
    if code not in door.authorities:
        raise NotFound("there is no such authority")
    floating = "floating" in request.query
    place = _place(request, code, f"/?authority={code}{'&floating=' if floating else ''}")
    others = {each.code: each.name for each in door.authorities.values() if each.code != code}
    return _page(pages.sample(place, others, floating=floating))


async def form(request: web.Request) -> web.Response:
    """GET /contact/{authority}."""
    place = _place(request, authority_of(request), request.path)
    return _page(pages.form(place, Filled(once=os.urandom(16).hex()), {}))


async def send(request: web.Request) -> web.Response:
    """POST /contact/{authority}."""
    _check_origin(request)
    authority = authority_of(request)
    place = _place(request, authority, request.path)
    sent = await request.post()
    given = {name: value for name, value in sent.items() if isinstance(value, str)}
    filled = Filled(
        **{name: given.get(name, "").strip() for name in ("once", "words", "postcode", "name", "contact")}
    )
    errors = _wrong(place, filled)
    if errors:
        return _page(pages.form(place, filled, errors), 422)
    understanding, door = request.app[UNDERSTANDING], request.app[UNDERSTANDING].door
    postcode = normalise(filled.postcode)
    asked = Facts(authority=authority, now=request.app[CHAT].clock.now(), channel="web", postcode=postcode)
    decision = await understanding.decide(filled.words, asked, door)
    try:
        if decision.emergency is None:
            keep_within(request, request.app[LIMITS].forms, address_of(request))
    except ProblemError as error:
        return _page(pages.form(place, filled, {"": place.texts.show("form-too-often")}), 429, error.headers)
    names = {code: service.name for code, service in door.catalogue.services.items()}
    needs: tuple[Agreed, ...] = ()
    if decision.emergency is None:
        if all(part.action is Action.REFUSE for part in decision.parts):
            return _page(pages.refused(place, decision.parts[0].tell))
        if _is_unclear(decision):
            agreed = _agreed(decision.parts, given) if given.get("step") == "2" else {}
            if isinstance(agreed, dict):
                shown = {field: place.texts.show(key) for field, key in agreed.items()}
                page = pages.clear_up(place, filled, decision.parts, names, shown)
                return _page(page, 422 if shown else 200)
            needs = tuple(agreed)
    try:
        answer = await _accept(request, place, filled, postcode, needs)
    except (StoreUnavailable, Overloaded) as error:
        retry = {"Retry-After": str(error.retry_after)}
        return _page(pages.form(place, filled, {"": place.texts.show("form-busy")}), 503, retry)
    return _page(pages.done(place, answer), 201)


async def track_form(request: web.Request) -> web.Response:
    """GET /track."""
    place = _place(request, next(iter(request.app[UNDERSTANDING].door.authorities)), "/track")
    return _page(pages.track_form(place, "", {}))


async def track(request: web.Request) -> web.Response:
    """POST /track."""
    _check_origin(request)
    sent = await request.post()
    given = {name: _CONTROL.sub("", value).strip() for name, value in sent.items() if isinstance(value, str)}
    spoken, proof = given.get("reference", "")[:60], given.get("proof", "")[:254]
    door = request.app[UNDERSTANDING].door
    reference = read_reference(spoken) or ""
    prefix = reference.split("-")[0]
    authority = next(
        (each.code for each in door.authorities.values() if each.settings.reference_prefix == prefix), None
    )
    place = _place(request, authority or next(iter(door.authorities)), "/track")
    nothing = {"reference": place.texts.show("track-not-found")}
    try:
        if authority is None:
            keep_within(request, request.app[LIMITS].proofs, address_of(request))
            return _page(pages.track_form(place, spoken, nothing), 404)
        found = await proved(request, authority, reference, proof)
    except NotFound:
        return _page(pages.track_form(place, spoken, nothing), 404)
    except ProblemError as error:
        return _page(
            pages.track_form(place, spoken, {"": place.texts.show("track-too-often")}), 429, error.headers
        )
    told = await _surveyed(request, place, found, given)
    names = {code: service.name for code, service in door.catalogue.services.items()}
    return _page(pages.standing(place, found, names, proof, told))


async def _surveyed(request: web.Request, place: Place, found: Standing, given: dict[str, str]) -> str:
    """Keep the survey, if this is one; what is said to it."""
    score = given.get("score", "")
    fixed = {"yes": True, "no": False}.get(given.get("fixed", ""))
    if score not in {"1", "2", "3", "4", "5"} and fixed is None:
        return ""
    opinion = Opinion(
        score=int(score) if score in {"1", "2", "3", "4", "5"} else 5 if fixed else 1,
        words=given.get("words", "")[:2000] or None,
        fixed=fixed,
    )
    new = await request.app[SURVEYS].of_request(place.code, found, opinion)
    if new is None:
        return place.texts.say("thanks")
    return place.texts.say("reopen", reference=found.reference, new=new)


async def _accept(
    request: web.Request, place: Place, filled: Filled, postcode: str | None, needs: tuple[Agreed, ...]
) -> Answer:
    citizen = facts.as_citizen({"name": filled.name, "contact": filled.contact})
    if place.texts.language != "en":
        citizen["language"] = place.texts.language
    incoming = Incoming(text=filled.words, channel="web", citizen=citizen, postcode=postcode, needs=needs)
    same = hashlib.sha256(msgspec.json.encode(incoming)).hexdigest()
    outcome = await request.app[INTAKE].accept(
        place.code, incoming, actor="form", trace_id=os.urandom(16).hex(), key=f"{filled.once[:64]}/{same}"
    )
    return msgspec.json.decode(outcome.answer, type=Answer)


def _is_unclear(decision: Decision) -> bool:
    return len(decision.parts) > 1 or any(part.action is Action.CLARIFY for part in decision.parts)


def _agreed(parts: Sequence[Part], given: dict[str, str]) -> list[Agreed] | dict[str, str]:
    """The needs as the second page was answered, or field → the text that says what is missing."""
    needs: list[Agreed] = []
    missing: dict[str, str] = {}
    for number, part in enumerate(parts):
        if part.action is Action.CLARIFY:
            picked = given.get(f"part-{number}")
            offered = {choice.service for choice in part.alternatives}
            if picked not in {*offered, "none"}:
                missing[f"part-{number}"] = "form-error-choice"
            else:
                needs.append(Agreed(text=part.text, service=None if picked == "none" else picked))
        elif len(parts) == 1 or given.get(f"keep-{number}") == "on":
            service = part.service if part.action is not Action.TRIAGE else None
            needs.append(Agreed(text=part.text, service=service))
    if missing:
        return missing
    return needs or {"": "form-error-none"}


def _wrong(place: Place, filled: Filled) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not filled.words or _CONTROL.search(filled.words):
        errors["words"] = place.texts.show("form-error-words")
    elif len(filled.words) > MOST_CHARACTERS:
        errors["words"] = place.texts.show("form-error-long", most=MOST_CHARACTERS)
    if filled.postcode and normalise(filled.postcode) is None:
        errors["postcode"] = place.texts.show("form-error-postcode")
    if len(filled.name) > 200 or _CONTROL.search(filled.name):
        errors["name"] = place.texts.show("form-error-long", most=200)
    if filled.contact and not facts.read_contact(filled.contact):
        errors["contact"] = place.texts.show("form-error-contact")
    return errors


def _check_origin(request: web.Request) -> None:
    """A form is sent from our own page. Other sites' pages may link to it, not fill it in."""
    origin = request.headers.get("Origin")
    if origin not in (None, "null") and not may_call(request, origin or ""):
        raise problem(
            403, "foreign-origin", "Foreign origin", "this form cannot be sent from another site's page"
        )


def _place(request: web.Request, authority: str, path: str) -> Place:
    wanted = request.query.get("language", "en")
    return Place(
        authority=request.app[UNDERSTANDING].door.authority(authority),
        texts=texts(wanted if wanted in languages() else "en"),
        path=path,
    )


def _page(html: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    private = {} if status == 200 and not headers else {"Cache-Control": "no-store"}
    return web.Response(
        text=html, status=status, content_type="text/html", headers={**SECURITY, **private, **(headers or {})}
    )


_PROBLEMS: Final = (403, 404, 413)

ENDPOINTS = [
    Endpoint(
        method=method, path=path, handler=handler, auth=Auth.PUBLIC, tag="Pages", summary=summary,
        answers=dict.fromkeys(statuses, str), media_type=kind, problems=problems,
    )
    for method, path, handler, summary, kind, statuses, problems in (
        ("GET", "/", sample, "A sample page of a council, with the chat", "text/html", (200,), (404,)),
        ("GET", "/contact/{authority}", form, "The form that needs no script", "text/html", (200,), (404,)),
        ("POST", "/contact/{authority}", send, "Send the form", "text/html", (200, 201, 422, 429, 503), _PROBLEMS),
        ("GET", "/track", track_form, "Look up a request", "text/html", (200,), ()),
        ("POST", "/track", track, "Where a request stands", "text/html", (200, 404, 429), (403, 409, 413, 503)),
        ("GET", "/web/front-door-chat.js", script, "The chat, as a web component", "text/javascript", (200,), ()),
        ("GET", "/web/pages.css", style, "How the pages for citizens look", "text/css", (200,), ()),
    )
]  # fmt: skip
