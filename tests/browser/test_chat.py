"""Citizens at the chat, in Chromium: each journey from the first word, with pictures, and nothing that shuts anyone out."""

from __future__ import annotations

import asyncio

import pytest

IN_SIGHT = """() => {
    const root = document.querySelector("front-door-chat").shadowRoot;
    const words = root.querySelector(".emergency").getBoundingClientRect();
    const log = root.querySelector(".talk").getBoundingClientRect();
    return words.top >= log.top && words.top < log.bottom;
}"""
GROWN = """least => {
    const shown = document.querySelector("front-door-chat").shadowRoot.querySelectorAll(".bubble");
    return [...shown].filter(each => !each.closest(".pending")).length > least;
}"""
pytestmark = pytest.mark.timeout(180)  # a browser that starts beside others may take its time


async def references(citizen):
    """The references that stand in the chat, in order."""
    return await citizen.page.locator(".reference").all_inner_texts()


async def test_missed_bin(citizens, site):
    """Say it once, answer what the service needs, get a reference, say how it was."""
    ann = await (await citizens()).visit()
    await ann.page.locator(".panel").wait_for()
    await ann.picture("arriving")
    await ann.say("the bin lorry missed us again and it is overflowing")
    await ann.reads("This sounds like: Missed bin collection.")
    await ann.reads("What is the postcode")
    await ann.picture("asked")
    for answer, question in (
        ("nowhere", "We could not find that postcode"),
        ("nw4 4bg", "house number or name"),
        ("12 Church Road", "When did it happen"),
    ):
        await ann.say(answer)
        await ann.reads(question)
    await ann.pick("Skip this question")
    await ann.reads("Is there anything else?")
    (reference,) = await references(ann)
    await ann.picture("sent")
    request = await site.agent("GET", f"/requests/{reference}")
    assert request["channel"] == "chat"
    assert request["postcode"] == "NW4 4BG"
    assert [(one["service"], one["organisation"]) for one in request["referrals"]] == [
        ("missed-bin", "council")
    ]
    await ann.say(f"what about {reference}?")
    await ann.reads(f"This is where {reference} stands")
    await ann.page.get_by_role("button", name="End conversation").click()
    await ann.page.get_by_label("Very satisfied").wait_for()
    await ann.picture("survey")
    await ann.page.get_by_label("Satisfied", exact=True).check()
    await ann.page.get_by_label("How could we do better?").fill("quicker please")
    await ann.page.get_by_role("button", name="Send feedback").click()
    await ann.page.locator("form", has_text="Thank you for telling us.").wait_for()
    await ann.picture("thanked")
    found = await site.agent("GET", "/satisfaction")
    mine = next(one for one in found if one["service"] == "missed-bin")
    assert (mine["organisation"], mine["channel"], mine["answers"], mine["mean"]) == (
        "council",
        "chat",
        1,
        4.0,
    )
    await ann.page.get_by_role("button", name="Start a new conversation").click()
    assert await ann.words() == []


async def test_two_needs(citizens, site):
    """Both are shown as a list before anything is sent, and go as one request with two referrals."""
    ann = await (await citizens()).visit()
    await ann.say("my bin was missed and I also need to renew my resident parking permit")
    await ann.reads("We found 2 things")
    await ann.picture("confirm")
    await ann.pick("Yes, send all of them")
    for _ in range(8):
        if await references(ann):
            break
        before = await ann.page.locator(".bubble").count()
        await ann.page.locator(".choices").get_by_role("button", name="Skip this question").click()
        await ann.page.wait_for_function(GROWN, arg=before + 1)
    (reference,) = await references(ann)
    await ann.picture("sent")
    request = await site.agent("GET", f"/requests/{reference}")
    assert [one["service"] for one in request["referrals"]] == ["missed-bin", "parking-permit"]


