"""How well the door understands: its answers against the right ones, for a file of messages.

    report = evaluate(read(path), Subject(engine.classify, splitter.split, detector.find), organisation_of)
    print(*lines(report), sep=os.linesep)
    draw(report, Path("understanding.png"))        # needs the extra `figures`

A file is CSV with a header: `text,code`, or `text,codes` (several, with `|` between), or `text,code,emergency` with
1 or 0. `out-of-scope` is a code like any other.
"""

from __future__ import annotations

import csv
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from routing_rules.classifier.base import Scored

OUT_OF_SCOPE: Final = "out-of-scope"
_COVERAGES: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
_BINS: Final = 10
_MOST_CONFUSIONS: Final = 20


class Message(msgspec.Struct, frozen=True):
    """A message with its right answer."""

    text: str
    codes: tuple[str, ...]
    """The services it asks for; more than one where it holds several needs."""
    emergency: bool | None = None
    """Whether a person is in danger; `None` where the file does not say."""


class Subject(msgspec.Struct, frozen=True):
    """What is being measured."""

    classify: Callable[[str], Sequence[Scored]]
    split: Callable[[str], list[str]]
    find_danger: Callable[[str], object | None]


class Point(msgspec.Struct, frozen=True):
    """What happens when only the surest share of the messages is decided without a person."""

    coverage: float
    threshold: float
    """The confidence from which on the door decides."""
    service: float
    """Share with the right service, of those decided."""
    organisation: float


class Bin(msgspec.Struct, frozen=True):
    """Answers of like confidence: well calibrated when `right` is near `confidence`."""

    confidence: float
    right: float
    count: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Every share is 0 to 1; `None` where the file holds nothing to measure it by."""

    messages: int
    service: float | None
    top3: float | None
    organisation: float | None
    points: list[Point]
    reliability: list[Bin]
    calibration_error: float | None
    """Mean distance of confidence from the share that is right, weighed by how many."""
    confusions: list[tuple[str, str, int]]
    """Right service, service given, how often; commonest first."""
    refused_rightly: float | None
    """Out-of-scope messages recognised as such."""
    refused_wrongly: float | None
    """Messages in scope taken for out of scope."""
    both_found: float | None
    """Messages of several needs all of which were found."""
    split_wrongly: float | None
    """Messages of one need that were split."""
    danger_found: float | None
    false_alarms: float | None
    missed_dangers: list[int]
    """Which messages, by number from 1: a report never repeats a citizen's words."""
    microseconds_median: float
    microseconds_p99: float


class BadFile(ValueError):
    """The file is not one of messages; says where and what."""


