"""How signed webhooks join the conformance suite: with a reference in the answer, and with nothing in it."""

from __future__ import annotations

import base64
from typing import Any

from adapters.sandbox.core import Mode, SandboxBackend
from adapters.sandbox.webhook import make
from adapters.webhook import WebhookAdapter
from tests.adapters.conformance import Case

OLD = "whsec_" + base64.b64encode(b"an old secret of thirty-two byte").decode()
NEW = "whsec_" + base64.b64encode(b"a new secret of thirty-two bytes").decode()
BACK = "whsec_" + base64.b64encode(b"and one for the way back, longer").decode()


def connection(backend: SandboxBackend) -> dict[str, Any]:
    """Reach a started sandbox. Both secrets are in use: one is being changed for the other."""
    return {"url": backend.url, "secret": [NEW, OLD], "callback_secret": [NEW, BACK], "allow_private": True}


def case(name: str, **settings: Any) -> Case:
    """Make a case with the sandbox's settings."""
    return Case(
        name=name,
        protocol="webhook",
        make=make,
        connection=connection,
        adapter=WebhookAdapter.from_connection,
        options=lambda url: {"secret": OLD, "callback_secret": BACK, "callback_url": url or None} | settings,
        tells_duplicates=settings.get("reference", True),
        # An answer without a body has nothing to cut off, to garble or to flood with that would change its
        # meaning.
        expect={} if settings.get("reference", True) else {Mode.TRUNCATED: None},
        statuses=("accepted", "started", "finished"),
    )


CASES = [case("webhook"), case("webhook-silent", reference=False)]