async def test_vague_words_are_cleared_up(citizens, site, door, vague):
    """One question with a few services to choose from, and what was chosen is what is sent."""
    ann = await (await citizens()).visit()
    await ann.say(vague)
    choices = ann.page.locator(".choices button")
    await choices.first.wait_for()
    await ann.picture("which")
    label = await choices.first.inner_text()
    await choices.first.click()
    for _ in range(8):
        await asyncio.sleep(0.3)
        if await references(ann):
            break
        skip = ann.page.locator(".choices").get_by_role("button", name="Skip this question")
        if await skip.count():
            await skip.click()
    (reference,) = await references(ann)
    request = await site.agent("GET", f"/requests/{reference}")
    (referral,) = request["referrals"]
    assert door.catalogue.services[referral["service"]].name == label


async def test_emergency(citizens, site):
    """The numbers to call come at once, an alarm rings, the talk goes on, and nothing of it stays on a shared device."""
    ann = await (await citizens()).visit()
    await ann.say("my husband is hitting me and I am scared he will kill me")
    await ann.reads("You do not deserve this")
    await ann.reads("We have alerted a person")
    assert await ann.page.locator(".emergency a").first.get_attribute("href") == "tel:999"
    assert await ann.page.evaluate(IN_SIGHT)
    await ann.picture("words-first")
    (reference,) = await references(ann)
    alarms = await site.agent("GET", "/alarms")
    assert reference in {alarm["reference"] for alarm in alarms}
    first = (await site.agent("GET", "/conversations"))[0]
    assert first["conversation"]["urgent"]
    assert first["conversation"]["references"] == [reference]
    await ann.say("please do not ring the house")
    await ann.reads("please do not ring the house")
    assert await ann.page.evaluate("localStorage.length") == 0
    await ann.context.route(
        "https://www.bbc.co.uk/**", lambda route: route.fulfill(body="<title>Weather</title>")
    )
    for _ in range(3):
        await ann.page.keyboard.press("Shift")
    await ann.page.wait_for_url("https://www.bbc.co.uk/weather")
    await ann.visit()
    await ann.page.locator(".panel").wait_for()
    assert await ann.words() == []
    taken = await site.agent(
        "POST", f"/conversations/{first['conversation']['conversation_id']}/take", name="Tidy"
    )
    await site.agent("POST", f"/conversations/{taken['conversation_id']}/close", hold=taken["hold"])


async def test_a_person_and_back(citizens, site):
    """A place in the queue, an agent who sees all of it, and the helper again afterwards."""
    ann = await (await citizens()).visit()
    await ann.say("my neighbour is very loud at night, can you help")
    await ann.page.locator(".choices button").first.wait_for()
    await ann.page.get_by_role("button", name="Talk to a person", exact=True).first.click()
    await ann.reads("You are next")
    await ann.page.get_by_text("You are number 1 in the queue.").wait_for()
    await ann.picture("queue")
    (waiting,) = await site.agent("GET", "/conversations?holder=queue")
    path = f"/conversations/{waiting['conversation']['conversation_id']}"
    assert waiting["words"] == "my neighbour is very loud at night, can you help"
    hold = (await site.agent("POST", f"{path}/take", name="Priya"))["hold"]
    await ann.reads("You are now talking to Priya")
    await site.agent(
        "POST", f"{path}/messages", hold=hold, client_id="agent-0001", text="Hello, is it music?"
    )
    await ann.reads("Hello, is it music?")
    await ann.say("yes, very loud music")
    await ann.reads("yes, very loud music")
    await ann.picture("with-a-person")
    whole = await site.agent("GET", path)
    assert [m["said"]["text"] for m in whole["messages"]][-1] == "yes, very loud music"
    await site.agent("POST", f"{path}/give-back", hold=hold)
    await ann.reads("handed you back to the automatic helper")
    await ann.say("my street light is broken")
    await ann.reads("This sounds like")
    await ann.picture("helper-again")


