"""`check`: what looks wrong in a folder that loads, and everything that keeps one from loading."""

from __future__ import annotations

from pathlib import Path

import pytest

from routing_rules.check import Problem, check
from tests.routing_rules.stand_ins import MakeFolder

RULES = "authorities/testshire/rules.toml"


def rules(*texts: str) -> dict[str, str]:
    """A rules file of these `when`/`unless`/`then` bodies."""
    return {
        RULES: "".join(
            f'[[rule]]\nid = "r{number}"\nwhy = "It is so."\n{text.strip()}\n\n'
            for number, text in enumerate(texts, start=1)
        )
    }


def found(folder: Path, *, level: str = "error") -> list[Problem]:
    """The problems of one level."""
    return [problem for problem in check(folder) if problem.level == level]


def test_the_small_folder_has_nothing_to_say(make_folder: MakeFolder) -> None:
    """No error and no warning."""
    assert check(make_folder()) == []


def test_errors_that_stop_the_start_are_problems_with_file_line_and_suggestion(
    make_folder: MakeFolder,
) -> None:
    """The same that loading raises, ready to print."""
    folder = make_folder(rules('when = { service = "misd-bin" }\nthen = { priority = "urgent" }'))
    (problem,) = check(folder)
    assert (problem.level, problem.line, problem.suggestion) == ("error", 4, "missed-bin")
    assert str(problem).endswith(
        "rules.toml:4: error: unknown service 'misd-bin' (did you mean 'missed-bin'?)"
    )


def test_a_service_that_nobody_answers_for_is_an_error(make_folder: MakeFolder) -> None:
    """Each service needs a route of its own or its group's."""
    folder = make_folder(
        replace={"authorities/testshire/routes.toml": ('council-tax = { organisation = "council" }\n', "")}
    )
    (problem,) = check(folder)
    assert "nobody answers for service 'council-tax'" in problem.message


def test_missing_emergency_wording_is_an_error(make_folder: MakeFolder) -> None:
    """No start without words for each way a person may be in danger."""
    path = "authorities/testshire/authority.toml"
    folder = make_folder(replace={path: ("[wording.child-protection]", "[wording.home-care]")})
    (problem,) = check(folder)
    assert "no wording for 'child-protection'" in problem.message


def test_emergency_wording_without_a_number_to_call_is_an_error(make_folder: MakeFolder) -> None:
    """Words alone do not help someone in danger."""
    path = "authorities/testshire/authority.toml"
    folder = make_folder(replace={path: ("call 0800 111 999", "call someone")})
    (problem,) = check(folder)
    assert "name no number" in problem.message


def test_sample_wording_is_a_warning_until_signed_off(make_folder: MakeFolder) -> None:
    """The product's own words are for starting with, not for opening with."""
    path = "authorities/testshire/authority.toml"
    folder = make_folder(
        replace={path: ('signed_off_by = "Head of Planning"', 'signed_off_by = "H"\nsample = true')}
    )
    (problem,) = found(folder, level="warning")
    assert "not signed off yet: gas-leak" in problem.message


def test_a_signpost_to_nobody_is_an_error(make_folder: MakeFolder) -> None:
    """A service that is signposted needs a body, and a body a way to reach it."""
    path = "authorities/testshire/signposts.toml"
    (problem,) = check(make_folder(replace={path: ('income-tax = "hmrc"\n', "")}))
    assert "signposted, but to nobody" in problem.message
    (problem,) = check(make_folder(replace={path: ('url = "https://www.gov.uk/contact-hmrc"\n', "")}))
    assert "never a dead end" in problem.message


def test_the_same_example_under_two_services_is_an_error(make_folder: MakeFolder) -> None:
    """Case and punctuation do not make it another one; both services are named, with the line."""
    folder = make_folder(
        replace={
            "services/money.toml": ("my council tax went up", "My council tax went up\nBin men, drove past!")
        }
    )
    (problem,) = found(folder)
    assert problem.line == 12
    assert "'council-tax' is also one of 'missed-bin'" in problem.message


