"""A real browser (the system's Chromium) before a real gateway. Pictures of every state are kept in var/screenshots."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright

from gateway.api.chat_access import LIMITS
from gateway.app import build
from gateway.chat.limits import Buckets
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store.keys import create_key
from gateway.store.pool import open_pool
from routing_rules.decision import Action, Facts
from tests.conftest import TEMPLATE, _database

PICTURES = Path(__file__).resolve().parents[2] / "var" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-dev-shm-usage"),
)
STANDARD = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


class OfficeHours(SystemClock):
    """A Monday morning, and going on from there."""

    def __init__(self):
        super().__init__()
        self._wall = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class Site:
    """The gateway as citizens and one agent reach it."""

    def __init__(self, url, key, session, app):
        self.url, self.key, self.session, self.app = url, key, session, app

    async def agent(self, method, path, **body):
        """Call the staff API."""
        headers = {"Authorization": f"Bearer {self.key}"}
        options = {"json": body} if method == "POST" else {}
        async with self.session.request(
            method, f"{self.url}/api/v1{path}", headers=headers, **options
        ) as answer:
            found = await answer.json(content_type=None)
            assert answer.status < 300, found
            return found

    async def requests(self):
        """Every request there is, newest first."""
        return (await self.agent("GET", "/requests?limit=200"))["items"]


@pytest.fixture(scope="session")
async def site(door, server_url):
    """One gateway for all of these tests, in office hours."""
    async with _database(server_url, TEMPLATE) as url:
        clock = OfficeHours()
        app = build(Settings(database_url=url), door, {}, clock=clock)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        limits = app[LIMITS]
        limits.starts = limits.forms = limits.proofs = Buckets(clock, rate=1000, burst=1000)
        async with open_pool(url, size=1) as pool, pool.acquire() as connection:
            key = await create_key(connection, "barnet", "tests", clock.now())
        async with aiohttp.ClientSession() as session:
            yield Site(f"http://127.0.0.1:{runner.addresses[0][1]}", key, session, app)
        await runner.cleanup()


VAGUE = (
    *(
        "it is about the tree",
        "a problem with parking",
        "something about my garden",
        "the path outside my house",
    ),
    *(
        "council tax",
        "my rent",
        "a noise",
        "the road by the school",
        "I need help with my house",
        "permit please",
    ),
)


@pytest.fixture(scope="session")
def vague(door):
    """Words that may be one of a few services, whatever the engine has learnt meanwhile."""
    facts = Facts(authority="barnet", now=OfficeHours().now(), channel="chat")
    for words in VAGUE:
        if [part.action for part in door.decide(words, facts).parts] == [Action.CLARIFY]:
            return words
    pytest.fail("nothing of this is vague any more: think of other words")


@pytest.fixture(scope="session")
async def browser():
    """Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium here; .ci/browser installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


class Citizen:
    """Somebody at a browser."""

    def __init__(self, site, context, page, name):
        self.site, self.context, self.page, self.name = site, context, page, name
        self.faults = []
        self._pictures = 0
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    async def visit(self, path="/"):
        await self.page.goto(self.site.url + path)
        return self

    async def say(self, text):
        await self.page.locator("#box").fill(text)
        await self.page.keyboard.press("Enter")

    async def pick(self, label):
        await self.page.locator(".choices").get_by_role("button", name=label).click()

    async def reads(self, text, count=None):
        """Wait until a message with this text is there."""
        found = self.page.locator(".bubble", has_text=text)
        await found.last.wait_for(timeout=30_000)
        if count is not None:
            assert await found.count() == count
        return found.last

    async def words(self):
        """All bubbles, in order."""
        return await self.page.locator(".bubble").all_inner_texts()

    async def picture(self, state, *, check=True):
        """Keep a picture of this state, and find nothing that would shut somebody out."""
        self._pictures += 1
        PICTURES.mkdir(parents=True, exist_ok=True)
        file = PICTURES / f"{self.name}-{self._pictures}-{state}.png"
        await self.page.screenshot(path=file, full_page=True, animations="disabled")
        if check:
            found = await Axe().run(self.page, options=STANDARD)
            assert [
                (each["id"], [(node["html"], node["failureSummary"]) for node in each["nodes"]])
                for each in found.response["violations"]
            ] == []


@pytest.fixture
async def citizens(site, browser, request):
    """Make citizens, each with a browser of their own."""
    contexts, people = [], []

    async def make(name=None, **options):
        context = await browser.new_context(
            **{
                "viewport": {"width": 1100, "height": 900},
                "reduced_motion": "reduce",
                "locale": "en-GB",
                **options,
            }
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        name = name or request.node.name.removeprefix("test_")[:40]
        person = Citizen(site, context, await context.new_page(), name)
        people.append(person)
        return person

    yield make
    for context in contexts:
        await context.close()
    assert [person.faults for person in people if person.faults] == []
