"""`make chaos`: everything that can go wrong, for ten minutes, over at least a hundred thousand requests.

    python -m tests.chaos.run [--seconds 600] [--requests 100000] [--most 900] [--rate 400] [--seed 1]

Prints figures; exit code 1 if anything acknowledged was lost, done twice, stranded or left unexplained, or if there were
fewer requests than asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from gateway import logs
from tests.chaos import acts, alarm, fairness
from tests.chaos.acts import Act, say
from tests.chaos.checker import Place

TO_END: Final = 120.0
"""Seconds kept for what still waits at the end, and for holding everything against everything."""


class Run:
    """All acts, one after another, within a time."""

    def __init__(
        self, folder: Path, *, seconds: float, requests: int, most: float, rate: float, seed: int
    ) -> None:
        self._folder = folder
        self._seconds, self._requests, self._most, self._rate = seconds, requests, most, rate
        self._chance = random.Random(seed)
        self._began = time.monotonic()
        self._done: dict[str, Act] = {}

    async def all(self) -> int:
        """The exit code."""
        brief = self._seconds < 300
        rounds = 2 if brief else 10
        await self._act("one organisation dead", fairness.one_down(self._folder / "one", rounds=rounds))
        await self._act("safeguarding", alarm.safeguarding(self._folder / "alarm"))
        await self._act("a full disk", acts.full_disk(self._folder / "disk", rate=self._rate / 4))
        failover = acts.failover(self._folder / "failover", seconds=10 if brief else 40, rate=self._rate / 4)
        await self._act("failover to a synchronous standby", failover)
        left = self._most - TO_END - self._passed
        everything = acts.everything(
            self._folder / "all",
            self._chance,
            seconds=min(self._seconds, left),
            requests=self._requests - self._acknowledged,
            most=left,
            rate=self._rate,
        )
        await self._act("everything, one thing after another", everything)
        return self._sum_up()

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._began

    @property
    def _acknowledged(self) -> int:
        return sum(act.report.figures["requests acknowledged"] for act in self._done.values())

    async def _act(self, name: str, act: Awaitable[Act | None]) -> None:
        say(name)
        done = await act
        if done is not None:
            self._done[name] = done

    def _sum_up(self) -> int:
        total: Counter[str] = Counter()
        effects: Counter[Place] = Counter()
        for act in self._done.values():
            total.update(act.report.figures)
            effects.update(act.effects)
        _table(
            "Cases that each organisation opened, by its own ledger",
            {f"{authority}/{code}": f"{count:,}" for (authority, code), count in sorted(effects.items())},
        )
        for name, act in self._done.items():
            _table(
                name[0].upper() + name[1:],
                {"requests": f"{act.report.figures['requests acknowledged']:,}", **act.shown},
            )
        _table("All acts together", {name: f"{count:,}" for name, count in total.items()})
        print(f"  {'seconds in all':<76}{self._passed:>14,.0f}\n")
        return 1 if self._broken() else 0

    def _broken(self) -> bool:
        faults = [(name, fault) for name, act in self._done.items() for fault in act.report.faults]
        for name, fault in faults[:50]:
            print(f"  FAULT in {name}: {fault.kind}: {fault.subject}: {fault.detail}")
        print(f"  {len(faults)} broken promises" if faults else "  every promise kept")
        slower = any(act.slower >= 1.1 for act in self._done.values())
        if slower:
            print("  one organisation that is down slows the others by 10 % or more")
        few = self._acknowledged < self._requests
        if few:
            print(f"  only {self._acknowledged:,} of the {self._requests:,} requests that were to be shown")
        return bool(faults) or slower or few


def _table(title: str, lines: dict[str, str]) -> None:
    print(f"\n{title}")
    for name, figure in lines.items():
        print(f"  {name:<76}{figure:>14}")


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser("python -m tests.chaos.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long the last act lasts, at least")
    parser.add_argument(
        "--requests", type=int, default=100_000, help="how many acknowledged requests, at least"
    )
    parser.add_argument("--most", type=float, default=900, help="how long all of it may take")
    parser.add_argument(
        "--rate", type=float, default=400, help="requests a second to aim for, while the couriers keep up"
    )
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the order in which things go wrong"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs and databases")
    options = parser.parse_args()
    logs.set_up("ERROR")
    folder = Path(tempfile.mkdtemp(prefix="front-door-chaos-"))
    folder.chmod(0o755)  # the database runs as another user
    print(f"seed {options.seed}, folder {folder}", flush=True)
    run = Run(
        folder,
        seconds=options.seconds,
        requests=options.requests,
        most=options.most,
        rate=options.rate,
        seed=options.seed,
    )
    try:
        return asyncio.run(run.all())
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
