"""`make chaos`: everything that can go wrong, for ten minutes, over at least a hundred thousand requests.

    python -m tests.chaos.run [--seconds 600] [--requests 100000] [--rate 400] [--seed 1]

Prints figures; exit code 1 if anything acknowledged was lost, done twice, stranded or left unexplained.
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
from pathlib import Path

from gateway import logs
from tests.chaos import acts, fairness
from tests.chaos.acts import Act
from tests.chaos.checker import Place


async def run(folder: Path, *, seconds: float, requests: int, rate: float, seed: int) -> int:
    """All acts; the exit code."""
    chance, began = random.Random(seed), time.monotonic()
    side = max(seconds * 0.05, 10.0)
    done: dict[str, Act] = {}
    acts.say("one organisation dead")
    done["one organisation dead"] = await fairness.one_down(folder / "one")
    acts.say("safeguarding")
    done["safeguarding"] = await acts.safeguarding(folder / "safeguarding")
    acts.say("a full disk")
    full = await acts.full_disk(folder / "disk", rate=rate / 4)
    if full is not None:
        done["a full disk"] = full
    acts.say("failover to a synchronous standby")
    done["failover"] = await acts.failover(folder / "failover", seconds=2 * side, rate=rate / 4)
    acts.say("everything, one thing after another")
    before = sum(act.report.figures["requests acknowledged"] for act in done.values())
    done["everything"] = await acts.everything(
        folder / "all",
        chance,
        seconds=seconds - (time.monotonic() - began),
        requests=requests - before,
        rate=rate,
    )
    return _sum_up(done)


def _sum_up(done: dict[str, Act]) -> int:
    total: Counter[str] = Counter()
    effects: Counter[Place] = Counter()
    for act in done.values():
        total.update(act.report.figures)
        effects.update(act.effects)
    print("\nAll acts together")
    for name, count in total.items():
        print(f"  {name:<62}{count:>12,}")
    median, p95 = done["one organisation dead"].ratios
    print(f"  others' delivery time with one organisation dead: median {_change(median)}, p95 {_change(p95)}")
    print("\nCases that each organisation opened, by its own ledger")
    for (authority, organisation), count in sorted(effects.items()):
        print(f"  {authority + '/' + organisation:<62}{count:>12,}")
    print()
    faults = [(name, fault) for name, act in done.items() for fault in act.report.faults]
    for name, fault in faults[:50]:
        print(f"  FAULT in {name}: {fault.kind}: {fault.subject}: {fault.detail}")
    print(f"  {len(faults)} broken promises" if faults else "  every promise kept")
    slower = median >= 1.1
    if slower:
        print("  one organisation that is down slows the others by 10 % or more")
    return 1 if faults or slower else 0


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser("python -m tests.chaos.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long, at least")
    parser.add_argument(
        "--requests", type=int, default=100_000, help="how many acknowledged requests, at least"
    )
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
    try:
        return asyncio.run(
            run(
                folder,
                seconds=options.seconds,
                requests=options.requests,
                rate=options.rate,
                seed=options.seed,
            )
        )
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
