"""No unlisted field ever leaves: every organisation's own file, its real adapter, and what arrived at the other end."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote_plus
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

import routing_rules
from adapters.sandbox.town import Organisation as StandIn
from adapters.sandbox.town import make_backend
from gateway.clock import SystemClock
from gateway.connections import make_lines
from gateway.delivery.handover import FIELDS, build
from gateway.demo.town import Backend, Town
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.store.claims import Claim

CITIZEN: Final = {
    "name": "Zyxgiven Zyxfamily",
    "email": "zyxmail@example.org",
    "phone": "020 7946 0991",
    "address": "17 Zyxaddress Row",
    "date_of_birth": "1971-04-17",
    "nhs_number": "943 476 5919",
    "national_insurance_number": "QQ 12 34 56 C",
    "lat": 51.6048173,
    "long": -0.2039171,
    "language": "kw-zyxlang",
    "notes": "Zyxnotes: ring twice",
}
TEXT: Final = "Zyxdescription of what is needed"
POSTCODE: Final = "N12 0ZX"
FORMS: Final[dict[str, str]] = {
    "description": "zyxdescription",
    "name": "zyxgiven|zyxfamily",
    "email": "zyxmail",
    "phone": r"7946[ -]?0991",
    "address": "zyxaddress",
    "postcode": r"n12[ +]?0zx",
    "date_of_birth": r"1971-?04-?17|17[./]0?4[./]1971|17 april 1971",
    "nhs_number": r"943[ -]?476[ -]?5919",
    "national_insurance_number": r"qq ?12 ?34 ?56 ?c",
    "lat": r"51\.6048",
    "long": r"0\.2039",
    "language": "zyxlang",
    "notes": "zyxnotes",
}
"""How each field may be written when it arrives."""

FOLDER: Final = Path(routing_rules.__file__).parent / "authorities"
NAMES: Final = [
    f"{path.parent.parent.name}_{path.stem}"
    for path in sorted(FOLDER.glob("*/organisations/*.toml"))
    if 'protocol = "worklist"' not in path.read_text(encoding="utf-8")
]


class Listener:
    """Everything that arrives at one stand-in: addresses, headers, bodies, and what it kept."""

    def __init__(self, backend):
        self.backend = backend
        self.heard = []
        backend.ledger.keep_raw = True
        if hasattr(backend, "app"):
            backend.app.middlewares.append(self._listen())

    def _listen(self):
        @web.middleware
        async def listen(request, handler):
            self.heard += [request.raw_path.encode(), *(b": ".join(pair) for pair in request.raw_headers)]
            self.heard.append(await request.read())
            return await handler(request)

        return listen

    def text(self):
        """All of it, also as it reads once its encodings are taken off."""
        cases = list(self.backend.ledger)
        kept = [case.raw for case in cases] + [msgspec.json.encode(case.fields) for case in cases]
        return "\n".join(form for piece in (*self.heard, *kept) for form in _forms(piece)).lower()


def _forms(piece):
    plain = piece.decode("utf-8", "replace")
    yield plain
    yield unquote_plus(plain)
    for token in re.findall(rb"[A-Za-z0-9_+/-]{16,}={0,2}", piece):
        with contextlib.suppress(ValueError):
            yield base64.urlsafe_b64decode(token.replace(b"+", b"-").replace(b"/", b"_") + b"===").decode(
                "utf-8", "replace"
            )
    mail = email.message_from_bytes(piece, policy=email.policy.default)
    for part in mail.walk():
        if part.get_content_maintype() == "text" and part["Content-Transfer-Encoding"]:
            yield part.get_content()
        yield from (str(value) for value in part.values())


@pytest.fixture(scope="module")
async def town(rules, tmp_path_factory):
    """A listener behind every organisation of both authorities, and the gateway's real lines to them."""
    plan = Town(tmp_path_factory.mktemp("town"), rules)
    listeners = {}
    for each in plan.configure()["organisations"]:
        backend = make_backend(msgspec.convert(each, StandIn))
        listeners[each["code"]] = Listener(backend)
        await backend.start(drive=False)
    plan.connect(
        {
            code: Backend(each.backend.protocol, each.backend.url, each.backend.control_url)
            for code, each in listeners.items()
        }
    )
    lines = make_lines(rules, Settings(connections_file=plan.connections), {}, SystemClock(), Metrics())
    yield listeners, lines
    for line in lines.values():
        await line.adapter.close()
    for each in listeners.values():
        await each.backend.close()


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_that_is_not_listed_arrives(town, rules, name):
    """A citizen of whom everything is known is handed over; the stand-in finds only what the file lists."""
    listeners, lines = town
    authority, _, code = name.partition("_")
    line, listener = lines[authority, code], listeners[name]
    assert line.connected
    now = SystemClock().now()
    claim = Claim(
        authority_id=authority,
        delivery_id=uuid4(),
        referral_id=uuid4(),
        request_id=uuid4(),
        organisation=code,
        role="lead",
        attempt=1,
        fence=1,
        check_first=False,
        traceparent="00-00000000000000000000000000000001-0000000000000001-01",
        queued_at=now,
        reference="BAR-AAAA-AAAA",
        created_at=now,
        text=TEXT,
        service="podiatry",
        priority="normal",
        chain=[],
        citizen=CITIZEN,
        postcode=POSTCODE,
    )
    receipt = await line.adapter.deliver(build(claim, line.organisation, rules.catalogue, None))
    assert receipt.external_reference
    assert len(listener.backend.ledger) == 1
    arrived = {field for field, form in FORMS.items() if re.search(form, listener.text())}
    listed = set(line.organisation.sharing.fields)
    assert arrived - listed == set(), "left without being listed"
    assert listed - arrived == set(), "listed, and lost on the way"


def test_every_field_has_a_form_to_look_for():
    """A new field cannot slip past this test."""
    assert set(FORMS) == set(FIELDS)


def test_a_listener_hears_what_is_hidden_in_an_encoding():
    """Otherwise the test above could not fail: form fields, tokens and mails are read as well."""
    token = base64.urlsafe_b64encode(b'{"sub": "Zyxgiven Zyxfamily"}').rstrip(b"=")
    mail = email.message.EmailMessage()
    mail["Subject"] = "Zyxé zyxaddress"
    mail.set_content("zyxnotes é\n", cte="base64")
    pieces = [b"phone=020+7946+0991", b"Authorization: Bearer x." + token, mail.as_bytes()]
    heard = "\n".join(form for piece in pieces for form in _forms(piece)).lower()
    for field in ("phone", "name", "address", "notes"):
        assert re.search(FORMS[field], heard), field