async def test_the_network_goes_in_mid_talk(citizens, site):
    """What is written meanwhile is kept and shown as not sent, goes when the network is back, and nothing is doubled."""
    ann = await (await citizens()).visit()
    await ann.say("the bin lorry missed us again and it is overflowing")
    await ann.reads("What is the postcode")
    lost = 0

    async def swallow(route):
        nonlocal lost
        if route.request.method == "POST" and not lost:
            lost += 1
            await route.fetch()  # it arrives, and the answer is lost
        await route.abort()

    await ann.context.route("**/chat/v1/**", swallow)
    await ann.say("NW4 4BG")
    await ann.reads("house number or name")  # heard over the stream, though the answer was lost
    await ann.context.set_offline(True)
    await ann.say("12 Church Road")
    await ann.reads("Not sent yet")
    await ann.page.get_by_text("You are not connected").first.wait_for()
    await ann.picture("offline")
    await ann.context.unroute("**/chat/v1/**")
    await ann.context.set_offline(False)
    await ann.reads("When did it happen")
    words = await ann.words()
    for said in ("NW4 4BG", "12 Church Road"):
        assert sum(said in each for each in words) == 1, words
    assert words[-1].startswith("When did it happen")
    assert "Not sent yet" not in " ".join(words)


async def test_reload_and_two_tabs(citizens):
    """After a reload everything is there; a second tab is in the same conversation, and each sees what the other says."""
    ann = await (await citizens()).visit()
    await ann.say("the bin lorry missed us again and it is overflowing")
    await ann.reads("What is the postcode")
    before = await ann.words()
    await ann.page.reload()
    await ann.reads("What is the postcode")
    assert await ann.words() == before
    second = type(ann)(ann.site, ann.context, await ann.context.new_page(), ann.name)
    await second.visit()
    await second.reads("What is the postcode")
    await second.say("NW4 4BG")
    await ann.reads("house number or name")
    await ann.say("12 Church Road")
    await second.reads("When did it happen")
    await ann.reads("When did it happen")
    assert await ann.words() == await second.words()
    await second.picture("second-tab", check=False)
    tokens = await ann.page.evaluate("Object.values(localStorage).map(each => JSON.parse(each).token)")
    assert len(tokens) == 1
    addresses = await ann.page.evaluate(
        "performance.getEntriesByType('resource').map(each => each.name).join(' ')"
    )
    assert tokens[0] not in addresses


async def test_welsh(citizens):
    """The whole talk in Welsh, from the page's own language."""
    ann = await (await citizens(locale="cy-GB")).visit("/?authority=barnet&language=cy")
    await ann.page.get_by_role("heading", name="Gofyn i Barnet").wait_for()
    await ann.say("the bin lorry missed us again and it is overflowing")
    await ann.reads("Beth yw cod post y lle dan sylw?")
    await ann.picture("welsh")
    await ann.page.locator(".language").click()
    await ann.page.get_by_role("heading", name="Ask Barnet").wait_for()
    await ann.say("nw4 4bg")
    await ann.reads("What is the house number")


async def test_markup_stays_words(citizens):
    """Whatever is typed, or comes back, is shown as it was typed and never run."""
    ann = await (await citizens()).visit()
    text = (
        "<img src=x onerror=document.title='owned'><script>document.title='owned'</script> my bin was missed"
    )
    await ann.say(text)
    await ann.page.locator(".choices button").first.wait_for()
    assert text in (await ann.words())[1]
    assert await ann.page.locator(".bubble img, .bubble script").count() == 0
    assert await ann.page.title() != "owned"


@pytest.mark.parametrize(
    ("state", "options"),
    [
        ("narrow", {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}),
        ("zoomed", {"viewport": {"width": 320, "height": 256}, "device_scale_factor": 4}),
        ("dark", {"color_scheme": "dark"}),
        ("forced-colours", {"forced_colors": "active"}),
    ],
)
async def test_on_other_screens(citizens, state, options):
    """320 pixels wide, 400 % zoom, dark, and with the reader's own colours: legible, and nothing runs off sideways."""
    ann = await (await citizens(name=f"screen-{state}", **options)).visit(
        "/?floating" if state == "zoomed" else "/"
    )
    if state == "zoomed":
        await ann.page.get_by_role("button", name="Ask us").click()
    await ann.say("my husband is hitting me and I am scared he will kill me")
    await ann.reads("We have alerted a person")
    await ann.page.locator("#box").focus()
    sideways = await ann.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert sideways <= 0
    await ann.picture(state, check=state != "forced-colours")
