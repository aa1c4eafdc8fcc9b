"""Pages for citizens, as HTML: the sample page with the chat, the form without script, looking up a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import msgspec

from gateway.chat.texts import Texts, languages
from gateway.chat.tracking import Standing
from gateway.intake import Answer, AnswerPart
from routing_rules.authority import Authority
from routing_rules.decision import Action, Part

_NUMBER: Final = re.compile(r"(?<![\d-])(?:0\d{2,4} \d{3,4}(?: \d{3,4})?|116 123|999|111)(?![\d-])")
_EXIT: Final = "https://www.bbc.co.uk/weather"
SCORES: Final = {5: "very-satisfied", 4: "satisfied", 3: "neither", 2: "dissatisfied", 1: "very-dissatisfied"}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Whose page, in which language, at which address."""

    authority: Authority
    texts: Texts
    path: str

    @property
    def code(self) -> str:
        """The authority's code."""
        return self.authority.code

    def show(self, key: str, **values: object) -> str:
        """A text, filled in and safe in HTML."""
        return escape(self.texts.show(key, **values))

    def link(self, path: str) -> str:
        """An address that keeps the language."""
        joint = "&amp;" if "?" in path else "?"
        return escape(path) + (
            f"{joint}language={self.texts.language}" if self.texts.language != "en" else ""
        )


def page(place: Place, title: str, main: str, *, script: bool = False, sample: bool = False) -> str:
    """A whole page. `title` is plain text."""
    own = place.texts.language
    name = escape(place.authority.settings.name)
    switch = "".join(
        f'<a href="{escape(place.path)}{"&amp;" if "?" in place.path else "?"}language={tag}" lang="{tag}" hreflang="{tag}">'
        f"{escape(place.texts.page['language'])}</a>"
        for tag in languages()
        if tag != own
    )
    banner = f'<p class="sample"><span class="wide">{place.show("sample")}</span></p>' if sample else ""
    tag = '<script src="/web/front-door-chat.js" defer></script>' if script else ""
    return (
        f'<!doctype html>\n<html lang="{own}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="description" content="{place.show("sample-text")}">\n'
        f"<title>{escape(title)} - {name}</title>\n"
        '<link rel="icon" href="data:,">\n<link rel="stylesheet" href="/web/pages.css">\n'
        f"{tag}\n</head>\n<body>\n"
        f'<a class="skip" href="#main">{place.show("skip-link")}</a>\n'
        f'<header class="head"><div class="wide"><a class="name" href="{place.link(f"/?authority={place.code}")}">{name}</a>'
        f"{switch}</div>{banner}</header>\n"
        f'<div class="wide"><main id="main">\n{main}\n</main></div>\n{_foot(place)}\n</body>\n</html>\n'
    )


def _foot(place: Place) -> str:
    links = (
        (f"/contact/{place.code}", "form-title"),
        ("/track", "track-title"),
    )
    items = "".join(f'<li><a href="{place.link(path)}">{place.show(key)}</a></li>' for path, key in links)
    phone = place.authority.settings.public_contact.phone
    call = f"<li>{place.show('phone', phone=phone)}</li>" if phone else ""
    return f'<footer class="foot"><div class="wide"><ul>{items}{call}</ul></div></footer>'


