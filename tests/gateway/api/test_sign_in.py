"""People sign in with their own provider: by token, or by browser with a session that no other site can use."""

from __future__ import annotations

import base64
import hashlib
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.clock import SystemClock
from gateway.demo.people import Person, SampleProvider
from gateway.errors import StartError
from gateway.settings import Settings, load
from tests.gateway.api.house import gateway, with_grants

SESSION, SIGN_IN = "__Host-front-door-session", "__Host-front-door-sign-in"
PEOPLE = (
    Person(subject="ann", name="Ann", about="", roles=("agent",)),
    Person(subject="sue", name="Sue", about="", roles=("agent", "supervisor")),
    Person(subject="odd", name="Odd", about="", roles=("gardener",)),
)


class LateClock(SystemClock):
    """The system's clock, which a test may put forward."""

    def __init__(self):
        super().__init__()
        self.late = 0.0

    def monotonic(self):
        return super().monotonic() + self.late


@pytest.fixture
async def house(door, database_url):
    """A gateway and its provider."""
    async with SampleProvider("barnet", people=PEOPLE, development=False).running() as people:
        clock = LateClock()
        async with gateway(with_grants(door), database_url, clock=clock, sign_in=(people.provider,)) as api:
            api.people, api.clock = people, clock
            yield api


async def me(api, token, **headers):
    return await api.bare("GET", "/api/v1/me", headers={"Authorization": f"Bearer {token}", **headers})


async def test_a_token_of_the_provider_signs_in_with_the_granted_roles(house):
    """Claims become roles by the authority's own grants, and nothing else does."""
    status, headers, body = await me(house, house.people.token("sue"))
    assert (status, body["name"], body["kind"]) == (200, "Sue", "person")
    assert (body["authority"], body["roles"], body["organisation"]) == (
        "barnet",
        ["agent", "supervisor"],
        None,
    )
    assert headers["RateLimit-Policy"] == '"default";q=600;w=60'


async def test_somebody_without_a_role_is_told_so(house):
    """Signed in is not let in."""
    status, _, body = await me(house, house.people.token("odd"))
    assert (status, body["type"]) == (403, "/api/docs#forbidden")


async def test_an_organisations_own_people_are_told_apart_by_their_claims(house):
    """A path into the claims, and a list in it."""
    token = house.people.token("odd", realm_access={"roles": ["x", "pct-desk"]})
    status, _, body = await me(house, token)
    assert (status, body["organisation"]) == (200, "pct")


async def test_somebody_of_two_organisations_is_refused_rather_than_guessed(house):
    """Grants that contradict each other open nothing."""
    token = house.people.token("ann", realm_access={"roles": ["pct-desk"]})
    assert (await me(house, token))[0] == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "somebody-else"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1_000_000_000},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
        {"exp": None},
        {"sub": None},
        {"exp": "soon"},
        {"aud": None},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_now_and_for_us_is_refused(house, changes):
    """Issuer, audience and times are all looked at, and all must be there."""
    status, _, body = await me(house, house.people.token("ann", **changes))
    assert (status, body["type"]) == (401, "/api/docs#unauthorised")


async def test_a_clock_that_is_a_little_off_does_not_lock_out(house):
    """Within the skew a token counts, beyond it it does not."""
    now = int(house.clock.now().timestamp())
    assert (await me(house, house.people.token("ann", iat=now + 30)))[0] == 200
    assert (await me(house, house.people.token("ann", iat=now - 900, exp=now - 30)))[0] == 200
    assert (await me(house, house.people.token("ann", iat=now - 900, exp=now - 90)))[0] == 401


async def test_only_signatures_of_the_allowed_kinds_by_published_keys_count(house):
    """None, shared secrets, another's key under a known name: all refused."""
    good = house.people.token("ann")
    claims = jwt.decode(good, options={"verify_signature": False})
    key_id = jwt.get_unverified_header(good)["kid"]
    published = (await _keys(house))[0]
    forged = [
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(
            claims,
            published["x"] + published["y"],
            algorithm="HS256",
            headers={"kid": key_id},
        ),
        jwt.encode(
            claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": key_id}
        ),
        jwt.encode(
            claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "new"}
        ),
        jwt.encode(
            claims, ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers={"kid": key_id}
        ),
        good[:-8] + ("A" * 8 if not good.endswith("A" * 8) else "B" * 8),
        good + ".x",
        "a.b.c",
        "e" * 8_000,
    ]
    for token in forged:
        assert (await me(house, token))[0] == 401
    assert (await me(house, good))[0] == 200


async def _keys(house):
    async with house.session.get(f"{house.people.issuer}/keys") as answer:
        return (await answer.json())["keys"]


