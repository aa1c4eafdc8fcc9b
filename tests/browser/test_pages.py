"""Citizens without the chat: the form and looking up a request, with JavaScript off."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(180)  # a browser that starts beside others may take its time


@pytest.fixture
async def plain(citizens):
    """A browser that runs no script."""
    return await citizens(java_script_enabled=False)


async def picture(citizen, state):
    await citizen.picture(state, check=False)


async def test_the_form_without_script(plain, site):
    """From the sample page to the form, a mistake mended, and the reference; then where it stands."""
    await plain.visit()
    await picture(plain, "sample-page")
    await plain.page.get_by_role("link", name="Use the form instead").first.click()
    await plain.page.get_by_label("Postcode").fill("nowhere")
    await plain.page.get_by_role("button", name="Send").click()
    await plain.page.get_by_text("There is a problem").wait_for()
    await picture(plain, "errors")
    await plain.page.get_by_label("What do you need?").fill(
        "the bin lorry missed us again and it is overflowing"
    )
    await plain.page.get_by_label("Postcode").fill("nw4 4bg")
    await plain.page.get_by_label("Phone number or email").fill("ann@example.com")
    await plain.page.get_by_role("button", name="Send").click()
    reference = await plain.page.locator(".reference").inner_text()
    await picture(plain, "done")
    request = await site.agent("GET", f"/requests/{reference}")
    assert (request["channel"], request["citizen"]) == ("web", {"email": "ann@example.com"})
    await plain.page.get_by_role("link", name="Look up where it stands").click()
    await plain.page.get_by_label("Your reference").fill(reference.lower().replace("-", " "))
    await plain.page.get_by_label("The postcode").fill("wrong@example.com")
    await plain.page.get_by_role("button", name="Look it up").click()
    await plain.page.get_by_text("We found nothing").first.wait_for()
    await plain.page.get_by_label("The postcode").fill("NW44BG")
    await plain.page.get_by_role("button", name="Look it up").click()
    await plain.page.get_by_text("Missed bin collection").wait_for()
    await picture(plain, "track")


async def test_two_needs_on_the_form(plain, site):
    """The second page shows them, and one may be left out."""
    await plain.visit("/contact/barnet")
    words = "my bin was missed and I also need to renew my resident parking permit"
    await plain.page.get_by_label("What do you need?").fill(words)
    await plain.page.get_by_role("button", name="Send").click()
    await plain.page.get_by_text("Untick what you do not want").wait_for()
    await picture(plain, "several")
    await plain.page.get_by_label("Missed bin").uncheck()
    await plain.page.get_by_role("button", name="Send").click()
    reference = await plain.page.locator(".reference").inner_text()
    request = await site.agent("GET", f"/requests/{reference}")
    assert [one["service"] for one in request["referrals"]] == ["parking-permit"]


async def test_danger_on_the_form(plain):
    """The words come before the reference."""
    await plain.visit("/contact/barnet")
    await plain.page.get_by_label("What do you need?").fill("I can smell gas in the kitchen and feel dizzy")
    await plain.page.get_by_role("button", name="Send").click()
    await plain.page.locator(".alarm a[href='tel:0800111999']").wait_for()
    await picture(plain, "danger")


@pytest.mark.parametrize("language", ["en", "cy"])
async def test_nothing_on_any_page_shuts_anyone_out(citizens, language, vague):
    """Axe finds nothing at WCAG 2.2 AA on the pages and their states, in both languages."""
    ann = await citizens(name=f"pages-{language}")
    await ann.visit(f"/contact/barnet?language={language}")
    await ann.picture("form")
    await ann.page.locator("#postcode").fill("x")
    await ann.page.locator("button").click()
    await ann.picture("form-errors")
    await ann.page.locator("#postcode").fill("")
    await ann.page.locator("#words").fill(vague)
    await ann.page.locator("button").click()
    await ann.page.locator("input[type=radio]").first.wait_for()
    await ann.picture("form-which")
    await ann.page.locator("input[type=radio]").first.check()
    await ann.page.locator("button").click()
    await ann.page.locator(".reference").wait_for()
    await ann.picture("done")
    await ann.visit(f"/contact/barnet?language={language}")
    await ann.page.locator("#words").fill("I can smell gas in the kitchen and feel dizzy")
    await ann.page.locator("button").click()
    await ann.page.locator(".alarm").wait_for()
    await ann.picture("danger")
    await ann.visit(f"/track?language={language}")
    await ann.picture("track")
