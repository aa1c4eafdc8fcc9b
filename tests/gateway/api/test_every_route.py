"""Every route there is: what belongs to one authority does not reach another, and nothing answers what it does not say."""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from gateway.api.endpoint import ENDPOINTS, Auth
from gateway.callers import Role
from gateway.demo.people import SampleProvider
from tests.gateway.api.house import gateway, key, with_grants

TEXT = "wibble-7f3a the lamp post outside my house flickers"
STREAM = "text/event-stream"
NAMES = re.compile(r"\{(\w+)(?::[^}]*)?\}")
BODIES = [
    {"reason": "wibble"},
    {"name": "Somebody"},
    {"service": "missed-bin", "reason": "wibble"},
    {"text": "my bin was missed"},
    {"url": "https://subscriber.example/x"},
    {},
]


async def furnish(api, pool):
    """Let Barnet have one of everything that has an id; its ids and words."""
    status, _, made = await api.call(
        "POST",
        "/api/v1/requests",
        json={
            "text": TEXT,
            "postcode": "N12 0AB",
            "citizen": {"name": "Wanda Wibble", "phone": "020 8000 0000"},
        },
    )
    assert status == 201
    _, _, whole = await api.call("GET", f"/api/v1/requests/{made['reference']}")
    await api.call("POST", "/api/v1/requests", json={"text": "i want to kill myself wibble-7f3a"})
    await api.call("POST", "/api/v1/subscriptions", json={"url": "https://subscriber.example/hook"})
    _, _, page = await api.call("GET", "/api/v1/requests?limit=1")
    await pool.execute(
        "UPDATE deliveries SET state = 'dead' WHERE request_id = $1", uuid.UUID(whole["request_id"])
    )
    ids = {made["reference"], page["next"]}
    columns = await pool.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND udt_name = 'uuid'"
    )
    for column in columns:
        rows = await pool.fetch(
            f"SELECT DISTINCT {column['column_name']}::text AS id FROM {column['table_name']}"
            f" WHERE authority_id = 'barnet' AND {column['column_name']} IS NOT NULL LIMIT 1"
        )
        ids |= {row["id"] for row in rows}
    for column in await pool.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND column_name IN ('reference', 'external_reference')"
    ):
        rows = await pool.fetch(
            f"SELECT {column['column_name']} AS id FROM {column['table_name']} WHERE authority_id = 'barnet'"
            f" AND {column['column_name']} IS NOT NULL LIMIT 1"
        )
        ids |= {row["id"] for row in rows}
    return sorted(ids)


async def snapshot(pool):
    """Everything Barnet has, but for what its own courier and chain do meanwhile."""
    tables = await pool.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'authority_id'"
    )
    moving = {"deliveries", "attempts", "audit_chain", "audit_heads", "status_updates", "poll_cursors"}
    return {
        name: await pool.fetchval(
            f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t WHERE authority_id = 'barnet'"
        )
        for name in sorted({row["table_name"] for row in tables} - moving)
    }


@pytest.mark.timeout(240)  # some thousand calls
async def test_no_route_tells_or_changes_anything_of_another_authority(door, database_url, pool):
    """Each id, reference and cursor of Barnet's, in each place of each route, with Northamptonshire's key."""
    async with gateway(door, database_url, courier_poll=30) as api:
        ids = await furnish(api, pool)
        await asyncio.sleep(0.5)  # the courier's own work on what is there
        before = await snapshot(pool)
        tried = 0
        for route in api.app.router.routes():
            endpoint = api.app[ENDPOINTS].get(id(route))
            if endpoint is None or endpoint.auth is not Auth.KEY or endpoint.path == "/sign-out":
                continue
            if endpoint.media_type == STREAM:
                continue  # it does not end; tested by itself
            for path in _paths(endpoint, ids):
                for body in _bodies(endpoint, ids):
                    options = {} if body is None else {"json": body}
                    status, _, answer = await api.call(
                        *(route.method, path),
                        authority="northamptonshire",
                        headers={"If-Match": "*"},
                        **options,
                    )
                    tried += 1
                    assert status < 500, (route.method, path, answer)
                    named = NAMES.search(endpoint.path) and "organisation}" not in endpoint.path
                    assert not (named and status < 400), (route.method, path, answer)
                    text = str(answer)
                    assert "wibble-7f3a" not in text, (route.method, path)
                    assert "Wanda" not in text, (route.method, path)
                    # What the caller sent may come back in "there is no …"; nothing else of Barnet's may.
                    assert not [each for each in ids if each in text and each not in path], (
                        route.method,
                        path,
                    )
        assert tried > 200
        assert await snapshot(pool) == before


