"""Rules that change while the gateway runs: swapped whole, or not at all, and no request is lost or half-decided."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

import routing_rules
from gateway.api.callbacks import LINES
from gateway.api.staff import UNDERSTANDING
from gateway.app import RELOAD, build
from gateway.clock import SystemClock
from gateway.connections import make_lines
from gateway.metrics import Metrics
from gateway.reload import CLAIMED_BY_THEN, Reload
from gateway.rules import load_door
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.understanding import Understanding
from routing_rules import reading
from routing_rules.door import Door
from tests.gateway.api.conftest import Api

SHIPPED = Path(next(iter(routing_rules.__path__)))
BARNET = Path("authorities/barnet")
NEW = """
name = "Barnet Paths"
kind = "charity"
protocol = "worklist"

[sharing]
fields = ["description", "postcode"]
purpose = "Mending paths."
lawful_basis = "public task"
"""


class Folder:
    """A copy of the rules to change."""

    def __init__(self, path):
        self.path = path
        for name in ("services", "authorities"):
            shutil.copytree(SHIPPED / name, path / name)
        shutil.copy(SHIPPED / "tiers.toml", path)
        self._routes = (path / BARNET / "routes.toml").read_text()

    def route(self, organisation):
        """Send potholes in Barnet there."""
        line = f'pothole = {{ organisation = "{organisation}" }}\n'
        assert "[services]\n" in self._routes
        assert "\npothole = " not in self._routes
        self.write(BARNET / "routes.toml", self._routes.replace("[services]\n", f"[services]\n{line}"))

    def write(self, file, text):
        (self.path / file).write_text(text)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
async def changing(folder, door, database_url, pool, no_blocking):
    """A gateway whose rules are in that folder."""
    settings = Settings(database_url=database_url, rules_dir=folder.path, courier_poll=0.05)
    there = Door.of(reading.read(folder.path), door.classifier, places=door.places)
    app = build(settings, there, {})
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    now = SystemClock().now()
    async with pool.acquire() as connection:
        keys = {"barnet": await create_key(connection, "barnet", "tests", now)}
    async with aiohttp.ClientSession() as session:
        try:
            with no_blocking():
                yield Api(app, f"http://127.0.0.1:{runner.addresses[0][1]}", keys, session)
        finally:
            await runner.cleanup()


async def send(api, **body):
    status, _, answer = await api.call(
        "POST", "/api/v1/requests", json={"text": "a hole in the road", **body}
    )
    assert status == 201, answer
    return answer


@pytest.mark.timeout(120)
async def test_no_request_is_lost_or_half_decided_while_rules_change(changing, folder, pool):
    """Each is decided wholly by the rules before or after, and delivered where they said."""
    answers, stop = [], asyncio.Event()

    async def keep_sending():
        while not stop.is_set():
            answers.append(await send(changing, service="pothole"))
            await asyncio.sleep(0.02)

    says = {changing.app[UNDERSTANDING].door.engine: "re"}
    senders = [asyncio.create_task(keep_sending()) for _ in range(3)]
    for organisation in ("council", "csg", "re"):
        folder.route(organisation)
        assert await changing.app[RELOAD].reload()
        says[changing.app[UNDERSTANDING].door.engine] = organisation
        reached = len(answers) + 10
        while len(answers) < reached:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*senders)
    assert len(says) == 4
    rows = await pool.fetch(
        "SELECT reference, decision ->> 'engine' AS engine, organisation"
        " FROM requests JOIN referrals USING (authority_id, request_id)"
    )
    used = {row["reference"]: row["engine"] for row in rows}
    for answer in answers:
        assert answer["parts"][0]["organisation"] == says[used[answer["reference"]]]
    for row in rows:
        assert row["organisation"] == says[row["engine"]]
    assert set(used.values()) == set(says)
    assert await pool.fetchval("SELECT count(*) FROM requests") == len(answers)
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM deliveries WHERE state <> 'delivered'"):
            await asyncio.sleep(0.1)
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == len(answers)
    astray = "SELECT count(*) FROM deliveries AS d JOIN referrals AS r USING (authority_id, referral_id)"
    assert await pool.fetchval(f"{astray} WHERE d.organisation <> r.organisation") == 0


@pytest.mark.timeout(120)
async def test_a_broken_edit_keeps_the_rules_in_use_and_says_what_is_wrong(changing, folder):
    """Each error in the log with file, line and the nearest right name; ready all the same, and mended by the next."""
    before = changing.app[UNDERSTANDING].door
    folder.route("counsil")
    with capture_logs() as logged:
        assert not await changing.app[RELOAD].reload()
    assert changing.app[UNDERSTANDING].door is before
    (error,) = [entry for entry in logged if entry["event"] == "rules refused"]
    assert error["file"].endswith("routes.toml")
    line = (folder.path / BARNET / "routes.toml").read_text().splitlines()[error["line"] - 1]
    assert "counsil" in line
    assert error["did_you_mean"] == "council"
    status, _, readiness = await changing.bare("GET", "/readyz")
    assert status == 200
    assert readiness["checks"]["rules"].startswith("degraded: 1 errors")
    assert before.fingerprint[:12] in readiness["checks"]["engine"]
    _, _, page = await changing.bare("GET", "/metrics")
    assert 'front_door_rules_reloads_total{outcome="refused"} 1.0' in page
    assert "front_door_rules_refused 1.0" in page
    assert (await send(changing, service="pothole"))["parts"][0]["organisation"] == "re"

    folder.route("council")
    assert await changing.app[RELOAD].reload()
    assert (await send(changing, service="pothole"))["parts"][0]["organisation"] == "council"
    _, _, readiness = await changing.bare("GET", "/readyz")
    assert readiness["checks"]["rules"] == "ok"
    _, _, page = await changing.bare("GET", "/metrics")
    after = changing.app[UNDERSTANDING].door.fingerprint[:12]
    assert f'rules="{after}"' in page
    assert f'rules="{before.fingerprint[:12]}"' not in page
    assert "front_door_rules_refused 0.0" in page


@pytest.mark.timeout(120)
async def test_new_organisations_and_new_words_are_known_without_a_restart(changing, folder, pool):
    """A file and a line more, and it is delivered to; when it is gone again, what waits goes to the next."""
    folder.write(BARNET / "organisations/paths.toml", NEW)
    folder.route("paths")
    waste = folder.path / "services/waste.toml"
    waste.write_text(
        waste.read_text().replace("examples = '''\n", "examples = '''\nzorbulator is overflowing\n", 1)
    )
    assert await changing.app[RELOAD].reload()
    _, _, organisations = await changing.call("GET", "/api/v1/organisations")
    assert "Barnet Paths" in [each["name"] for each in organisations]
    answer = await send(changing, service="pothole")
    assert answer["parts"][0]["organisation"] == "paths"
    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT state FROM deliveries") != "delivered":
            await asyncio.sleep(0.05)
    changing.app[LINES]["barnet", "paths"].running = 1000  # full: what comes now has to wait
    answer = await send(changing, service="pothole")
    (folder.path / BARNET / "organisations/paths.toml").unlink()
    folder.route("re")
    assert await changing.app[RELOAD].reload()
    async with asyncio.timeout(20):
        while True:
            _, _, request = await changing.call("GET", f"/api/v1/requests/{answer['reference']}")
            if request["referrals"][0]["organisation"] == "worklist":
                break
            await asyncio.sleep(0.05)
    assert "undeliverable" in [event["kind"] for event in request["events"]]


async def test_an_authority_is_not_taken_away_while_it_runs(changing, folder):
    """Its requests would have nobody."""
    shutil.rmtree(folder.path / "authorities/northamptonshire")
    assert not await changing.app[RELOAD].reload()
    assert "northamptonshire" in changing.app[RELOAD].refused[0]
    assert "northamptonshire" in changing.app[UNDERSTANDING].door.authorities


@pytest.fixture
def by_hand(folder, clock):
    """A reload apart from any gateway, with time that stands."""
    metrics = Metrics()
    settings = Settings(rules_dir=folder.path)
    door = load_door(settings, understand=False)
    lines = make_lines(door, settings, {}, clock, metrics)
    return Reload(Understanding(door, metrics), lines, settings, {}, clock, metrics), lines, metrics


async def test_only_lines_whose_organisation_changed_are_made_anew(by_hand, folder):
    """The others keep their breaker, rate and connections; the mapping stays the one that everybody holds."""
    reload, lines, _ = by_hand
    before = dict(lines)
    file = folder.path / BARNET / "organisations/csg.toml"
    file.write_text(file.read_text() + "\n# another word\n")
    assert await reload.reload()
    assert lines == before
    file.write_text(file.read_text().replace('name = "', 'name = "New ', 1))
    assert await reload.reload()
    changed = [name for name in lines if lines[name] is not before[name]]
    assert changed == [("barnet", "csg")]
    assert lines["barnet", "csg"].organisation.name.startswith("New ")


async def test_an_old_adapter_is_closed_when_its_attempts_have_ended(by_hand, folder, clock):
    """Not before, and not while the courier may just be claiming for it."""
    reload, lines, metrics = by_hand
    closed = []

    class Adapter:
        protocol, polls = "worklist", False

        async def close(self):
            closed.append(self)

    old = lines["barnet", "boost"]
    old.adapter = Adapter()
    old.began()
    (folder.path / BARNET / "organisations/boost.toml").write_text(NEW)
    assert await reload.reload()
    clock.pass_(CLAIMED_BY_THEN)
    assert await reload.let_go() == 1
    old.ended()
    assert await reload.let_go() == 0
    assert closed == [old.adapter]
    assert 'connected{authority="barnet",organisation="boost"} 1.0' in metrics.page().decode()


async def test_a_connection_that_is_wrong_refuses_the_whole(by_hand, folder):
    """As at start: nothing of it is in use, and the gauges tell of what is."""
    reload, lines, metrics = by_hand
    before = dict(lines)
    file = folder.path / BARNET / "organisations/re.toml"
    text = file.read_text()
    file.write_text(text.replace("${BARNET_RE_URL}", "no address").replace("${BARNET_RE_API_KEY}", "key"))
    (folder.path / BARNET / "organisations/boost.toml").write_text(NEW)
    assert not await reload.reload()
    assert lines == before
    assert "re.toml" in reload.refused[0]
    assert 'connected{authority="barnet",organisation="boost"} 0.0' in metrics.page().decode()


async def test_asking_again_and_again_reads_once_more(by_hand):
    """A hundred signals are one reason to look."""
    reload, _, metrics = by_hand
    async with reload.running():
        for _ in range(100):
            reload.ask()
        async with asyncio.timeout(30):
            while 'reloads_total{outcome="loaded"} 1.0' not in metrics.page().decode():
                await asyncio.sleep(0.05)
        await asyncio.sleep(0)
    assert 'reloads_total{outcome="unchanged"} 0.0' in metrics.page().decode()


@pytest.mark.timeout(120)
async def test_sighup_reads_the_rules_again(folder, database_url, tmp_path):
    """The process stays, and says which rules it uses."""
    log = tmp_path / "log"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FRONT_DOOR_")},
        "DATABASE_URL": database_url,
        "FRONT_DOOR_RULES_DIR": str(folder.path),
        "FRONT_DOOR_DATA_DIR": str(tmp_path),
        "FRONT_DOOR_PORT": "0",
    }
    process = await asyncio.to_thread(_serve, environ, log)
    try:
        async with asyncio.timeout(90):
            await _said(log, "serving", process)
            folder.route("council")
            process.send_signal(signal.SIGHUP)
            await _said(log, '"outcome": "loaded"', process)
            folder.route("counsil")
            process.send_signal(signal.SIGHUP)
            await _said(log, "the older ones stay", process)
            assert process.poll() is None
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


def _serve(environ, log):
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"], env=environ, stdout=out, stderr=out
        )


async def _said(log, words, process):
    while words not in log.read_text():
        assert process.poll() is None, log.read_text()
        await asyncio.sleep(0.1)