def test_the_same_example_twice_in_a_service_is_a_warning(make_folder: MakeFolder) -> None:
    """It harms nobody, and adds nothing."""
    folder = make_folder(replace={"services/bins.toml": ("bin men drove past", "they never emptied my bin!")})
    (problem,) = check(folder)
    assert (problem.level, problem.line) == ("warning", 9)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('when = { group = "bins" }', 'when = { service = "missed-bin" }'),
        ('when = { group = "bins" }', 'when = { service = ["missed-bin", "new-bin"], channel = "chat" }'),
        ("when = { }", 'when = { service = "home-care" }'),
        ('when = { tier = "district" }', 'when = { group = "bins" }'),
        ('when = { organisation = "council" }', 'when = { group = "care" }'),
        ('when = { postcode = "NW9" }', 'when = { postcode = ["NW9 5", "NW9 6AB"] }'),
        ('when = { postcode = "NW" }', 'when = { postcode = "NW9" }'),
        ('when = { known = "postcode" }', 'when = { postcode = "NW9" }'),
        ('when = { known = "age" }', "when = { age_from = 65 }"),
        ("when = { age_from = 60 }", "when = { age_from = 65, age_to = 70 }"),
        ('when = { language = "pl" }', 'when = { language = "pl-PL" }'),
        ('when = { channel = ["chat", "web"] }', 'when = { channel = "web" }'),
        ('when = { words = ["wires", "cover"] }', 'when = { words = "live wires" }'),
        ('when = { between = "09:00-17:00" }', 'when = { between = "10:00-12:00" }'),
        ('when = { hours = "closed" }', 'when = { hours = "closed", day = "sunday" }'),
        ('when = { service = "missed-bin" }\nunless = { channel = "chat" }',
         'when = { service = "missed-bin" }\nunless = { channel = ["chat", "web"] }'),
        ('when = { channel = "chat" }\nunless = { service = "home-care" }',
         'when = { channel = "chat", group = "bins" }'),
    ],
)  # fmt: skip
def test_a_rule_behind_one_that_always_matches_first_is_an_error(
    make_folder: MakeFolder, earlier: str, later: str
) -> None:
    """It can never fire, so whoever wrote it meant something else; both lines are named."""
    then = '\nthen = { priority = "urgent" }'
    (problem,) = found(make_folder(rules(earlier + then, later + then)))
    assert "'r2' can never fire: 'r1' (line 1) always matches first" in problem.message
    assert problem.line is not None
    assert problem.line > 1


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('when = { service = "missed-bin" }', 'when = { group = "bins" }'),
        ('when = { postcode = "NW9 5" }', 'when = { postcode = "NW9" }'),
        ('when = { postcode = "N1" }', 'when = { postcode = "N12" }'),
        ("when = { age_from = 65 }", 'when = { known = "age" }'),
        ('when = { hours = "open", hours_of = "council" }', 'when = { hours = "open" }'),
        ('when = { words = "live wires" }', 'when = { words = "wires" }'),
        ('when = { between = "09:00-17:00" }', 'when = { between = "16:00-18:00" }'),
        ('when = { group = "bins" }\nunless = { channel = "chat" }', 'when = { service = "missed-bin" }'),
        ('when = { group = "bins" }\nunless = { channel = ["chat", "web"] }',
         'when = { group = "bins" }\nunless = { channel = "chat" }'),
        ('when = { language = "pl-PL" }', 'when = { language = "pl" }'),
        ("when = { bank_holiday = true }", "when = { bank_holiday = false }"),
    ],
)  # fmt: skip
def test_a_rule_that_can_still_fire_is_never_called_unreachable(
    make_folder: MakeFolder, earlier: str, later: str
) -> None:
    """The check stays silent wherever it is not certain."""
    then = '\nthen = { priority = "urgent" }'
    assert found(make_folder(rules(earlier + then, later + then))) == []


