"""Tests of `routing_rules.evaluate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from routing_rules.classifier.base import Scored
from routing_rules.evaluate import BadFile, Message, Report, Subject, draw, evaluate, lines, read
from routing_rules.safety.finding import Finding

ANSWERS = {
    "bin": [("missed-bin", 0.9), ("new-bin", 0.1)],
    "lamp": [("new-bin", 0.4), ("street-light", 0.3)],
    "hello": [("out-of-scope", 0.8)],
    "fire": [("noise", 0.6)],
}
MESSAGES = [
    Message("bin", ("missed-bin",), emergency=False),
    Message("lamp", ("street-light",)),
    Message("hello", ("out-of-scope",)),
    Message("fire", ("life-threatening-emergency",), emergency=True),
    Message("bin and hello", ("missed-bin", "out-of-scope")),
]


def classify(text: str) -> list[Scored]:
    """Answers by heart."""
    return [Scored(service, confidence, []) for service, confidence in ANSWERS.get(text, [])]


def find_danger(text: str) -> Finding | None:
    """Danger in fire alone."""
    return Finding("life-threatening-emergency", ["fire"], 0.9) if text == "fire" else None


@pytest.fixture
def report() -> Report:
    """Of five messages."""
    subject = Subject(classify, lambda text: text.split(" and "), find_danger)
    return evaluate(MESSAGES, subject, lambda code: "council" if code != "noise" else "re")


def test_shares_are_counted_right(report: Report) -> None:
    """Service, first three and organisation are of single messages; parts and dangers of their own."""
    assert report.messages == 5
    assert report.service == 0.5
    assert report.top3 == 0.75
    assert report.organisation == 0.75
    assert report.both_found == 1.0
    assert report.split_wrongly == 0.0
    assert report.refused_rightly == 1.0
    assert report.danger_found == 1.0
    assert report.false_alarms == 0.0
    assert ("street-light", "new-bin", 1) in report.confusions


def test_the_surest_half_is_righter(report: Report) -> None:
    """Coverage points keep the surest answers."""
    half = next(point for point in report.points if point.coverage == 0.5)
    assert half.service == 1.0
    assert half.threshold == 0.8


def test_a_report_reads_well_and_repeats_no_words(report: Report) -> None:
    """The lines hold the figures and never a citizen's words."""
    said = "\n".join(lines(report))
    assert "right service" in said
    assert "50.0 %" in said
    assert "lamp" not in said


def test_the_picture_is_drawn(report: Report, tmp_path: Path) -> None:
    """A PNG of coverage and reliability, where matplotlib is installed."""
    pytest.importorskip("matplotlib")
    draw(report, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("words,code\na,b\n", "must name the columns"),
        ("text,code\na,\n", "line 2"),
        ("text,code,emergency\na,b,maybe\n", "emergency is 1 or 0"),
        ("text,code\n", "no messages"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    """What is wrong with a file is said with its line."""
    path = tmp_path / "messages.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadFile, match=message):
        read(path)


def test_files_of_each_kind_are_read(tmp_path: Path) -> None:
    """One code, several, and the mark of an emergency."""
    path = tmp_path / "messages.csv"
    path.write_text("text,codes\nx,a|b\n", encoding="utf-8")
    assert read(path) == [Message("x", ("a", "b"))]
    path.write_text("text,code,emergency\nx,a,1\ny,b,0\n", encoding="utf-8")
    assert [message.emergency for message in read(path)] == [True, False]
