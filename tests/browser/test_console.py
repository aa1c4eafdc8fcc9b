"""Staff at the console: a call from the first word to the last, the lists, the chat desk, alarms, what was not delivered."""

from __future__ import annotations

import pytest

from gateway.demo.people import SampleProvider
from tests.browser.conftest import Citizen, OfficeHours
from tests.conftest import TEMPLATE, _database
from tests.journeys.conftest import running_front

SLOW = (("acknowledged", 0.05), ("in_progress", 86_400.0))
"""Back ends that take a case up and then have it all day."""
pytestmark = pytest.mark.timeout(180)  # a browser that starts beside others may take its time
MARKUP = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> my bin was missed"
)


class People(SampleProvider):
    """Sample people whose day is the gateway's."""

    def __init__(self, clock):
        super().__init__("barnet")
        self._clock = clock

    def token(self, subject, **claims):
        now = int(self._clock.now().timestamp())
        return super().token(subject, **{"iat": now, "exp": now + 600, **claims})


@pytest.fixture(scope="session")
async def front(door, server_url, tmp_path_factory):
    """The whole product behind the console, in office hours, with its organisations."""
    clock = OfficeHours()
    async with (
        _database(server_url, TEMPLATE) as url,
        People(clock).running() as people,
        running_front(
            door, url, tmp_path_factory.mktemp("town"), clock=clock, stages=SLOW, sign_in=(people.provider,)
        ) as front,
    ):
        front.clock = clock
        yield front


class Staff(Citizen):
    """Somebody of the contact centre at their browser."""

    async def open(self, path):
        await self.page.goto(f"{self.site.url}/console/{path}")
        await self.page.locator("main h1").first.wait_for()

    async def button(self, name, **options):
        await self.page.get_by_role("button", name=name, **options).first.click()

    async def in_dialog(self, act, **fields):
        """Fill in the dialog by its labels (`_` for a space), and do it."""
        dialog = self.page.get_by_role("dialog")
        for label, value in fields.items():
            await dialog.get_by_label(label.replace("_", " "), exact=False).first.fill(value)
        await dialog.get_by_role("button", name=act).click()
        await dialog.wait_for(state="detached")

    async def sees(self, text):
        await self.page.get_by_text(text).first.wait_for()


@pytest.fixture
async def staff(front, browser, request):
    """Make members of staff who have signed in, each with a browser of their own."""
    contexts, people = [], []

    async def make(name="Sam Supervisor", **options):
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
        context = await browser.new_context(locale="en-GB", timezone_id="Europe/London", **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        await context.clock.install(time=front.clock.now())
        person = Staff(front, context, await context.new_page(), f"console-{request.node.name[5:45]}")
        people.append(person)
        await person.page.goto(front.url + "/console/call")
        await person.page.get_by_role("link", name="Sign in").click()
        await person.page.get_by_role("link", name=name).click()
        await person.page.locator("main h1").first.wait_for()
        return person

    yield make
    for context in contexts:
        await context.close()
    assert [person.faults for person in people if person.faults] == []


async def send(front, text, **body):
    return (await front.send(text, **body))["reference"]


async def test_a_call_from_the_first_word_to_the_last(front, staff):
    """Sign in, take it with suggestions as they type, watch it delivered, see it rejected, send it on, resolve it."""
    sam = await staff()
    await sam.picture("empty")
    await sam.page.get_by_label("What do they need?").press_sequentially(
        "please send my council tax", delay=20
    )
    await sam.sees("% sure")
    await sam.page.get_by_label("What do they need?").press_sequentially(
        " bill again, I never got it", delay=20
    )
    await sam.page.get_by_label("Name").fill("Grace Okoro")
    await sam.page.get_by_label("Phone").fill("020 7946 0101")
    await sam.page.get_by_label("Postcode").fill("N12 0AB")
    await sam.page.locator(".need-name", has_text="ouncil tax").wait_for()
    await sam.picture("suggestions")
    await sam.page.keyboard.press("Control+Enter")
    reference = await sam.page.locator(".read-out").inner_text()
    await sam.picture("sent")
    await sam.page.get_by_role("link", name="Watch it").click()
    await sam.page.locator(".need .chip", has_text="Delivered").wait_for()
    await sam.picture("delivered")
    backend, council = front.backend("csg"), front.backend("council")
    council.faults.set("http_503")  # the next in line is down: a person sends it on
    (case,) = backend.ledger
    change = backend.lifecycle.move(case.external_reference, "rejected", note="not one of ours")
    await backend.publish([change])
    await sam.page.locator(".timeline strong", has_text="Rejected").first.wait_for()
    await sam.picture("rejected")
    await sam.button("Claim")
    await sam.page.locator(".lease.mine").wait_for()
    await sam.button("Send elsewhere…")
    await sam.picture("re-route")
    await sam.in_dialog("Re-route", Organisation="worklist", Reason="agreed with them on the phone")
    await sam.page.locator(".timeline strong", has_text="Put right").wait_for()
    await sam.button("Resolve…")
    await sam.in_dialog("It is done", Reason="they called back", Message="Hello Grace, it is done.")
    await sam.page.locator(".need .chip", has_text="Resolved").wait_for()
    await sam.picture("resolved")
    request = await front.read(reference)
    assert [each["state"] for each in request["referrals"]] == ["resolved"]
    assert [each["text"] for each in request["messages"]] == ["Hello Grace, it is done."]
    assert {each["actor"] for each in request["events"] if each["kind"] == "resolved"} == {
        "person:Sam Supervisor"
    }
    council.faults.clear()