def _bodies(endpoint, ids):
    if endpoint.body is None:
        return [None]
    fields = {*endpoint.body.__struct_fields__}
    if "reference" not in fields:
        return [body for body in BODIES if {*body} <= fields and (body or fields)]
    named = [{"reference": each} for each in ids] + [{"phone": "020 8000 0000"}]
    reason = {"reason": "wibble"} if "reason" in fields else {}
    return [{**each, **reason} for each in named]


def _paths(endpoint, ids):
    names = NAMES.findall(endpoint.path)
    if names:
        for each in ids:
            yield NAMES.sub(lambda _, each=each: each, endpoint.path)
        return
    yield endpoint.path
    if endpoint.query is not None:
        for name, each in itertools.product(endpoint.query.__struct_fields__, ids):
            yield f"{endpoint.path}?{name}={each}"


async def test_roles_open_what_they_should_and_no_more(door, database_url):
    """Each role at each route: 403 exactly where its description does not name it."""
    async with gateway(door, database_url) as api:
        keys = {role: await key(database_url, "barnet", role) for role in Role}
        own = await key(database_url, "barnet", Role.AGENT, organisation="pct")
        for route in api.app.router.routes():
            endpoint = api.app[ENDPOINTS].get(id(route))
            if endpoint is None or endpoint.auth is not Auth.KEY:
                continue
            path = NAMES.sub("x", endpoint.path)
            for role, secret in keys.items():
                status, answer = await _began(api, route.method, path, secret)
                forbidden = status == 403 and answer["type"] == "/api/docs#forbidden"
                assert forbidden is (role not in endpoint.roles), (role, route.method, path, answer)
            status, answer = await _began(api, route.method, path, own)
            allowed = endpoint.own_staff and Role.AGENT in endpoint.roles
            assert (status != 403) is allowed, (route.method, path, answer)


async def _began(api, method, path, secret):
    """The status, and what a refusal says: a stream of events would not end by itself."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with api.session.request(method, api.url + path, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None) if answer.status == 403 else None


async def test_the_stream_of_events_tells_one_authoritys_own(door, database_url, pool):
    """Whatever event of Barnet's Northamptonshire names, it hears what happens to itself and nothing else."""
    async with gateway(door, database_url) as api:
        _, _, barnets = await api.call("POST", "/api/v1/requests", json={"text": TEXT})
        last = str(await pool.fetchval("SELECT min(event_id::text) FROM events"))
        headers = {
            "Authorization": f"Bearer {api.keys['northamptonshire']}",
            "Last-Event-ID": last,
        }
        async with api.session.get(f"{api.url}/api/v1/events", headers=headers) as answer:
            assert answer.status == 200
            await answer.content.readuntil(b": watching\n\n")
            await api.call("POST", "/api/v1/requests", json={"text": TEXT})
            _, _, own = await api.call(
                "POST", "/api/v1/requests", authority="northamptonshire", json={"text": TEXT}
            )
            async with asyncio.timeout(20):
                told = await answer.content.readuntil(b"\n\n")
        assert own["reference"].encode() in told
        assert b"wibble" not in told
        assert barnets["reference"].encode() not in told