async def test_keys_are_fetched_once_and_again_when_the_provider_changes_them(house):
    """A new key is found without a restart; unknown names do not make us ask the provider each time."""
    for subject in ("ann", "sue", "ann"):
        assert (await me(house, house.people.token(subject)))[0] == 200
    assert house.people.fetched.count("/keys") == 1
    old = house.people.token("sue", jti="1")
    house.people.rotate()
    assert (await me(house, house.people.token("ann")))[0] == 401  # asked a moment ago
    house.clock.late += 31
    assert (await me(house, house.people.token("ann")))[0] == 200
    assert (await me(house, old))[0] == 401
    for number in range(5):
        await me(house, house.people.token("ann", jti=str(number)))
        await me(house, old)
    assert house.people.fetched.count("/keys") == 2


async def test_a_token_without_any_audience_setting_is_not_taken(door, database_url):
    """Bearer tokens are opened by naming the audience; a token made for another client is no key to this door."""
    async with SampleProvider("barnet", people=PEOPLE, development=False).running() as people:
        provider = msgspec.structs.replace(people.provider, audience=None)
        async with gateway(with_grants(door), database_url, sign_in=(provider,)) as api:
            assert (await me(api, people.token("ann")))[0] == 401
            assert (await me(api, people.token("ann", audience=provider.client_id)))[0] == 401


async def test_what_a_provider_says_of_another_authoritys_people_is_not_believed(door, database_url):
    """A provider speaks for the authorities that the settings give it."""
    async with SampleProvider("barnet", people=PEOPLE, development=False).running() as people:
        both = with_grants(with_grants(door), authority="northamptonshire")
        async with gateway(both, database_url, sign_in=(people.provider,)) as api:
            status, _, _ = await me(api, people.token("ann"), **{"Front-Door-Authority": "northamptonshire"})
            assert status == 403
        shared = msgspec.structs.replace(people.provider, authorities=())
        async with gateway(both, database_url, sign_in=(shared,)) as api:
            status, _, body = await me(api, people.token("ann"))
            assert (status, "barnet, northamptonshire" in body["detail"]) == (403, True)
            status, _, body = await me(
                api, people.token("ann"), **{"Front-Door-Authority": "northamptonshire"}
            )
            assert (status, body["authority"]) == (200, "northamptonshire")


async def test_a_provider_that_is_away_is_said_and_keys_still_work(door, database_url):
    """503 for whom it would have to vouch for; API keys ask nobody."""
    async with SampleProvider("barnet", people=PEOPLE, development=False).running() as people:
        token, provider = people.token("ann"), people.provider
    async with gateway(with_grants(door), database_url, sign_in=(provider,)) as api:
        status, headers, body = await me(api, token)
        assert (status, body["type"]) == (503, "/api/docs#sign-in-away")
        assert headers["Retry-After"]
        assert (await api.call("GET", "/api/v1/me"))[0] == 200
        assert (await api.bare("GET", "/sign-in"))[0] == 503


async def go(api, path, **options):
    """One step of a browser."""
    async with api.session.get(path, allow_redirects=False, **options) as answer:
        await answer.read()
        return answer.status, answer.headers, dict(answer.cookies.items())


async def walk(api, person="ann", *, return_to="/console"):
    """Sign in as a browser does; the session's cookie."""
    status, headers, cookies = await go(api, f"{api.url}/sign-in?authority=barnet&return_to={return_to}")
    assert status == 302
    status, headers, _ = await go(api, f"{headers['Location']}&person={person}")
    assert status == 302
    cookie = {"Cookie": f"{SIGN_IN}={cookies[SIGN_IN].value}"}
    return await go(api, headers["Location"], headers=cookie)


async def test_a_browser_signs_in_and_out(house):
    """Code and PKCE to the provider, a cookie no script reads, and nothing left of it after signing out."""
    status, headers, cookies = await walk(house)
    assert (status, headers["Location"]) == (302, "/console")
    cookie = cookies[SESSION]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (
        True,
        True,
        "Lax",
        "/",
    )
    sent = {"Cookie": f"{SESSION}={cookie.value}"}
    status, _, body = await house.bare("GET", "/api/v1/me", headers=sent)
    assert (status, body["name"], body["roles"]) == (200, "Ann", ["agent"])
    status, _, _ = await house.bare("POST", "/sign-out", headers={**sent, "Front-Door-Csrf": "1"})
    assert status == 204
    assert (await house.bare("GET", "/api/v1/me", headers=sent))[0] == 401


async def test_the_way_to_the_provider_carries_pkce_and_a_nonce(house):
    """A stolen code is worth nothing."""
    _, headers, _ = await go(house, f"{house.url}/sign-in?authority=barnet")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(headers["Location"]).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert len(base64.urlsafe_b64decode(asked["code_challenge"] + "=")) == hashlib.sha256().digest_size
    assert {"state", "nonce"} <= asked.keys()
    assert asked["response_type"] == "code"


async def test_a_sign_in_is_ended_by_the_browser_that_began_it_and_once(house):
    """Another browser, or the same link again, gets nothing: nobody is signed in to somebody else's session."""
    _, headers, cookies = await go(house, f"{house.url}/sign-in?authority=barnet")
    _, headers, _ = await go(house, f"{headers['Location']}&person=sue")
    back = headers["Location"]
    assert (await go(house, back))[0] == 400
    assert (await go(house, back, headers={"Cookie": f"{SIGN_IN}=another"}))[0] == 400
    own = {"Cookie": f"{SIGN_IN}={cookies[SIGN_IN].value}"}
    assert (await go(house, back, headers=own))[0] == 302
    assert (await go(house, back, headers=own))[0] == 400


