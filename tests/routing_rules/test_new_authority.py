"""A new authority is files alone, no code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from routing_rules import check, router
from routing_rules.catalogue import OUT_OF_SCOPE
from routing_rules.decision import Action, Facts
from routing_rules.door import Door
from routing_rules.organisation import fill
from routing_rules.reading import Reading
from routing_rules.routed import Routed
from tests.routing_rules.stand_ins import SHIPPED


def answer(door: Door, service: str, facts: Facts, words: str = "") -> Routed:
    """Who answers, by the shipped files."""
    here = router.spot(facts, door.places)
    return router.route(door.service(service), facts, door.authority(facts.authority), here, words)


NEW_AUTHORITY: dict[str, str] = {
    "authority.toml": """
name = "Examplebury Borough Council"
short_name = "Examplebury"
reference_prefix = "EXB"
gss = ["E09000007"]
worklist = "front-desk"
hours = { weekdays = "08:30-17:00" }
safeguarding = { ladder = [{ after_minutes = 0, tell = "front-desk" }] }
""",
    "routes.toml": """
[groups]
waste = { organisation = "bin-firm", chain = ["front-desk"] }
""",
    "signposts.toml": """
[services]
passport = "passports"
[bodies.passports]
name = "HM Passport Office"
say = "They answer for {service}."
phone = "0300 222 0000"
""",
    "rules.toml": """
[[rule]]
id = "assisted"
why = "People over 80 get a call back."
when = { group = "waste", age_from = 80 }
then = { organisation = "front-desk" }
""",
    "organisations/bin-firm.toml": """
name = "Bins of Examplebury Ltd"
kind = "outsourced"
protocol = "rest"
connection = { url = "${EXAMPLEBURY_BIN_FIRM_URL}", auth = "none" }
statuses = { "Job Done" = "resolved" }
[sharing]
fields = ["description", "address"]
purpose = "Emptying bins."
lawful_basis = "public task"
""",
    "organisations/front-desk.toml": """
name = "Front desk"
kind = "council"
protocol = "worklist"
[sharing]
fields = ["description"]
purpose = "Dealing with it here."
lawful_basis = "public task"
""",
}


def test_a_new_authority_is_files_alone(
    tmp_path: Path, shipped: Reading, facts: Callable[..., Facts]
) -> None:
    """Organisations, routes, rules, hours and wording: six files, no code."""
    (tmp_path / "services").symlink_to(SHIPPED / "services")
    (tmp_path / "tiers.toml").symlink_to(SHIPPED / "tiers.toml")
    home = tmp_path / "authorities" / "examplebury"
    (home / "organisations").mkdir(parents=True)
    groups = {service.group for service in shipped.catalogue.services.values()} - {"waste", OUT_OF_SCOPE}
    texts = dict(NEW_AUTHORITY)
    texts["routes.toml"] += "".join(
        f'{group} = {{ organisation = "front-desk" }}\n' for group in sorted(groups)
    )
    texts["routes.toml"] += '[services]\npassport = { organisation = "signpost" }\n'
    for service in shipped.catalogue.services.values():
        if service.dangerous:
            texts["authority.toml"] += (
                f'[wording.{service.code}]\nwords = "Call 999."\nsigned_off_by = "Me"\nsigned_off_on = 2026-01-05\n'
            )
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8")
    assert check.check(tmp_path) == []
    door = Door.load(tmp_path, find_danger=lambda _: None)
    bins = answer(door, "missed-bin", facts("examplebury"))
    assert (bins.organisation, bins.chain) == ("bin-firm", ["front-desk"])
    assert answer(door, "missed-bin", facts("examplebury", age=84)).rule == "rule:assisted"
    assert answer(door, "pothole", facts("examplebury")).organisation == "front-desk"
    assert answer(door, "passport", facts("examplebury")).action is Action.SIGNPOST
    assert (
        answer(door, "missed-bin", facts("examplebury", postcode="NW9 5AB")).organisation
        == "London Borough of Barnet"
    )
    firm = door.authority("examplebury").organisations["bin-firm"]
    assert firm.state_of("job done") == "resolved"
    assert (
        fill(firm.connection, {"EXAMPLEBURY_BIN_FIRM_URL": "http://127.0.0.1:1"})["url"]
        == "http://127.0.0.1:1"
    )