async def test_taking_over_from_a_colleague_is_for_those_who_lead(door, database_url):
    """An agent may not; a supervisor may, and the history says from whom and why."""
    async with gateway(door, database_url) as api:
        keys = {role: await key(database_url, "barnet", role) for role in (Role.AGENT, Role.SUPERVISOR)}
        _, _, made = await api.call("POST", "/api/v1/requests", json={"text": TEXT})
        _, _, whole = await api.call("GET", f"/api/v1/requests/{made['reference']}")
        path = f"/api/v1/referrals/{whole['referrals'][0]['referral_id']}/claim"
        seen = {"If-Match": "*"}
        body = {"take_over": "went home"}
        assert (await api.call("POST", path, headers=seen, json=body, key=keys[Role.AGENT]))[0] == 200
        assert (await api.call("POST", path, headers=seen, json={}))[0] == 409
        assert (await api.call("POST", path, headers=seen, json=body))[0] == 200  # software may
        status, _, answer = await api.call("POST", path, headers=seen, json=body, key=keys[Role.AGENT])
        assert (status, answer["type"]) == (403, "/api/docs#forbidden")
        assert (await api.call("POST", path, headers=seen, json=body, key=keys[Role.SUPERVISOR]))[0] == 200
        _, _, whole = await api.call("GET", f"/api/v1/requests/{made['reference']}")
        taken = [event["detail"] for event in whole["events"] if event["kind"] == "taken_over"]
        assert [each["from"] for each in taken] == ["key:agent of tests", "key:machine of tests"]


async def test_an_organisations_key_shows_its_own_referrals_with_its_own_fields(door, database_url):
    """The PCT's people see the PCT's part, with what its file lists; requests without one do not exist for them."""
    async with gateway(door, database_url) as api:
        own = await key(database_url, "barnet", Role.AGENT, organisation="re")
        made = {}
        for service, words in (("pothole", "a pothole by my gate"), ("missed-bin", "my bin was missed")):
            body = {
                "text": words,
                "service": service,
                "citizen": {"name": "Wanda", "nhs_number": "943 476 5919"},
            }
            _, _, made[service] = await api.call("POST", "/api/v1/requests", json=body)
        mine, other = made["pothole"]["reference"], made["missed-bin"]["reference"]
        assert made["pothole"]["parts"][0]["organisation"] == "re"
        status, _, found = await api.call("GET", f"/api/v1/requests/{mine}", key=own)
        assert status == 200
        assert found["text"] == "[not shown]"
        assert found["referrals"][0]["text"] == "a pothole by my gate"
        assert "nhs_number" not in found["citizen"]
        assert "nhs_number" in found["masked"]
        assert (await api.call("GET", f"/api/v1/requests/{other}", key=own))[0] == 404
        _, _, page = await api.call("GET", "/api/v1/requests", key=own)
        assert [item["reference"] for item in page["items"]] == [mine]


@pytest.mark.parametrize("role", [Role.COMMISSIONER, Role.AUDITOR])
async def test_those_who_look_at_work_see_no_citizens_details(door, database_url, role):
    """Lists and requests are there, the citizen is not."""
    async with gateway(door, database_url) as api:
        secret = await key(database_url, "barnet", role)
        body = {"text": TEXT, "postcode": "N12 0AB", "citizen": {"name": "Wanda Wibble"}}
        _, _, made = await api.call("POST", "/api/v1/requests", json=body)
        for path in (f"/api/v1/requests/{made['reference']}", "/api/v1/requests"):
            status, _, answer = await api.call("GET", path, key=secret)
            assert status == 200
            assert not re.search("wibble|lamp post|Wanda|N12", str(answer)), path
            assert "[not shown]" in str(answer)


