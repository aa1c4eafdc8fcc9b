"""A scenario: a small TOML file that says how many requests of what kind arrive when, and what must come of them."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from loadtest.arrivals import Seconds, Spacing, Step
from loadtest.errors import ScenarioError

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Channel = Literal["phone", "chat", "web", "email", "in-person"]


class Ingredient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of message in the mix."""

    kind: str
    """A group of the bank of messages."""
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    channel: Channel = "phone"
    coded: bool = False
    """Whether the service's code is given, as by staff who know it; otherwise it is free text."""
    citizen: bool = True
    """Whether name, telephone and address are given."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stand-in back end that fails for a while."""

    organisation: str
    """As the stand-ins call it: `barnet_re`."""
    at: Annotated[float, msgspec.Meta(ge=0)]
    """Seconds after the start."""
    seconds: Seconds
    mode: str = "http_503"
    """One of the stand-ins' faults."""


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come of it. What is left out is not judged."""

    lost: Count | None = 0
    """Acknowledged requests that are not there afterwards, at most."""
    failed: Count | None = 0
    """Requests without an answer, or with one that is neither an acknowledgement nor a 503 with Retry-After, at most."""
    shed: Share | None = None
    """Share that may be answered 503 with Retry-After."""
    p99: Seconds | None = None
    """Seconds from the intended start, of what was acknowledged."""
    drained_within: Seconds | None = None
    """Seconds after the last request until nothing waits to be delivered."""
    calm_p99: Seconds | None = None
    """p99 that is reached again `calm_within` seconds after the busiest step."""
    calm_within: Seconds = 30.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of `scenarios/`."""

    about: str
    steps: Annotated[list[Step], msgspec.Meta(min_length=1)]
    mix: Annotated[list[Ingredient], msgspec.Meta(min_length=1)]
    name: str = ""
    """The file's name; not to be given."""
    arrivals: Spacing = "poisson"
    connections: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 64
    """Connections at most."""
    timeout: Seconds = 10.0
    """Seconds from the intended start after which a request counts as failed."""
    idempotency_keys: bool = True
    seed: int = 1
    """The same seed gives the same requests at the same times."""
    faults: list[Fault] = []
    expect: Expect = Expect()

    @property
    def seconds(self) -> float:
        """How long requests arrive."""
        return sum(step.seconds for step in self.steps)

    def scaled(self, *, time: float = 1.0, rate: float = 1.0) -> Scenario:
        """The same story in `time` times the time, with `rate` times the requests a second."""
        return replace(
            self,
            steps=[
                replace(
                    step,
                    rate=step.rate * rate,
                    to=None if step.to is None else step.to * rate,
                    seconds=step.seconds * time,
                )
                for step in self.steps
            ],
            faults=[replace(each, at=each.at * time, seconds=each.seconds * time) for each in self.faults],
            expect=replace(self.expect, calm_within=self.expect.calm_within * time),
        )


def load_scenario(name: str) -> Scenario:
    """A scenario by its name in `scenarios/`, or by a path ending in `.toml`.

    Raises `ScenarioError` with file, place and the nearest right word.
    """
    if name.endswith(".toml"):
        path = Path(name)
        return replace(read_toml(path.name, _text(path), Scenario), name=path.stem)
    folder = resources.files("loadtest") / "scenarios"
    names = sorted(
        each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml")
    )
    if name not in names:
        raise ScenarioError(
            f"there is no scenario {name!r}{_near(name, names)}; there are: {', '.join(names)}"
        )
    file = folder / f"{name}.toml"
    return replace(read_toml(f"{name}.toml", file.read_text(encoding="utf-8"), Scenario), name=name)


def read_toml(file: str, text: str, kind: type[T]) -> T:
    """Decode TOML. Raises `ScenarioError`; unknown keys are errors, with the nearest right one."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{file}: {error}") from None
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{file}: {_explained(str(error), kind)}") from None


_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`(?: - at `\$(?P<path>[^`]*)`)?")
_PLACE: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def _explained(message: str, kind: Any) -> str:
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        place = _PLACE.search(message)
        return f"{place['path']}: {_PLACE.sub('', message)}" if place else message
    path = (unknown["path"] or "").lstrip(".")
    names = _keys_at(kind, path)
    at = f"{path}: " if path else ""
    return f"{at}there is no key {unknown['name']!r}{_near(unknown['name'], names)}"


def _keys_at(kind: Any, path: str) -> list[str]:
    """The keys allowed in the table at this path, such as `steps[0]`."""
    found: Any = msgspec.inspect.type_info(kind)
    for word in [word.partition("[")[0] for word in path.split(".") if word]:
        field = next((each for each in found.fields if each.encode_name == word), None)
        if field is None:
            return []
        found = field.type
        while isinstance(found, msgspec.inspect.ListType | msgspec.inspect.Metadata):
            found = found.item_type if isinstance(found, msgspec.inspect.ListType) else found.type
    return [each.encode_name for each in found.fields if each.encode_name != "name" or kind is not Scenario]


def _near(word: str, names: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
