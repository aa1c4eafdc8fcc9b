"""On what it was measured: a figure without its machine says little."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Processor, memory, versions."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    commit: str
    packages: dict[str, str]
    database: str = ""
    load_before: float
    """Processes that wanted the processor in the minute before: on a quiet machine nearly 0."""


def look(database: str = "") -> Machine:
    """This one, now."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        commit=_commit(),
        packages={name: version(name) for name in ("aiohttp", "asyncpg", "msgspec", "uvloop", "httptools")},
        database=database,
        load_before=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "not known"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "not known"
    )


def _commit() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty"]
        said = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    except OSError:
        return "not known"
    return said.stdout.strip() or "not known"