async def test_each_look_at_a_citizens_details_is_written_down(door, database_url, pool):
    """Who, which request, which fields; a masked look shows nothing and says so."""
    async with gateway(door, database_url) as api:
        auditor = await key(database_url, "barnet", Role.AUDITOR)
        body = {"text": TEXT, "postcode": "N12 0AB", "citizen": {"name": "Wanda Wibble"}}
        _, _, made = await api.call("POST", "/api/v1/requests", json=body)
        path = f"/api/v1/requests/{made['reference']}"
        for call, options in (
            (path, {}),
            (f"{path}/explanation", {}),
            ("/api/v1/requests", {}),
            (path, {"key": auditor}),
        ):
            assert (await api.call("GET", call, **options))[0] == 200
        rows = await pool.fetch(
            "SELECT action, actor, request_id, fields, detail FROM audit ORDER BY audit_id"
        )
        request_id = await pool.fetchval("SELECT request_id FROM requests")
        assert [(row["action"], row["request_id"], row["fields"]) for row in rows] == [
            ("read", request_id, ["name", "postcode", "description"]),
            ("read", request_id, ["description"]),
            ("listed", None, ["description"]),
            ("read", request_id, []),
        ]
        assert rows[2]["detail"] == {"requests": [str(request_id)]}
        assert rows[3]["actor"] == "key:auditor of tests"
        assert "Wanda" not in str([dict(row) for row in rows])


async def test_calling_too_often_is_refused_but_never_for_somebody_in_danger(door, database_url):
    """429 with the headers that say when; a request about a life is taken however many came before."""
    async with gateway(door, database_url) as api:
        secret = await key(database_url, "barnet", per_minute=3)
        left = []
        for _ in range(3):
            status, headers, _ = await api.call("GET", "/api/v1/services", key=secret)
            left.append(re.search(r"r=(\d+)", headers["RateLimit"])[1])
            assert (status, headers["RateLimit-Policy"]) == (200, '"default";q=3;w=60')
        assert left == ["2", "1", "0"]
        status, headers, body = await api.call("GET", "/api/v1/services", key=secret)
        assert (status, body["type"], headers["RateLimit"][:14]) == (
            429,
            "/api/docs#too-many",
            '"default";r=0;',
        )
        assert 1 <= int(headers["Retry-After"]) <= 60
        for words, expected in (("my bin was missed", 429), ("i am going to kill myself tonight", 201)):
            status, _, body = await api.call("POST", "/api/v1/requests", key=secret, json={"text": words})
            assert status == expected, body
        body = {"text": "please come", "service": "gas-leak"}
        assert (await api.call("POST", "/api/v1/requests", key=secret, json=body))[0] == 201
        assert (await api.call("GET", "/api/v1/services"))[0] == 200  # others are not concerned


@pytest.mark.timeout(240)
async def test_no_answer_that_the_document_does_not_name(door, database_url):
    """Schemathesis over the whole OpenAPI document, against the running gateway with its database."""
    async with (
        SampleProvider("barnet", development=False).running() as people,
        gateway(with_grants(door), database_url, sign_in=(people.provider,), private_subscribers=True) as api,
    ):
        _, _, made = await api.call("POST", "/api/v1/requests", json={"text": TEXT})
        _, _, whole = await api.call("GET", f"/api/v1/requests/{made['reference']}")
        ids = {
            "reference": made["reference"],
            "referral_id": whole["referrals"][0]["referral_id"],
            "organisation": "re",
        }
        await asyncio.to_thread(_explore, api.url, api.keys["barnet"], ids)


def _explore(url, secret, ids):
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json")
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
    checks = [CHECKS.get_one(name) for name in names]
    failures = []
    calls = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/api/v1/events":
            continue  # it does not end
        for mode in GenerationMode:

            @settings(
                max_examples=6,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def explore(case):
                nonlocal calls
                calls += 1
                for name in case.path_parameters or {}:
                    if name in ids and calls % 2:
                        case.path_parameters[name] = ids[name]
                case.call_and_validate(
                    checks=checks,
                    headers={"Authorization": f"Bearer {secret}"},
                    timeout=20,
                    allow_redirects=False,
                )

            try:
                explore()
            except Unsatisfiable:
                continue  # nothing of that kind can be made: a route without parameters has no wrong ones
            except Exception as found:  # noqa: BLE001  all of them are to be seen at once
                failures.append(
                    f"{operation.label} ({mode.value}): {found!r} {getattr(found, 'exceptions', '')}"
                )
    assert calls > 150
    assert not failures, "\n".join(failures)