def test_two_rules_with_the_same_conditions_and_other_outcomes_contradict_each_other(
    make_folder: MakeFolder,
) -> None:
    """The same conditions may be written in another way."""
    folder = make_folder(
        rules(
            'when = { group = "bins" }\nthen = { organisation = "carers" }',
            'when = { service = ["new-bin", "missed-bin"] }\nthen = { organisation = "council" }',
        )
    )
    (problem,) = found(folder)
    assert "rule 'r2' contradicts 'r1'" in problem.message


def test_a_rule_written_twice_is_an_error(make_folder: MakeFolder) -> None:
    """The second says nothing new."""
    one = 'when = { group = "bins" }\nthen = { organisation = "carers" }'
    (problem,) = found(make_folder(rules(one, one)))
    assert "says the same as 'r1'" in problem.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('when = { service = "missed-bin", group = "care" }', "no service is all"),
        ('when = { group = "bins", tier = "county" }', "no service is all"),
        ('when = { organisation = "signpost", group = "bins" }', "no service is all"),
        ('when = { service = "missed-bin" }\nunless = { group = "bins" }', "matches 'unless' too"),
    ],
)
def test_a_rule_that_contradicts_itself_is_an_error(make_folder: MakeFolder, text: str, why: str) -> None:
    """Conditions that no need can fulfil."""
    (problem,) = found(make_folder(rules(text + '\nthen = { priority = "urgent" }')))
    assert why in problem.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("when = { age_from = 70, age_to = 60 }\nthen = { priority = 'urgent' }", "no age is from 70 to 60"),
        ("when = { hours_of = 'council' }\nthen = { priority = 'urgent' }", "'hours_of' says whose hours"),
        ("when = { postcode = 'London' }\nthen = { priority = 'urgent' }", "not a postcode"),
        ("when = { between = '9-5' }\nthen = { priority = 'urgent' }", "not opening hours"),
        ("when = { words = '...' }\nthen = { priority = 'urgent' }", "no word in '...'"),
        ("when = { }\nthen = { }", "nothing follows"),
        ("when = { }\nthen = { organisation = 'council', action = 'triage' }", "not both"),
        ("when = { }\nthen = { organisation = 'council', signpost = 'hmrc' }", "'signpost' needs action"),
        ("when = { }\nthen = { action = 'refuse' }", "rule[0].then.action cannot be 'refuse'"),
        (
            "when = { channel = 'fax' }\nthen = { priority = 'urgent' }",
            "rule[0].when.channel cannot be 'fax'",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_an_error(make_folder: MakeFolder, text: str, reason: str) -> None:
    """Found at start, in words, at its line."""
    (problem,) = found(make_folder(rules(text)))
    assert reason in problem.message
    assert problem.line in (4, 5)


def test_what_nothing_uses_is_a_warning(make_folder: MakeFolder) -> None:
    """An organisation without a route, an area without a rule, a body nobody is sent to."""
    folder = make_folder(
        {
            "authorities/testshire/organisations/spare.toml": (
                'name = "Spare"\nkind = "charity"\nprotocol = "worklist"\n'
                '[sharing]\nfields = ["name"]\npurpose = "None."\nlawful_basis = "consent"\n'
            ),
            RULES: '[areas]\nnowhere = ["N1"]\n',
        },
        append={
            "authorities/testshire/signposts.toml": '[bodies.old]\nname = "Old"\nsay = "Gone."\nphone = "1"\n'
        },
    )
    messages = [problem.message for problem in found(folder, level="warning")]
    assert messages == [
        "nothing is ever routed to organisation 'spare'",
        "no rule asks for area 'nowhere'",
        "nobody is ever sent to body 'old'",
    ]
    assert found(folder) == []


def test_an_emergency_without_anyone_alerted_is_a_warning(make_folder: MakeFolder) -> None:
    """It would go to the worklist; better to say who."""
    folder = make_folder(
        replace={"authorities/testshire/routes.toml": ('"signpost", alert = "worklist"', '"signpost"')}
    )
    (problem,) = check(folder)
    assert (problem.level, problem.line) == ("warning", 5)
    assert "name who is alerted" in problem.message
