"""A small rules folder as text, and stand-ins for the engine, the splitter and the safety words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from hypothesis import settings

import routing_rules
from routing_rules.classifier.base import Scored
from routing_rules.decision import Facts

SHIPPED = Path(routing_rules.__file__).parent
NOON = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
"""A Wednesday, in winter time, with everything open."""

unhurried = settings(deadline=None)
"""For hypothesis: a slow machine is no fault."""

MakeFolder = Callable[..., Path]
"""`make_folder({"path": "whole text"}, append={"path": "more"}, replace={"path": ("old", "new")})`."""
MakeFacts = Callable[..., Facts]

FILES = {
    "services/bins.toml": """
[missed-bin]
name = "Missed bin collection"
ask = ["postcode", "when"]
tell = "The crew is sent back."
contrast.new-bin = "the bin is broken, rather than not emptied"
examples = '''
they never emptied my bin
bin men drove past
'''

[new-bin]
name = "New bin"
examples = '''
my bin has a hole in it
'''
""",
    "services/care.toml": """
[home-care]
name = "Care at home"
examples = '''
mum needs help washing
'''

[child-protection]
name = "Child at risk"
safety = "safeguarding"
examples = '''
the boy next door is always bruised
'''
""",
    "services/danger.toml": """
[gas-leak]
name = "Smell of gas"
safety = "emergency"
examples = '''
it smells of gas in here
'''
""",
    "services/money.toml": """
[income-tax]
name = "Income tax"
examples = '''
my tax code is wrong
'''

[council-tax]
name = "Council tax"
examples = '''
my council tax went up
'''
""",
    "services/out-of-scope.toml": """
[out-of-scope]
name = "Not a public service"
tell = "Sorry, that is nothing we do."
examples = '''
hello there
'''
""",
    "tiers.toml": """
[groups]
bins = "district"
care = "county"
danger = "national"

[services]
income-tax = "national"
council-tax = "district"
""",
    "authorities/testshire/authority.toml": """
name = "Testshire Council"
short_name = "Testshire"
reference_prefix = "TST"
gss = ["E09000003"]
worklist = "worklist"

[public_contact]
phone = "020 7946 0000"

[hours]
weekdays = "09:00-17:00"

[safeguarding]
ladder = [{ after_minutes = 0, tell = "worklist" }]

[wording.gas-leak]
words = "Leave now and call 0800 111 999."
signed_off_by = "Head of Planning"
signed_off_on = 2026-01-05

[wording.child-protection]
words = "If a child is in danger call 999."
signed_off_by = "Director of Children's Services"
signed_off_on = 2026-01-05
""",
    "authorities/testshire/routes.toml": """
[groups]
bins = { organisation = "council" }
care = { organisation = "council", chain = ["carers"] }
danger = { organisation = "signpost", alert = "worklist" }

[services]
income-tax = { organisation = "signpost" }
council-tax = { organisation = "council" }
home-care = { organisation = "council", choices = ["carers"] }
""",
    "authorities/testshire/signposts.toml": """
[services]
gas-leak = "gas"
income-tax = "hmrc"

[bodies.gas]
name = "National Gas Emergency Service"
say = "Call from outside."
phone = "0800 111 999"

[bodies.hmrc]
name = "HMRC"
say = "HMRC answers for {service}."
url = "https://www.gov.uk/contact-hmrc"
""",
    "authorities/testshire/rules.toml": "",
    "authorities/testshire/organisations/council.toml": """
name = "Testshire Council"
kind = "council"
protocol = "open311"

[connection]
url = "${TESTSHIRE_COUNCIL_URL}"

[sharing]
fields = ["description", "postcode"]
purpose = "Doing what was asked."
lawful_basis = "public task"

[statuses]
open = "delivered"
closed = "resolved"
""",
    "authorities/testshire/organisations/carers.toml": """
name = "Testshire Carers"
kind = "charity"
protocol = "email"

[connection]
host = "${TESTSHIRE_CARERS_HOST}"

[sharing]
fields = ["description", "name", "phone"]
purpose = "Caring."
lawful_basis = "consent"
""",
    "authorities/testshire/organisations/worklist.toml": """
name = "Testshire worklist"
kind = "council"
protocol = "worklist"

[sharing]
fields = ["description"]
purpose = "Dealing with it here."
lawful_basis = "public task"
""",
}


class Alarm(msgspec.Struct, frozen=True):
    """What the stand-in safety words find."""

    service: str
    evidence: list[str]
    confidence: float = 0.9


class FixedEngine:
    """Answers from a table: the first entry whose key is in the text."""

    fingerprint = "fixed"

    def __init__(self, table: dict[str, list[tuple[str, float]]]) -> None:
        self._table = table
        self.asked: list[str] = []

    def classify(self, text: str) -> list[Scored]:
        """Look the text up."""
        self.asked.append(text)
        for key, ranking in self._table.items():
            if key in text:
                return [Scored(service, confidence, [key]) for service, confidence in ranking]
        return []


class LineSplitter:
    """One need a line."""

    def split(self, text: str) -> list[str]:
        """Split at line ends."""
        return text.splitlines()


def no_danger(_text: str) -> None:
    """Find nothing."""


def gas_words(text: str) -> Alarm | None:
    """Find gas, by its one word."""
    return Alarm("gas-leak", ["gas"]) if "gas" in text else None
