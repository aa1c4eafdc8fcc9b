"""What ops are given is true: metrics lint, rules and their tests pass, no page or panel names what is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.app import SURFACES
from gateway.cli import main

pytestmark = pytest.mark.timeout(600)  # patience: on a busy machine promtool takes its time

OPS = Path(__file__).resolve().parents[2] / "ops"
RULES = OPS / "rules"
FILES = [RULES / name for name in ("budgets.yml", "recording.yml", "alerts.yml")]
ALERTS = [name for file in FILES for name in re.findall(r"- alert: (\w+)", file.read_text())]
TESTS = sorted((RULES / "tests").glob("*.yml"))
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian's prometheus package)"
)
METRIC = re.compile(r"\b((?:front_door|process)_[a-z_0-9]+)(?:\{([^}]*)\})?")
PERSONAL = {
    "citizen",
    "case",
    "reference",
    "request",
    "postcode",
    "name",
    "person",
    "user",
    "key",
    "conversation",
}


def promtool(*arguments, text=None):
    run = subprocess.run(
        [PROMTOOL, *map(str, arguments)], input=text, text=True, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.fixture
async def page(api):
    """A gateway's own page after some traffic, good and bad."""
    body = {"text": "my bin was not collected", "channel": "phone", "postcode": "EN5 4NA"}
    for key in ("one", "one", "two"):
        status, _, _ = await api.call("POST", "/api/v1/requests", json=body, headers={"Idempotency-Key": key})
        assert status == 201
    status, _, _ = await api.call(
        "POST", "/api/v1/requests", json={"text": ""}, headers={"Idempotency-Key": "x"}
    )
    assert status == 422
    await api.call("GET", "/api/v1/requests/BAR-0000-0000")
    await api.bare("GET", "/nowhere")
    status, headers, text = await api.bare("GET", "/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    return text


def labels_of(page):
    """Sample name → the label names it has, `le` among them."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_a_live_page_is_what_ops_were_told(page):
    """It lints, it counts what was sent, no label is personal, and rules and dashboard find all that they ask for."""
    if PROMTOOL:
        assert promtool("check", "metrics", text=page).strip() == ""
    counts_what_was_sent(page)
    has_only_labels_that_may_be(page)
    has_all_that_is_asked_for(page)


def counts_what_was_sent(page):
    """Two requests stored, one sent again."""
    assert 'front_door_requests_total{authority="barnet",channel="phone"} 2.0' in page
    assert "front_door_requests_replayed_total 1.0" in page
    assert 'front_door_http_answers_total{route="/api/v1/requests",class="2xx"} 3.0' in page


def has_only_labels_that_may_be(page):
    """Nothing personal or unbounded, and zeros are there before anything happens."""
    labels = set().union(*labels_of(page).values())
    assert not labels & PERSONAL
    assert 'front_door_requests_total{authority="northamptonshire",channel="open311"} 0.0' in page
    assert (
        'front_door_delivery_attempts_total{authority="barnet",organisation="csg",outcome="refused"} 0.0'
        in page
    )
    assert 'front_door_requests_not_taken_total{reason="overloaded"} 0.0' in page


def has_all_that_is_asked_for(page):
    """Each metric with each label that a panel or an alert asks for."""
    known = labels_of(page)
    counted = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))  # families without a child yet
    panels = [
        panel["targets"][0]["expr"] for panel in json.loads((OPS / "dashboard.json").read_text())["panels"]
    ]
    rules = [
        line
        for file in FILES
        for line in file.read_text().splitlines()
        if not re.match(r"\s*(- record|summary|runbook|#)", line)
    ]
    asked = [found for text in (*panels, *rules) for found in METRIC.findall(text)]
    assert len(asked) > 60
    for metric, selector in asked:
        assert metric in known or metric in counted, metric
        for label in re.findall(r"(\w+)\s*[=!]", selector):
            assert metric not in known or label in known[metric], (metric, label)


@needs_promtool
def test_rules_check():
    """No expression that Prometheus would refuse."""
    promtool("check", "rules", *FILES)


@needs_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_every_alert_was_seen_to_fire_and_to_keep_quiet(file):
    """Promtool's own unit tests."""
    promtool("test", "rules", file)


def test_every_alert_has_both_tests_and_a_runbook_that_says_all_four_things():
    """And no page or test is left of an alert that is gone."""
    tests = "".join(file.read_text() for file in TESTS)
    assert len(ALERTS) == len(set(ALERTS)) >= 30
    assert set(re.findall(r"- name: (\w+) ", tests)) == set(ALERTS)
    for alert in ALERTS:
        assert f"name: {alert} fires" in tests
        assert f"name: {alert} stays quiet" in tests
        text = (OPS / "runbooks" / f"{alert}.md").read_text()
        for part in ("**What it means for citizens.**", "**Look.**", "**Do.**", "**Wake.**"):
            assert part in text, (alert, part)
    named = re.findall(r"runbook: runbooks/(\w+)\.md", "".join(file.read_text() for file in FILES))
    assert named == ALERTS
    assert {page.stem for page in (OPS / "runbooks").glob("*.md")} == set(ALERTS)


def test_runbooks_name_only_commands_and_addresses_that_exist():
    """`front-door …` is a command of ours, and /api/… a route."""
    commands = main.list_commands(click.Context(main))
    routes = {endpoint.path for surface in SURFACES for endpoint in surface.ENDPOINTS}
    for page in (OPS / "runbooks").glob("*.md"):
        text = page.read_text()
        for command in re.findall(r"(?:^|`)front-door ([a-z]+)", text, re.MULTILINE):
            assert command in commands, (page.stem, command)
        for path in re.findall(r"(/api/v1/[a-z_/{}]+|/readyz|/livez|/metrics)", text):
            assert path in routes, (page.stem, path)
