"""What was expected against what was found."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.results import Verdict
from loadtest.scenario import Expect, Scenario
from loadtest.tally import Second, Tally


def judge(
    scenario: Scenario, tally: Tally, *, lost: int | None, drained: float | None, checked: bool
) -> list[Verdict]:
    """One verdict an expectation. `checked` is whether the target lets itself be asked about loss and its queue."""
    expect = scenario.expect
    verdicts = [
        Verdict(
            name="the generator sent everything",
            expected="0 unsent",
            found=f"{tally.failures['unsent']} unsent",
            ok=tally.failures["unsent"] == 0,
        )
    ]
    if expect.lost is not None and checked:
        found = "not known" if lost is None else str(lost)
        ok = lost is not None and lost + tally.unreadable <= expect.lost
        verdicts.append(Verdict(name="lost", expected=f"≤ {expect.lost}", found=found, ok=ok))
    if expect.failed is not None:
        verdicts.append(_at_most("failed", expect.failed, tally.failed))
    if expect.shed is not None:
        verdicts.append(_share("shed", expect.shed, tally.shed / max(tally.offered, 1)))
    if expect.p99 is not None:
        verdicts.append(_milliseconds("p99", expect.p99, tally.latency.at(99)[0], known=bool(tally.accepted)))
    if expect.calm_p99 is not None:
        verdicts.append(_calm(scenario, expect, expect.calm_p99, tally.timeline.seconds()))
    if expect.drained_within is not None and checked:
        verdicts.append(
            Verdict(
                name="drained",
                expected=f"≤ {expect.drained_within:g} s",
                found="not in time" if drained is None else f"{drained:.1f} s",
                ok=drained is not None and drained <= expect.drained_within,
            )
        )
    return verdicts


def calm_from(scenario: Scenario, expect: Expect) -> float:
    """Seconds after the start from when on it has to be calm again: so long after the busiest step ended."""
    busiest = max(range(len(scenario.steps)), key=lambda number: scenario.steps[number].expected)
    return sum(step.seconds for step in scenario.steps[: busiest + 1]) + expect.calm_within


def _calm(scenario: Scenario, expect: Expect, most: float, seconds: Sequence[Second]) -> Verdict:
    after = calm_from(scenario, expect)
    later = [second for second in seconds if second.at >= after and second.accepted]
    worst = sorted(second.p99 for second in later)
    # One second may be somebody else's: the machine is not ours alone. A server that is not calm shows in most of them.
    found = worst[len(worst) * 9 // 10] if worst else 0.0
    return _milliseconds(f"p99 from {after:g} s on", most, found, known=bool(worst))


def _at_most(name: str, most: int, found: int) -> Verdict:
    return Verdict(name=name, expected=f"≤ {most}", found=str(found), ok=found <= most)


def _share(name: str, most: float, found: float) -> Verdict:
    return Verdict(name=name, expected=f"≤ {most:.1%}", found=f"{found:.1%}", ok=found <= most)


def _milliseconds(name: str, most: float, found: float, *, known: bool) -> Verdict:
    return Verdict(
        name=name,
        expected=f"≤ {most * 1000:g} ms",
        found=f"{found * 1000:.1f} ms" if known else "nothing measured",
        ok=known and found <= most,
    )