async def test_where_to_go_on_to_is_ours(house):
    """No address of anybody else's, however it is written."""
    for wrong in ("https://evil.example/", "//evil.example", "/%5Cevil.example", "javascript:1"):
        status, headers, _ = await walk(house, return_to=wrong)
        assert (status, headers["Location"]) == (302, "/console"), wrong
    _, headers, _ = await walk(house, return_to="/console/triage")
    assert headers["Location"] == "/console/triage"


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("POST", {}, 403),
        ("POST", {"Front-Door-Csrf": "1", "Origin": "https://evil.example"}, 403),
        ("POST", {"Front-Door-Csrf": "1", "Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Front-Door-Csrf": "1", "Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Front-Door-Csrf": "1", "Origin": "null"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", {"Sec-Fetch-Site": "none"}, 200),
        ("GET", {}, 200),
        ("POST", {"Front-Door-Csrf": "1", "Sec-Fetch-Site": "same-origin"}, 201),
    ],
    ids=str,
)
async def test_other_sites_cannot_call_with_the_cookie(house, method, headers, expected):
    """Where a call comes from and our own header both count; neither is needed with a key."""
    _, _, cookies = await walk(house)
    body = {"json": {"text": "my bin was missed"}} if method == "POST" else {}
    sent = {"Cookie": f"{SESSION}={cookies[SESSION].value}", **headers}
    status, _, answer = await house.bare(method, "/api/v1/requests", headers=sent, **body)
    assert status == expected, answer


async def test_a_session_is_kept_as_a_hash_and_ends_by_itself(door, database_url, pool, clock):
    """What the database holds signs nobody in, and a session left alone is over."""
    async with SampleProvider("barnet", people=PEOPLE, development=False).running() as people:
        clock.wall = SystemClock().now()
        async with gateway(with_grants(door), database_url, clock=clock, sign_in=(people.provider,)) as api:
            _, _, cookies = await walk(api)
            secret = cookies[SESSION].value.split(".")[1]
            row = await pool.fetchrow("SELECT session_hash, subject FROM sessions")
            assert row["session_hash"] == hashlib.sha256(secret.encode()).digest()
            sent = {"Cookie": f"{SESSION}={cookies[SESSION].value}"}
            for _ in range(3):
                clock.pass_(59 * 60)
                assert (await api.bare("GET", "/api/v1/me", headers=sent))[0] == 200
            clock.pass_(61 * 60)
            assert (await api.bare("GET", "/api/v1/me", headers=sent))[0] == 401
            cookie = SimpleCookie(f"{SESSION}=northamptonshire.{secret}")
            sent = {"Cookie": cookie.output(header="").strip()}
            assert (await api.bare("GET", "/api/v1/me", headers=sent))[0] == 401


async def test_signing_in_and_out_is_written_down(house, pool):
    """Who, when, by which provider."""
    _, _, cookies = await walk(house)
    sent = {"Cookie": f"{SESSION}={cookies[SESSION].value}", "Front-Door-Csrf": "1"}
    await house.bare("POST", "/sign-out", headers=sent)
    rows = await pool.fetch("SELECT action, actor, subject FROM audit ORDER BY audit_id")
    assert [row["action"] for row in rows] == ["signed_in", "signed_out"]
    assert {(row["actor"], row["subject"]) for row in rows} == {("person:Ann", f"{house.people.issuer}#ann")}


def test_sample_people_are_refused_outside_the_demo(door):
    """Wherever the real thing runs, a provider that believes anybody does not start."""
    from gateway.app import build  # noqa: PLC0415

    people = SampleProvider("barnet")
    people.issuer = "http://127.0.0.1:1"
    for settings in (
        Settings(sign_in=(people.provider,)),
        Settings(sign_in=(people.provider,), host="0.0.0.0", connections_file="x"),
    ):
        with pytest.raises(StartError, match="development provider"):
            build(settings, door, {})


@pytest.mark.parametrize(
    ("provider", "named"),
    [
        ({"issuer": "http://login.example.org"}, "https"),
        ({"issuer": "http://127.0.0.1:1", "algorithms": ["HS256"]}, "HS256"),
        ({"issuer": "http://127.0.0.1:1", "algorithms": ["none"]}, "none"),
        ({"issuer": "https://a.example", "development": True}, "development"),
        ({"issuer": "https://a.example", "secret": "x"}, "secret"),
        ({"issuer": "https://user@a.example"}, "issuer"),
    ],
    ids=str,
)
def test_a_provider_that_cannot_be_trusted_stops_the_start(provider, named):
    """Cleartext, shared secrets and typing errors are named."""
    text = msgspec.json.encode([{"name": "x", "client_id": "c", **provider}]).decode()
    with pytest.raises(StartError, match=named):
        load({"FRONT_DOOR_SIGN_IN": text})
