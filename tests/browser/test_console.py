"""Staff at the console: a call from the first word to the last, the lists, the chat desk, alarms, what was not delivered."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from gateway.app import COURIER_POOL
from gateway.demo.people import SampleProvider
from tests.browser.conftest import VAGUE, Citizen, OfficeHours
from tests.conftest import TEMPLATE, _database
from tests.journeys.conftest import running_front

SLOW = (("acknowledged", 0.05), ("in_progress", 86_400.0))
"""Back ends that take a case up and then have it all day."""
pytestmark = pytest.mark.timeout(300)  # a browser that starts beside others may take its time
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
        context.set_default_timeout(60_000)
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
    for backend in front.town.backends.values():
        backend.faults.clear()
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
    theirs = (await front.until(reference, taken_up))["referrals"][0]["deliveries"][0]["external_reference"]
    await backend.publish([backend.lifecycle.move(theirs, "rejected", note="not one of ours")])
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


async def in_triage(front):
    """A request that the door would not decide by itself, whatever the engine has learnt meanwhile."""
    for words in VAGUE:
        sent = await front.send(words)
        if [each["state"] for each in sent["parts"]] == ["triage"]:
            return sent["reference"]
    pytest.fail("nothing of this goes to triage any more: think of other words")


async def test_triage_by_keyboard(front, staff):
    """Oldest first; claimed with its lease seen, chosen and let go with others, decided with a reason."""
    reference = await in_triage(front)
    sam = await staff()
    await sam.open("work?queue=triage")
    await sam.page.get_by_role("link", name=reference).wait_for()
    await sam.picture("triage")
    await sam.page.get_by_role("link", name=reference).focus()
    await sam.page.keyboard.press("m")
    await sam.page.locator(".lease.mine", has_text="Yours").wait_for()
    await sam.page.get_by_role("link", name=reference).focus()
    await sam.page.keyboard.press("x")
    await sam.sees("1 chosen")
    await sam.picture("claimed-and-chosen")
    await sam.page.locator(".bulk").get_by_role("button", name="Let go").click()
    await sam.sees("1 of 1 done")
    assert (await front.read(reference))["referrals"][0]["claimed_until"] is None
    await sam.page.get_by_role("link", name=reference).click()
    await sam.button("Change service…")
    await sam.in_dialog("Change service", Service="Missed bin collection", Reason="asked them")
    await sam.page.locator(".timeline strong", has_text="Put right").wait_for()
    await sam.page.keyboard.press("?")
    await sam.picture("shortcuts")


async def test_two_who_change_the_same(front, staff):
    """Who comes second is told what the first did, loses nothing that they typed, and may press again."""
    reference = await in_triage(front)
    sam = await staff()
    await sam.open(f"request/{reference}")
    await sam.button("Resolve…")
    need = (await front.read(reference))["referrals"][0]
    await front.call(
        "POST",
        f"/api/v1/referrals/{need['referral_id']}/service",
        json={"service": "missed-bin", "reason": "quicker"},
        headers={"If-Match": "*"},
    )
    dialog = sam.page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("done")
    await dialog.get_by_role("button", name="It is done").click()
    await dialog.get_by_text("It changed while you looked at it").wait_for()
    await dialog.get_by_text("Put right by tests: quicker").wait_for()
    await dialog.get_by_text("It stands now: Missed bin collection").wait_for()
    assert (await front.read(reference))["referrals"][0]["state"] != "resolved"
    await sam.picture("changed-by-someone-else")
    assert await dialog.get_by_label("Reason").input_value() == "done"
    await sam.in_dialog("It is done")
    await sam.page.locator(".need .chip", has_text="Resolved").wait_for()


async def test_what_machines_do_meanwhile_stops_nobody(front, staff):
    """A hand-over that goes on its way while somebody types is no reason to send them back."""
    reference = await send(front, "please send my council tax bill again, the dog ate it")
    await front.until(reference, taken_up)
    sam = await staff()
    await sam.open(f"request/{reference}")
    await sam.page.locator(".need .chip", has_text="Delivered").wait_for()
    await sam.button("Resolve…")
    before = (await front.read(reference))["referrals"][0]
    backend = front.backend("csg")
    await backend.publish(
        [backend.lifecycle.move(before["deliveries"][0]["external_reference"], "in_progress")]
    )
    moved = await front.until(reference, lambda found: found["referrals"][0]["state"] == "in_progress")
    assert moved["referrals"][0]["version"] > before["version"]
    await sam.in_dialog("It is done", Reason="they called back")
    await sam.page.locator(".need .chip", has_text="Resolved").wait_for()


def taken_up(request):
    """Whether the organisation has said that it has it: nothing more comes from it by itself then."""
    return any(
        (each["external_status"] or "").lower() == "acknowledged"
        for each in request["referrals"][0]["deliveries"]
    )


async def test_the_same_twice_is_merged(front, staff):
    """Suggested by street, person and words; the other is done for both."""
    same = {"postcode": "N12 0AB", "citizen": {"name": "Mo", "phone": "020 7946 0777"}}
    first = (await front.send("the lamp post outside my house flickers all night", **same))["reference"]
    second = (await front.send("the lamp post outside my house flickers at night", **same))["reference"]
    need = (await front.read(second))["referrals"][0]["referral_id"]
    async with asyncio.timeout(60):
        while not await front.call("GET", f"/api/v1/referrals/{need}/duplicates"):
            await asyncio.sleep(0.2)  # it can be found a moment after it came
    sam = await staff()
    await sam.open(f"request/{second}")
    await sam.page.locator("summary", has_text="More").click()
    await sam.button("Merge…")
    await sam.in_dialog("Merge", Reason="the same lamp")
    await sam.page.locator(".timeline strong", has_text="Merged into another").wait_for()
    await sam.page.locator("aside, .side").get_by_role("link", name=first).first.wait_for()
    await sam.picture("merged")


async def test_what_was_not_delivered_is_sent_again(front, staff):
    """Listed with what the organisation said; sent again with a reason, and it arrives."""
    reference = await send(front, "please send my council tax bill again")
    need = (await front.until(reference, taken_up))["referrals"][0]  # whoever speaks of it later has it
    pool = front.app[COURIER_POOL]
    await pool.execute(
        "UPDATE deliveries SET state = 'dead' WHERE referral_id = $1", uuid.UUID(need["referral_id"])
    )
    await pool.execute(
        "UPDATE referrals SET state = 'undeliverable' WHERE referral_id = $1", uuid.UUID(need["referral_id"])
    )
    sam = await staff()
    await sam.open("letters")
    await sam.page.get_by_role("link", name=reference).wait_for()
    await sam.picture("letters")
    await sam.button(f"Decide about {reference}")
    await sam.in_dialog("Do it", Reason="they are back")
    await sam.page.get_by_role("link", name=reference).wait_for(state="detached")
    await front.until(reference, lambda found: found["referrals"][0]["deliveries"][0]["state"] == "delivered")
    await sam.open("organisations")
    await sam.sees("Customer and Support Group")
    await sam.picture("organisations")


async def test_an_alarm_rings_until_it_is_answered(front, staff):
    """Words for danger before all else while they are typed; the alarm stands above every page until somebody has it."""
    asha = await staff("Asha Agent")
    await asha.page.get_by_label("What do they need?").fill("my husband hits me and I am afraid to go home")
    await asha.page.locator(".danger-words").wait_for()
    await asha.picture("danger")
    await asha.page.keyboard.press("Control+Enter")
    reference = await asha.page.locator(".read-out").inner_text()
    bar = asha.page.get_by_role("region", name="Safeguarding alarms")
    await bar.get_by_role("link", name=reference).wait_for()
    await asha.open("alarms")
    await asha.picture("ringing")
    await asha.button(f"Answer {reference}")
    await asha.in_dialog("I have it", Your_own_name="Asha Agent")
    await asha.page.get_by_text("Nothing rings").wait_for()
    await bar.wait_for(state="detached")
    events = (await front.read(reference))["events"]
    assert [each["actor"] for each in events if each["kind"] == "alarm_acknowledged"] == ["person:Asha Agent"]


async def test_the_chat_desk(front, staff, browser):
    """Who asked for a person is seen, taken with the whole conversation, answered, and closed."""
    context = await browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(60_000)
    ann = await Citizen(front, context, await context.new_page(), "console-citizen").visit()
    await ann.say("my neighbour is very loud at night, can you help")
    await ann.page.locator(".choices button").first.wait_for()
    await ann.page.get_by_role("button", name="Talk to a person", exact=True).first.click()
    await ann.reads("You are next")
    asha = await staff("Asha Agent")
    await asha.open("chats")
    await asha.page.get_by_role("link", name="my neighbour is very loud").click()
    await asha.picture("waiting")
    await asha.button("Take it")
    await asha.page.get_by_label("Your answer").fill(MARKUP)
    await asha.page.keyboard.press("Enter")
    await ann.reads("<img src=x")
    await ann.say("<b>yes</b>, very loud")
    await asha.page.locator(".from-citizen .said", has_text="<b>yes</b>, very loud").wait_for()
    await asha.picture("with-a-citizen")
    await asha.button("Close", exact=True)
    await asha.sees("Pick a conversation")
    await context.close()


async def test_a_citizens_markup_is_text(front, staff):
    """In lists, in the request and in suggestions it stands as it was written, and does nothing."""
    sam = await staff()
    reference = (await front.send(MARKUP, citizen={"name": MARKUP[:100]}))["reference"]
    await sam.page.get_by_label("What do they need?").fill(MARKUP)
    await sam.page.locator(".need-name").first.wait_for()
    for path in (f"request/{reference}", "requests"):
        await sam.open(path)
        await sam.page.get_by_text("<script>document.title='owned'</script>").first.wait_for()
        assert await sam.page.locator("main img, main script").count() == 0
        assert "owned" not in await sam.page.title()


async def test_every_view_on_a_small_screen_at_night(front, staff):
    """320 pixels wide and dark: nothing is cut off or scrolls sideways, and axe finds nothing."""
    reference = await in_triage(front)
    sam = await staff(viewport={"width": 320, "height": 640}, color_scheme="dark")
    for view in (
        "call",
        "work",
        "chats",
        "search",
        "requests",
        "alarms",
        "letters",
        "organisations",
        f"request/{reference}",
    ):
        await sam.open(view)
        await sam.page.locator("main :is(.panel, .rows, .empty, .plain-list, form)").first.wait_for()
        await sam.picture(view.split("/")[0])
        assert await sam.page.evaluate("document.documentElement.scrollWidth") <= 320, view


async def test_an_auditor_sees_no_more_than_an_auditor_may(front, staff):
    """All requests, masked, and the organisations; no lists of work."""
    alex = await staff("Alex Auditor")
    await alex.sees("All requests")
    assert await alex.page.locator(".menu a").all_inner_texts() == ["All requests", "Organisations"]
    await alex.picture("auditor")
