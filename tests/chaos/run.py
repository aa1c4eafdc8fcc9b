"""`make chaos`: everything that can go wrong, for ten minutes, over at least a hundred thousand requests.

    python -m tests.chaos.run [--seconds 600] [--requests 100000] [--rate 220] [--seed 1]

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
from tests.chaos import acts
from tests.chaos.checker import Report


async def run(folder: Path, *, seconds: float, requests: int, rate: float, seed: int) -> int:
    """All acts; the exit code."""
    chance = random.Random(seed)
    side = max(seconds * 0.05, 10.0)
    reports: dict[str, Report] = {}
    acts.say("a full disk")
    full = await acts.full_disk(folder / "disk", rate=rate / 4)
    if full is not None:
        reports["a full disk"] = full
    acts.say("failover to a synchronous standby")
    reports["failover"] = await acts.failover(folder / "failover", seconds=2 * side, rate=rate / 2)
    acts.say("one organisation dead")
    reports["one organisation dead"], ratio = await acts.one_down(folder / "one", seconds=side)
    acts.say("everything, one thing after another")
    before = sum(report.figures["requests acknowledged"] for report in reports.values())
    reports["everything"] = await acts.everything(
        folder / "all", chance, seconds=seconds - 5 * side, requests=requests - before, rate=rate
    )
    return _sum_up(reports, ratio)


def _sum_up(reports: dict[str, Report], ratio: float) -> int:
    total: Counter[str] = Counter()
    for report in reports.values():
        total.update(report.figures)
    print("\nAll acts together")
    for name, count in total.items():
        print(f"  {name:<24}{count:>12,}")
    print(f"  others' delivery time with one organisation dead: {100 * (ratio - 1):+.1f} %")
    faults = [(act, fault) for act, report in reports.items() for fault in report.faults]
    for act, fault in faults[:50]:
        print(f"  FAULT in {act}: {fault.kind}: {fault.subject}: {fault.detail}")
    print(f"  {len(faults)} broken promises" if faults else "  every promise kept")
    return 1 if faults else 0


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser("python -m tests.chaos.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long, at least")
    parser.add_argument(
        "--requests", type=int, default=100_000, help="how many acknowledged requests, at least"
    )
    parser.add_argument("--rate", type=float, default=220, help="requests a second to aim for")
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
