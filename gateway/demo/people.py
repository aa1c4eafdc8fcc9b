"""A sign-in provider with sample people, for the demo on this machine alone.

It speaks OpenID Connect as real ones do, but believes whoever clicks. The gateway takes such a provider only where it
listens on this machine and stand-ins are behind its organisations (`refuse_development`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import StartError
from gateway.oidc.grants import DEVELOPMENT_CLAIM
from gateway.oidc.provider import Provider
from gateway.settings import Settings

CLIENT: Final = "front-door-demo"
AUDIENCE: Final = "front-door-api"
LIFE: Final = 600


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who does not exist."""

    subject: str
    name: str
    about: str
    roles: tuple[str, ...]
    organisation: str | None = None


PEOPLE: Final = (
    Person(subject="sample-agent", name="Asha Agent", about="takes calls and chats", roles=("agent",)),
    Person(
        subject="sample-supervisor",
        name="Sam Supervisor",
        about="answers for the others' work",
        roles=("agent", "supervisor"),
    ),
    Person(subject="sample-auditor", name="Alex Auditor", about="looks at who did what", roles=("auditor",)),
)


class SampleProvider:
    """Use `running`; `issuer` is its address then."""

    def __init__(
        self, authority: str, *, people: Sequence[Person] = PEOPLE, development: bool = True
    ) -> None:
        self.issuer = ""
        self.fetched: list[str] = []
        """The paths that were asked for, in order."""
        self._authority = authority
        self._people = {person.subject: person for person in people}
        self._development = development
        self._codes: dict[str, tuple[Person, dict[str, str]]] = {}
        self._keys: list[tuple[str, ec.EllipticCurvePrivateKey]] = []
        self.rotate()

    @property
    def provider(self) -> Provider:
        """As the gateway's settings name it."""
        return Provider(
            name="sample-people" if self._development else "tests",
            title="sample people of the demo (not for real use)",
            issuer=self.issuer,
            client_id=CLIENT,
            audience=AUDIENCE,
            algorithms=("ES256",),
            authorities=(self._authority,),
            development=self._development,
        )

    def rotate(self) -> None:
        """Sign with a new key, and publish no other."""
        self._keys = [(secrets.token_hex(8), ec.generate_private_key(ec.SECP256R1()))]

    def token(self, subject: str, *, audience: str = AUDIENCE, **claims: Any) -> str:
        """A signed token; `claims` are added, or taken away where they are `None`."""
        person = self._people[subject]
        now = int(time.time())
        sample = {
            "authority": self._authority,
            "roles": list(person.roles),
            "organisation": person.organisation,
        }
        body = {
            "iss": self.issuer,
            "sub": person.subject,
            "aud": audience,
            "iat": now,
            "exp": now + LIFE,
            "name": person.name,
            **({DEVELOPMENT_CLAIM: sample} if self._development else {"groups": list(person.roles)}),
            **claims,
        }
        key_id, key = self._keys[-1]
        kept = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(kept, key, algorithm="ES256", headers={"kid": key_id})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SampleProvider]:
        """Answer on a free port of this machine."""
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._jwks)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.fetched.append(request.path)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def _jwks(self, _: web.Request) -> web.Response:
        found = [
            {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}
            for key_id, key in self._keys
        ]
        return web.json_response({"keys": found})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        back = asked.get("redirect_uri", "")
        if asked.get("client_id") != CLIENT or not back.endswith("/sign-in/callback"):
            raise web.HTTPBadRequest(text="not for this client")
        person = self._people.get(asked.pop("person", ""))
        if person is None:
            return self._choose(asked)
        code = secrets.token_urlsafe(16)
        self._codes[code] = person, asked
        raise web.HTTPFound(f"{back}?{urlencode({'code': code, 'state': asked.get('state', '')})}")

    def _choose(self, asked: dict[str, str]) -> web.Response:
        items = "".join(
            f"<li><a href='/authorize?{escape(urlencode({**asked, 'person': person.subject}))}'>"
            f"{escape(person.name)}</a>: {escape(person.about)}</li>"
            for person in self._people.values()
        )
        page = (
            "<!doctype html><html lang='en-GB'><meta charset='utf-8'><title>Development sign-in</title>"
            "<body style='font: 1.2rem/1.6 sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem'>"
            "<p style='background: #ffdd00; color: #0b0c0c; padding: 1rem'><strong>Development sign-in.</strong> These "
            "people do not exist, and nobody asks for a password. It runs with the demo, on this machine only.</p>"
            f"<h1>Who are you today?</h1><ul>{items}</ul></body></html>"
        )
        return web.Response(text=page, content_type="text/html")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        person, asked = self._codes.pop(str(form.get("code")), (None, {}))
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            person is None
            or challenge != asked.get("code_challenge")
            or form.get("redirect_uri") != asked.get("redirect_uri")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = self.token(person.subject, audience=CLIENT, nonce=asked.get("nonce"))
        return web.json_response({"id_token": token, "access_token": "unused", "token_type": "Bearer"})


def refuse_development(settings: Settings) -> None:
    """Raise `StartError` for a provider of sample people anywhere but in the demo."""
    if not any(provider.development for provider in settings.sign_in):
        return
    try:
        here = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        here = False
    if not here or settings.connections_file is None:
        raise StartError(
            "sign_in: a development provider lets anybody in; it works only in the demo: on this machine's own address and "
            "with stand-ins (connections_file) behind the organisations"
        )