def sample(place: Place, others: Mapping[str, str], *, floating: bool) -> str:
    """A council's page with the chat in it. `others`: the codes and names of the other authorities here."""
    chat = (
        f'<front-door-chat authority="{escape(place.code)}" language="{place.texts.language}"'
        f"{' floating' if floating else ''}>"
        f'<p><a href="{place.link(f"/contact/{place.code}")}">{place.show("sample-form")}</a></p></front-door-chat>'
    )
    links = "".join(
        f'<li><a href="{place.link(path)}">{place.show(key)}</a><p>{place.show(f"{key}-text")}</p></li>'
        for path, key in ((f"/contact/{place.code}", "sample-form"), ("/track", "sample-track"))
    )
    elsewhere = "".join(
        f'<li><a href="{place.link(f"/?authority={code}")}">{escape(name)}</a></li>'
        for code, name in others.items()
    )
    main = (
        f'<div class="two"><div><h1>{place.show("sample-title", name=place.authority.settings.short_name)}</h1>'
        f'<p class="lead">{place.show("sample-text")}</p><p class="call">{place.show("danger")}</p>'
        f'<ul class="links">{links}</ul></div><div>{chat}</div></div>'
        f'<h2>{place.show("sample-api")}</h2><ul><li><a href="/api/docs">{place.show("sample-docs")}</a>, '
        '<a href="/api/openapi.json">OpenAPI 3.1</a></li>'
        '<li><a href="/readyz">/readyz</a>, <a href="/metrics">/metrics</a></li>'
        f"{elsewhere}</ul>"
    )
    return page(
        place,
        place.texts.show("title", name=place.authority.settings.short_name),
        main,
        script=True,
        sample=True,
    )


