"""Other rules without a restart: read, checked and built beside the ones in use, then put in their place in one step.

SIGHUP asks for it. Rules that do not check change nothing: the ones in use stay, and each error is in the log. A
request that is being decided goes on with the rules it began with.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.connections import make_lines
from gateway.delivery.line import Line
from gateway.errors import StartError
from gateway.metrics import Metrics
from gateway.rules import make_door, rules_folder
from gateway.settings import Settings
from gateway.understanding import Understanding
from routing_rules import reading
from routing_rules.check import Problem, check_reading
from routing_rules.door import Door
from routing_rules.errors import RulesFault

log = structlog.get_logger()

LOOK: Final = 1.0
"""Seconds between looks whether a line that left may be closed."""
CLAIMED_BY_THEN: Final = 5.0
"""Seconds after which nobody claims any more for a line that left."""

Lines = MutableMapping[tuple[str, str], Line]


class Reload:
    """One a process. Use `running`."""

    def __init__(
        self,
        understanding: Understanding,
        lines: Lines,
        settings: Settings,
        environ: Mapping[str, str],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._understanding = understanding
        self._lines = lines
        self._settings = settings
        self._environ = environ
        self._clock = clock
        self._metrics = metrics
        self.on_swapped: list[Callable[[], None]] = []
        """Called once the new rules are in use: for who keeps something made from the old ones."""
        self.refused: list[str] = []
        """What was wrong with the rules that were last read; empty while those in the folder are in use."""
        self._asked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._leaving: list[tuple[float, Line]] = []
        show(metrics, understanding.door)
        metrics.rules_refused.set(0)
        for outcome in ("loaded", "unchanged", "refused"):
            metrics.reloads.labels(outcome)

    def ask(self) -> None:
        """Read the rules again soon. Asking twice while that is going on reads them once more, not twice."""
        self._asked.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Reload]:
        """Do what is asked for while the gateway runs; at the end close what has left."""
        tasks = [
            asyncio.create_task(self._run(), name="reload"),
            asyncio.create_task(self._let_go_for_ever(), name="reload-lines"),
        ]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for _, line in self._leaving:
                await line.adapter.close()

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self.reload()
            except Exception:
                log.exception("reading the rules again failed; the ones in use stay")
                self._metrics.reloads.labels("refused").inc()

    async def reload(self) -> bool:
        """Read the folder again and use it, if it checks; whether it is in use now."""
        async with self._one_at_a_time:
            old = self._understanding.door
            folder = str(rules_folder(self._settings))
            log.info("reading the rules again", folder=folder, in_use=old.engine)
            new, problems = await asyncio.to_thread(self._load, old)
            if new is None:
                return self._refuse(problems)
            try:
                lines = await asyncio.to_thread(self._make_lines, new)
            except StartError as error:
                return self._refuse([str(error)])
            self._swap(new, lines)
            outcome = "unchanged" if new.engine == old.engine else "loaded"
            self._metrics.reloads.labels(outcome).inc()
            log.info("rules are in use", engine=new.engine, outcome=outcome)
            return True

    def _load(self, old: Door) -> tuple[Door | None, list[Problem | str]]:
        """The new door, or what is wrong. From one reading, so that what is checked is what is used."""
        found = reading.read(rules_folder(self._settings))
        errors: list[Problem | str] = [one for one in check_reading(found) if one.level == "error"]
        gone = old.authorities.keys() - found.authorities.keys()
        if not errors and gone:
            names = ", ".join(sorted(gone))
            errors.append(f"authority {names} is gone from the folder: to take one away, start anew")
        if errors:
            return None, errors
        try:
            return make_door(found, self._settings, old), []
        except RulesFault as error:
            return None, [str(error)]

    def _make_lines(self, door: Door) -> dict[tuple[str, str], Line]:
        return make_lines(door, self._settings, self._environ, self._clock, self._metrics, self._lines)

    def _refuse(self, problems: list[Problem | str]) -> bool:
        for one in problems:
            if isinstance(one, Problem):
                log.error(
                    "rules refused",
                    file=one.file,
                    line=one.line,
                    problem=one.message,
                    did_you_mean=one.suggestion,
                )
            else:
                log.error("rules refused", problem=one)
        in_use = self._understanding.door.engine
        log.error(
            "the rules in the folder are not used: the older ones stay", errors=len(problems), in_use=in_use
        )
        self.refused = [str(one) for one in problems]
        self._metrics.reloads.labels("refused").inc()
        self._metrics.rules_refused.set(1)
        for name, line in self._lines.items():  # a line that was made in vain has written over these
            self._metrics.connected.labels(*name).set(line.connected)
            line.show()
        return False

    def _swap(self, door: Door, lines: Mapping[tuple[str, str], Line]) -> None:
        """In one step: nothing here waits, so nobody sees new rules with old lines."""
        now = self._clock.monotonic()
        left = [line for name, line in self._lines.items() if lines.get(name) is not line]
        self._leaving += [(now, line) for line in left]
        for name in [name for name in self._lines if name not in lines]:
            del self._lines[name]
        self._lines.update(lines)
        self._understanding.door = door
        self.refused = []
        self._metrics.rules_refused.set(0)
        show(self._metrics, door)
        for tell in self.on_swapped:
            tell()
        if left:
            names = sorted(f"{line.authority}/{line.organisation.code}" for line in left)
            log.info("organisations changed", organisations=names)

    async def _let_go_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.let_go()
            except Exception:
                log.exception("closing the lines that left failed")

    async def let_go(self) -> int:
        """Close the lines that left and whose attempts have ended; how many have not yet."""
        now = self._clock.monotonic()
        for left_at, line in list(self._leaving):
            # Later: the courier may just be claiming for it.
            if line.running == 0 and now - left_at >= CLAIMED_BY_THEN:
                self._leaving.remove((left_at, line))
                await line.adapter.close()
                name = line.authority, line.organisation.code
                if name not in self._lines:
                    self._metrics.forget(*name)
        return len(self._leaving)


def show(metrics: Metrics, door: Door) -> None:
    """Say in the metrics which rules are in use."""
    metrics.rules(
        rules=door.fingerprint[:12], catalogue=door.catalogue.fingerprint[:12], engine=engine_of(door)
    )
    metrics.begin(door.authorities)


def engine_of(door: Door) -> str:
    """What understands: its parts and its fingerprint."""
    if door.classifier is None:
        return "none"
    parts = getattr(door.classifier, "parts", ())
    name = door.classifier.fingerprint
    return f"{' + '.join(parts)} ({name})" if parts else name
