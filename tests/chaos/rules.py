"""The product's own rules with shorter limits, so that a test sees in seconds what takes minutes in a town hall."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import routing_rules

LIMITS: Final = {
    "timeout": 2,
    "breaker_cooldown": 1,
    "concurrency": 16,
    "rate": 1000,
    "max_attempts": 30,
}
"""What every organisation's `[delivery]` says here."""

_EXAMPLES: Final = re.compile(r"examples = '''\n(.*?)'''", re.DOTALL)
_MINUTES: Final = re.compile(r"\b(after_minutes|repeat_minutes) = ([1-9]\d)\b")
"""Of the safeguarding ladder: 15 minutes become 0.15, which are 9 seconds; or 150, so that nobody is alarmed meanwhile."""
_DELIVERY: Final = re.compile(r"^\[delivery\]\n((?:(?!\[).*\n)*)", re.MULTILINE)


def quick_rules(folder: Path, *, quick_ladder: bool = False, **limits: float) -> Path:
    """Copy the product's rules to `folder` with short limits; all services, organisations and routes stay as they are.

    Three examples a service remain: a gateway that is killed again and again should not spend its life reading.
    """
    source = Path(next(iter(routing_rules.__path__)))
    for name in ("services", "authorities"):
        shutil.copytree(source / name, folder / name)
    shutil.copy(source / "tiers.toml", folder)
    for file in (folder / "services").glob("*.toml"):
        file.write_text(_EXAMPLES.sub(_fewer, file.read_text()))
    for file in folder.glob("authorities/*/organisations/*.toml"):
        file.write_text(_quicken(file.read_text(), {**LIMITS, **limits}))
    for file in folder.glob("authorities/*/authority.toml"):
        quick = r"\1 = 0.\2" if quick_ladder else r"\1 = \g<2>0"
        file.write_text(_MINUTES.sub(quick, file.read_text()))
    return folder


def _fewer(found: re.Match[str]) -> str:
    first = "\n".join(found[1].splitlines()[:3])
    return f"examples = '''\n{first}\n'''"


def _quicken(text: str, limits: dict[str, float]) -> str:
    found = _DELIVERY.search(text)
    kept = found[1].splitlines() if found else []
    lines = [line for line in kept if line.split("=")[0].strip() not in limits and line.strip()]
    table = "\n".join(["[delivery]", *lines, *(f"{name} = {value}" for name, value in limits.items())])
    rest = _DELIVERY.sub("", text, count=1)
    return f"{rest.rstrip()}\n\n{table}\n"