# The form -------------------------------------------------------------------------------------------------------


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the form."""

    once: str
    words: str = ""
    postcode: str = ""
    name: str = ""
    contact: str = ""


def form(place: Place, filled: Filled, errors: Mapping[str, str]) -> str:
    """The form. `errors`: field → what is wrong, plain text; `""` is about the form as a whole."""
    fields = "".join(
        (
            _field(place, "words", filled.words, errors, area=True, hint="form-words-hint"),
            _field(place, "postcode", filled.postcode, errors, complete="postal-code", short=True),
            _field(place, "name", filled.name, errors, complete="name"),
            _field(place, "contact", filled.contact, errors, hint="form-contact-hint"),
        )
    )
    main = (
        f"{_errors(place, errors)}<h1>{place.show('form-title')}</h1>"
        f'<p class="lead">{place.show("form-intro")}</p><p class="call">{place.show("danger")}</p>'
        f'<form method="post" action="{place.link(f"/contact/{place.code}")}" novalidate class="narrow">'
        f'<input type="hidden" name="once" value="{escape(filled.once)}">{fields}'
        f'<button type="submit">{place.show("form-send")}</button></form>'
    )
    return page(place, _titled(place, "form-title", errors), main)


def clear_up(
    place: Place, filled: Filled, parts: Sequence[Part], names: Mapping[str, str], errors: Mapping[str, str]
) -> str:
    """The second page: which service is meant where that is not clear, and which of several needs are to be sent."""
    several = len(parts) > 1
    blocks = []
    for number, part in enumerate(parts):
        quoted = place.show("form-about", text=part.text)
        if part.action is Action.CLARIFY:
            offered = [
                (choice.service, names.get(choice.service, choice.service)) for choice in part.alternatives
            ]
            offered.append(("none", place.texts.show("form-none")))
            options = "".join(
                f'<label class="choice"><input type="radio" name="part-{number}" value="{escape(code)}"'
                f"{' id=part-' + str(number) if not place_ else ''}> {escape(name)}</label>"
                for place_, (code, name) in enumerate(offered)
            )
            field = f"part-{number}"
            wrong = errors.get(field)
            blocks.append(
                f'<fieldset class="field{" wrong" if wrong else ""}"><legend>{place.show("form-which")}</legend>'
                f'<p class="hint">{quoted}</p>{_error(wrong)}{options}</fieldset>'
            )
        elif several:
            label = names.get(part.service or "", place.texts.door["a-person-decides"])
            blocks.append(
                f'<label class="choice"><input type="checkbox" name="keep-{number}" value="on" checked'
                f"> <span><b>{escape(label)}</b><br>{quoted}</span></label>"
            )
    intro = f"<p>{place.show('form-several')}</p>" if several else ""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(getattr(filled, name))}">'
        for name in ("once", "words", "postcode", "name", "contact")
    )
    main = (
        f"{_errors(place, errors)}<h1>{place.show('form-title')}</h1>{intro}"
        f'<form method="post" action="{place.link(f"/contact/{place.code}")}" novalidate class="narrow">{hidden}'
        f'<input type="hidden" name="step" value="2">{"".join(blocks)}'
        f'<p><button type="submit">{place.show("form-continue")}</button></p></form>'
    )
    return page(place, _titled(place, "form-title", errors), main)


def done(place: Place, answer: Answer) -> str:
    """The reference, who has it, and what happens next. Words for danger come first."""
    alarm = ""
    if answer.words is not None:
        alarm = (
            f'<div class="alarm" role="alert"><p>{_with_numbers(answer.words)}</p>'
            f'<a class="exit" href="{_EXIT}" rel="noreferrer">{place.show("exit")}</a></div>'
        )
    items = "".join(f"<li>{_part(place, part)}</li>" for part in answer.parts)
    main = (
        f'{alarm}<div class="done"><h1>{place.show("done-title")}</h1><p>{place.show("done-reference")}</p>'
        f'<p class="reference">{escape(answer.reference)}</p></div>'
        f'<h2>{place.show("done-next")}</h2><ul class="state">{items}</ul><p class="narrow">{place.show("done-keep")}</p>'
        f'<ul class="links narrow"><li><a href="{place.link("/track")}">{place.show("done-track")}</a></li>'
        f'<li><a href="{place.link(f"/contact/{place.code}")}">{place.show("done-again")}</a></li></ul>'
    )
    return page(place, place.texts.show("done-title"), main)


def refused(place: Place, words: str | None) -> str:
    """Nothing that anybody here answers for."""
    main = (
        f"<h1>{place.show('form-title')}</h1><p class='lead'>{escape(words or place.texts.say('refused'))}</p>"
        f'<p><a href="{place.link(f"/contact/{place.code}")}">{place.show("done-again")}</a></p>'
    )
    return page(place, place.texts.show("form-title"), main)


def _part(place: Place, part: AnswerPart) -> str:
    if part.signpost is not None and part.action is Action.SIGNPOST:
        where = part.signpost
        link = (
            f' <a href="{escape(where.url)}" rel="noreferrer">{escape(where.name)}</a>' if where.url else ""
        )
        return f"<b>{escape(part.service_name or '')}</b>{_with_numbers(where.say)}{link}"
    if part.organisation_name is None or part.action is Action.TRIAGE:
        return escape(place.texts.say("part-people", text=part.text.split("\n")[0]))
    who = place.texts.say("part-with", service=part.service_name or "", organisation=part.organisation_name)
    return f"<b>{escape(who)}</b>{escape(part.tell or '')}"


# Looking up -----------------------------------------------------------------------------------------------------


def track_form(place: Place, reference: str, errors: Mapping[str, str]) -> str:
    """Which request, and the proof."""
    fields = _field(
        place, "reference", reference, errors, prefix="track", hint="track-reference-hint"
    ) + _field(place, "proof", "", errors, prefix="track")
    main = (
        f"{_errors(place, errors)}<h1>{place.show('track-title')}</h1>"
        f'<form method="post" action="{place.link("/track")}" novalidate class="narrow">{fields}'
        f'<button type="submit">{place.show("track-send")}</button></form>'
    )
    return page(place, _titled(place, "track-title", errors), main)


def standing(place: Place, found: Standing, names: Mapping[str, str], proof: str, told: str = "") -> str:
    """Where a request stands, what happened, and how it was."""
    texts = place.texts
    parts = "".join(
        f"<li><b>{escape(names.get(part.service or '', texts.say('a-person-decides')))}</b>"
        f"{escape(texts.say(f'state-{part.state}'))}"
        f"{_with_whom(place, part.organisation)}"
        f'<br><span class="when">{escape(texts.day(part.updated_at))}</span></li>'
        for part in found.parts
    )
    history = "".join(
        f'<li>{place.show(f"event-{each.kind}")}<br><span class="when">{escape(texts.day(each.at))}</span></li>'
        for each in found.history
    )
    received = place.show("track-received", date=texts.day(found.created_at)) if found.created_at else ""
    note = f'<div class="done" role="status"><p>{escape(told)}</p></div>' if told else ""
    main = (
        f'{note}<h1>{place.show("track-title")}</h1><p class="lead"><b>{escape(found.reference)}</b>. {received}</p>'
        f'<ul class="state">{parts}</ul><h2>{place.show("track-history")}</h2><ol class="state">{history}</ol>'
        f"{'' if told else _survey(place, found, proof)}"
        f'<p><a href="{place.link("/track")}">{place.show("track-another")}</a></p>'
    )
    return page(place, place.texts.show("track-title"), main)


def _with_whom(place: Place, organisation: str | None) -> str:
    known = place.authority.organisations.get(organisation or "")
    return "" if known is None else f" ({escape(known.name)})"


def _survey(place: Place, found: Standing, proof: str) -> str:
    if not found.ended:
        return ""
    fixed = "".join(
        f'<label class="choice"><input type="radio" name="fixed" value="{value}"> {place.show(key)}</label>'
        for value, key in (("yes", "track-fixed-yes"), ("no", "track-fixed-no"))
    )
    scores = "".join(
        f'<label class="choice"><input type="radio" name="score" value="{score}"> {place.show(key)}</label>'
        for score, key in SCORES.items()
    )
    return (
        f'<form method="post" action="{place.link("/track")}" class="narrow" novalidate>'
        f'<input type="hidden" name="reference" value="{escape(found.reference)}">'
        f'<input type="hidden" name="proof" value="{escape(proof)}">'
        f'<fieldset class="field"><legend>{place.show("track-fixed")}</legend>{fixed}</fieldset>'
        f'<fieldset class="field"><legend>{place.show("track-satisfied")}</legend>{scores}</fieldset>'
        f'<div class="field"><label for="words">{place.show("survey-words")}</label>'
        '<textarea id="words" name="words" rows="3" maxlength="2000"></textarea></div>'
        f'<button type="submit">{place.show("survey-send")}</button></form>'
    )


# Pieces ---------------------------------------------------------------------------------------------------------


def _field(
    place: Place, name: str, value: str, errors: Mapping[str, str], *, prefix: str = "form", area: bool = False,
    hint: str | None = None, complete: str | None = None, short: bool = False,
) -> str:  # fmt: skip
    wrong = errors.get(name)
    described = " ".join(([f"{name}-hint"] if hint else []) + ([f"{name}-error"] if wrong else []))
    about = (f' aria-describedby="{described}"' if described else "") + (
        ' aria-invalid="true"' if wrong else ""
    )
    auto = f' autocomplete="{complete}"' if complete else ' autocomplete="off"'
    box = (
        f'<textarea id="{name}" name="{name}" rows="6"{about}>{escape(value)}</textarea>'
        if area
        else f'<input type="text" id="{name}" name="{name}" value="{escape(value)}"{auto}{about}'
        f"{' class=short' if short else ''}>"
    )
    hinted = f'<p class="hint" id="{name}-hint">{place.show(hint)}</p>' if hint else ""
    error = f'<p class="error" id="{name}-error">{escape(wrong)}</p>' if wrong else ""
    return (
        f'<div class="field{" wrong" if wrong else ""}"><label for="{name}">{place.show(f"{prefix}-{name}")}</label>'
        f"{hinted}{error}{box}</div>"
    )


def _errors(place: Place, errors: Mapping[str, str]) -> str:
    if not errors:
        return ""
    items = "".join(
        f'<li><a href="#{escape(name)}">{escape(text)}</a></li>' if name else f"<li>{escape(text)}</li>"
        for name, text in errors.items()
    )
    return f'<div class="errors" role="alert"><h2>{place.show("form-error-title")}</h2><ul>{items}</ul></div>'


def _error(text: str | None) -> str:
    return f'<p class="error">{escape(text)}</p>' if text else ""


def _titled(place: Place, key: str, errors: Mapping[str, str]) -> str:
    title = place.texts.show(key)
    return f"{place.texts.show('form-error-title')}: {title}" if errors else title


def _with_numbers(words: str) -> str:
    return _NUMBER.sub(
        lambda found: f'<a href="tel:{found[0].replace(" ", "")}">{found[0]}</a>', escape(words)
    )