def read(path: Path) -> list[Message]:
    """Read a file of messages. Raises `BadFile`, or `OSError` when it cannot be read at all."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        have = set(rows.fieldnames or ())
        if "text" not in have or not have & {"code", "codes"}:
            raise BadFile(f"{path.name}: the first line must name the columns text and code (or codes)")
        messages = []
        for row in rows:
            codes = tuple(filter(None, (row.get("codes") or row.get("code") or "").split("|")))
            if not row["text"] or not codes:
                raise BadFile(f"{path.name}, line {rows.line_num}: a text and a code are needed")
            mark = row.get("emergency")
            if mark not in {None, "", "0", "1"}:
                raise BadFile(f"{path.name}, line {rows.line_num}: emergency is 1 or 0, not {mark!r}")
            messages.append(Message(row["text"], codes, None if not mark else mark == "1"))
    if not messages:
        raise BadFile(f"{path.name}: no messages")
    return messages


class _Answer(msgspec.Struct, frozen=True):
    number: int
    message: Message
    ranking: Sequence[Scored]
    found: set[str]
    """The best service of each part."""
    parts: int
    danger: bool
    microseconds: float

    @property
    def best(self) -> str:
        return self.ranking[0].service if self.ranking else ""

    @property
    def confidence(self) -> float:
        return self.ranking[0].confidence if self.ranking else 0.0


def evaluate(
    messages: Sequence[Message],
    subject: Subject,
    organisation_of: Callable[[str], str | None],
) -> Report:
    """Ask for every message and compare. `organisation_of`: who answers for a service."""
    answers = [_ask(number, message, subject) for number, message in enumerate(messages, start=1)]
    single = [answer for answer in answers if len(answer.message.codes) == 1]
    several = [answer for answer in answers if len(answer.message.codes) > 1]
    marked = [answer for answer in answers if answer.message.emergency is not None]
    inside = [answer for answer in single if answer.message.codes[0] != OUT_OF_SCOPE]
    outside = [answer for answer in single if answer.message.codes[0] == OUT_OF_SCOPE]

    def right(answer: _Answer) -> bool:
        return answer.best == answer.message.codes[0]

    def right_organisation(answer: _Answer) -> bool:
        code = answer.message.codes[0]
        return answer.best == code or organisation_of(answer.best) == organisation_of(code)

    reliability = _reliability(single, right)
    wrong = Counter((answer.message.codes[0], answer.best) for answer in single if not right(answer))
    times = sorted(answer.microseconds for answer in answers)
    return Report(
        messages=len(messages),
        service=_share(single, right),
        top3=_share(
            single, lambda answer: answer.message.codes[0] in {one.service for one in answer.ranking[:3]}
        ),
        organisation=_share(single, right_organisation),
        points=_points(single, right, right_organisation),
        reliability=reliability,
        calibration_error=sum(abs(one.confidence - one.right) * one.count for one in reliability)
        / len(single)
        if single
        else None,
        confusions=[(code, given, count) for (code, given), count in wrong.most_common(_MOST_CONFUSIONS)],
        refused_rightly=_share(outside, right),
        refused_wrongly=_share(inside, lambda answer: answer.best == OUT_OF_SCOPE),
        both_found=_share(several, lambda answer: answer.found == set(answer.message.codes)),
        split_wrongly=_share(single, lambda answer: answer.parts > 1),
        danger_found=_share([one for one in marked if one.message.emergency], lambda answer: answer.danger),
        false_alarms=_share(
            [one for one in marked if not one.message.emergency], lambda answer: answer.danger
        ),
        missed_dangers=[one.number for one in marked if one.message.emergency and not one.danger],
        microseconds_median=statistics.median(times),
        microseconds_p99=times[min(len(times) - 1, int(len(times) * 0.99))],
    )


def lines(report: Report) -> list[str]:
    """Return a report as lines for a terminal."""
    said = [f"{report.messages} messages"]
    shares = {
        "right service": report.service,
        "among the first three": report.top3,
        "right organisation": report.organisation,
        "calibration error": report.calibration_error,
        "out of scope, refused": report.refused_rightly,
        "in scope, refused by mistake": report.refused_wrongly,
        "all needs of several found": report.both_found,
        "one need split by mistake": report.split_wrongly,
        "danger found": report.danger_found,
        "false alarms": report.false_alarms,
    }
    said += [f"  {name:<30}{100 * share:6.1f} %" for name, share in shares.items() if share is not None]
    said.append(
        f"  {'time, median / p99':<30}{report.microseconds_median:6.0f} / {report.microseconds_p99:.0f} µs"
    )
    if report.points:
        said.append("decided without a person: from confidence, right service, right organisation")
        said += [
            f"  {100 * point.coverage:5.0f} %   {point.threshold:.2f}   {100 * point.service:5.1f} %   "
            f"{100 * point.organisation:5.1f} %"
            for point in report.points
        ]
        said.append("confidence given, share right, how many")
        said += [f"  {one.confidence:.2f}   {one.right:.2f}   {one.count}" for one in report.reliability]
    if report.confusions:
        said.append("mistaken most often: right service, given instead, how often")
        said += [f"  {code:<32}{given or '(nothing)':<32}{count}" for code, given, count in report.confusions]
    if report.missed_dangers:
        said.append("dangers missed, by number of the message: " + ", ".join(map(str, report.missed_dangers)))
    return said


def draw(report: Report, path: Path) -> None:
    """Draw coverage against accuracy, and reliability, as a PNG. Raises `ImportError` without the extra `figures`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  an optional part
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    coverage = [100 * point.coverage for point in report.points]
    left.plot(
        coverage, [100 * point.organisation for point in report.points], marker="o", label="organisation"
    )
    left.plot(coverage, [100 * point.service for point in report.points], marker="s", label="service")
    left.set(xlabel="decided without a person, %", ylabel="of those right, %", title="Coverage and accuracy")
    left.legend()
    left.grid(alpha=0.3)
    right.plot([0, 1], [0, 1], linestyle=":", color="grey", label="perfect")
    right.plot(
        [one.confidence for one in report.reliability],
        [one.right for one in report.reliability],
        marker="o",
        label="the door",
    )
    right.set(xlabel="confidence given", ylabel="share right", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    right.legend()
    right.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _ask(number: int, message: Message, subject: Subject) -> _Answer:
    began = time.perf_counter_ns()
    danger = subject.find_danger(message.text)
    parts = subject.split(message.text)
    rankings = [subject.classify(part) for part in parts]
    microseconds = (time.perf_counter_ns() - began) / 1000
    ranking = rankings[0] if len(parts) == 1 else subject.classify(message.text)
    found = {one[0].service for one in rankings if one}
    return _Answer(number, message, ranking, found, len(parts), danger is not None, microseconds)


def _share(answers: Sequence[_Answer], good: Callable[[_Answer], bool]) -> float | None:
    return sum(map(good, answers)) / len(answers) if answers else None


def _points(
    answers: Sequence[_Answer], right: Callable[[_Answer], bool], organisation: Callable[[_Answer], bool]
) -> list[Point]:
    surest = sorted(answers, key=lambda answer: -answer.confidence)
    points = []
    for coverage in _COVERAGES if surest else ():
        kept = surest[: max(1, round(coverage * len(surest)))]
        points.append(
            Point(
                coverage, kept[-1].confidence, _share(kept, right) or 0.0, _share(kept, organisation) or 0.0
            )
        )
    return points


def _reliability(answers: Sequence[_Answer], right: Callable[[_Answer], bool]) -> list[Bin]:
    held: dict[int, list[_Answer]] = {}
    for answer in answers:
        held.setdefault(min(_BINS - 1, int(answer.confidence * _BINS)), []).append(answer)
    return [
        Bin(sum(one.confidence for one in some) / len(some), _share(some, right) or 0.0, len(some))
        for _, some in sorted(held.items())
    ]
