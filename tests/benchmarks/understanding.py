"""What understanding costs: time a message for the whole decision on one core, and memory, with and without meaning.

    python -m tests.benchmarks.understanding MESSAGES.csv [--times 3]

The file is as for `front-door evaluate`. Each message is decided `times` times in turn, so that no message finds its
own answer remembered; the processor time of its quickest counts, so that
a busy machine is not measured instead of the door.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

import routing_rules
from routing_rules import classifier, safety
from routing_rules.decision import Facts
from routing_rules.door import Door
from routing_rules.evaluate import read

_RULES = Path(routing_rules.__file__).parent
_KILOBYTES = 1024


def main() -> None:
    """Measure each way in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--authority", default="barnet")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    texts = [message.text for message in read(given.file)]
    print(f"{len(texts)} messages, the whole decision, one core")
    print(f"{'':24}{'median':>10}{'p99':>10}{'mean':>10}{'a second':>10}{'memory':>10}")
    for semantic in (True, False):
        # Spawned: a fork would be measured with its parent's memory.
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(texts, given.authority, given.times, semantic)
        )
        process.start()
        process.join()


def measure(texts: list[str], authority: str, times: int, semantic: bool) -> None:
    """Decide all messages a few times and print one line."""
    detector = safety.load(semantic=semantic)
    door = Door.load(
        _RULES,
        lambda catalogue: classifier.load(catalogue, semantic=semantic),
        find_danger=detector.find,
    )
    facts = Facts(authority=authority, now=datetime.now(UTC))
    quickest = [float("inf")] * len(texts)
    for _ in range(times):
        for at, text in enumerate(texts):
            began = time.process_time()
            door.decide(text, facts)
            quickest[at] = min(quickest[at], time.process_time() - began)
    quickest.sort()
    mean = sum(quickest) / len(quickest)
    parts = getattr(door.classifier, "parts", ())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KILOBYTES
    print(
        f"{' + '.join(parts):24}{quickest[len(quickest) // 2] * 1e3:7.2f} ms"
        f"{quickest[int(0.99 * len(quickest))] * 1e3:7.2f} ms{mean * 1e3:7.2f} ms{1 / mean:10,.0f}{memory:7.0f} MB"
    )


if __name__ == "__main__":
    main()
