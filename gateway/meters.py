"""Counts, levels and spreads that cost next to nothing to write, and the page that Prometheus reads of them.

prometheus_client looks a label set up under a lock and takes another to add: some 26 µs for each request we take. Everything
here is written by the event loop's own thread, so that a count is one dictionary look-up and one addition. A family's
name, labels and meaning are given once, where it is made; a child is one set of label values.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, Protocol, TypeVar

Sample = tuple[str, tuple[tuple[str, str], ...], float]
"""What is added to the family's name, labels beside the family's own, and the value."""


class Count:
    """Only rises."""

    kind: Final = "counter"
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        self.value += amount

    def samples(self) -> Iterator[Sample]:
        """Its one number."""
        yield "", (), self.value


class Level:
    """Rises and falls."""

    kind: Final = "gauge"
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        """What it is now."""
        self.value = value

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        self.value += amount

    def dec(self, amount: float = 1.0) -> None:
        """Take from it."""
        self.value -= amount

    def samples(self) -> Iterator[Sample]:
        """Its one number."""
        yield "", (), self.value


class Spread:
    """How many were at most so large: a histogram."""

    kind: Final = "histogram"
    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def time(self) -> _Timing:
        """`with spread.time(): …` observes the seconds within."""
        return _Timing(self)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def samples(self) -> Iterator[Sample]:
        """Each bucket holds those below it too."""
        so_far = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            yield "_bucket", (("le", _number(bound)),), so_far
        yield "_sum", (), self.sum
        yield "_count", (), so_far


class _Timing:
    __slots__ = ("_began", "_spread")

    def __init__(self, spread: Spread) -> None:
        self._spread = spread

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._spread.observe(time.perf_counter() - self._began)


class _Child(Protocol):
    def samples(self) -> Iterator[Sample]: ...


Child = TypeVar("Child", bound=_Child)


class Family(Generic[Child]):
    """One metric with its label names; `labels` gives the child of a set of values, making it the first time."""

    def __init__(
        self, kind: str, name: str, meaning: str, names: tuple[str, ...], make: Callable[[], Child]
    ) -> None:
        self.kind, self.name, self.meaning, self.names = kind, name, meaning, names
        self._make = make
        self._children: dict[tuple[str, ...], Child] = {}

    def labels(self, *values: str) -> Child:
        """The child of these values. Raises `ValueError` where there are more or fewer than names."""
        try:
            return self._children[values]
        except KeyError:
            if len(values) != len(self.names):
                raise ValueError(f"{self.name} has the labels {self.names}, not {values}") from None
            self._children[values] = child = self._make()
            return child

    def forget(self, **labels: str) -> None:
        """Drop every child with these label values."""
        places = {self.names.index(name): value for name, value in labels.items() if name in self.names}
        if len(places) != len(labels):
            return
        for values in [v for v in self._children if all(v[n] == value for n, value in places.items())]:
            del self._children[values]

    def lines(self) -> Iterator[str]:
        """The family in Prometheus's text format."""
        shown = f"{self.name}_total" if self.kind == "counter" else self.name
        yield f"# HELP {shown} {_escaped(self.meaning)}\n# TYPE {shown} {self.kind}\n"
        for values, child in list(self._children.items()):
            own = ",".join(
                f'{name}="{_quoted(value)}"' for name, value in zip(self.names, values, strict=True)
            )
            for suffix, further, number in child.samples():
                more = ",".join(f'{name}="{value}"' for name, value in further)
                both = f"{own},{more}" if own and more else own or more
                yield (
                    f"{shown}{suffix}{{{both}}} {_number(number)}\n"
                    if both
                    else (f"{shown}{suffix} {_number(number)}\n")
                )


class Meters:
    """Every family of a process, by name."""

    def __init__(self) -> None:
        self.families: dict[str, Family[Count] | Family[Level] | Family[Spread]] = {}

    def counts(self, name: str, meaning: str, names: Sequence[str]) -> Family[Count]:
        """A counter with labels; `_total` is added where it is shown."""
        return self._add(Family("counter", name, meaning, tuple(names), Count))

    def levels(self, name: str, meaning: str, names: Sequence[str]) -> Family[Level]:
        """A gauge with labels."""
        return self._add(Family("gauge", name, meaning, tuple(names), Level))

    def spreads(
        self, name: str, meaning: str, names: Sequence[str], bounds: Sequence[float]
    ) -> Family[Spread]:
        """A histogram with labels."""
        return self._add(Family("histogram", name, meaning, tuple(names), lambda: Spread(bounds)))

    def count(self, name: str, meaning: str) -> Count:
        """A counter without labels."""
        return self.counts(name, meaning, ()).labels()

    def level(self, name: str, meaning: str) -> Level:
        """A gauge without labels."""
        return self.levels(name, meaning, ()).labels()

    def spread(self, name: str, meaning: str, bounds: Sequence[float]) -> Spread:
        """A histogram without labels."""
        return self.spreads(name, meaning, (), bounds).labels()

    def page(self) -> str:
        """All of it in Prometheus's text format."""
        return "".join(line for family in self.families.values() for line in family.lines())

    def _add(self, family: Family[Child]) -> Family[Child]:
        if family.name in self.families:
            raise ValueError(f"there are two metrics {family.name}")
        self.families[family.name] = family  # type: ignore[assignment]  # one of the three, whichever it is
        return family


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
