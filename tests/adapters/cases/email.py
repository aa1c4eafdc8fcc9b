"""How e-mail joins the conformance suite: both ways of speaking TLS."""

from __future__ import annotations

from typing import Any

from adapters.base import Unavailable
from adapters.email import EmailAdapter
from adapters.sandbox.core import Mode, SandboxBackend
from adapters.sandbox.email import EmailSandbox, make
from tests.adapters.conformance import Case


def connection(backend: SandboxBackend) -> dict[str, Any]:
    """Reach a started sandbox."""
    assert isinstance(backend, EmailSandbox)
    return {
        "host": "127.0.0.1",
        "port": int(backend.url.rpartition(":")[2]),
        "tls": backend.tls,
        "sender": "front-door@barnet.example",
        "to": "referrals@charity.example",
        "callback_secret": "a secret of the conformance suite",
    }


def case(name: str, tls: str) -> Case:
    """Make a case."""
    return Case(
        name=name,
        protocol="email",
        make=make,
        connection=connection,
        adapter=EmailAdapter.from_connection,
        options=lambda _url: {"tls": tls},
        expect={
            # A mail server's no is a no, even where it is its own fault; and it asks for no certain wait.
            Mode.HTTP_500: Unavailable,
            Mode.HTTP_503: None,
            Mode.HTTP_429: None,
            # It neither knows a mail again nor takes back that it took it.
            Mode.DUPLICATE: None,
            Mode.HTTP_500_AFTER_ACCEPT: None,
        },
        reference=lambda delivery_id: f"<{delivery_id}@barnet.example>",
        statuses=("received", "working", "done"),
    )


CASES = [case("email-starttls", "starttls"), case("email-implicit", "implicit")]
