"""The command as people run it, with a small rules folder that loads at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest

from tests.routing_rules.stand_ins import FILES

PROJECT = Path(__file__).resolve().parents[2]
LADDER = '\n[safeguarding]\nladder = [{ after_minutes = 0, tell = "worklist" }]\n'


@pytest.fixture
def small_rules(tmp_path):
    """A folder with one authority, testshire; a test may spoil it."""
    folder = tmp_path / "rules"
    for path, text in FILES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        safe = "authority.toml" not in path or "[safeguarding]" in text
        file.write_text(text if safe else text + LADDER, encoding="utf-8")
    return folder


class Command:
    """`front-door` in a process of its own."""

    def __init__(self, rules_dir, database_url, data_dir):
        self.options = ["--rules-dir", str(rules_dir), "--data-dir", str(data_dir)]
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environ = {**kept, "DATABASE_URL": database_url, "PYTHONPATH": str(PROJECT)}

    @contextlib.asynccontextmanager
    async def begin(self, *arguments, **environ):
        """Begin it; it is ended with the block if it has not by itself."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *self.options, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.environ, **environ},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def __call__(self, *arguments, input=b"", **environ):  # noqa: A002
        """Run it to its end: exit code, what it wrote, and what it said of errors."""
        async with self.begin(*arguments, **environ) as process:
            out, err = await process.communicate(input)
            return process.returncode, out.decode(), err.decode()


@pytest.fixture
def front_door(small_rules, database_url, tmp_path):
    """Run `front-door` on this test's own database."""
    return Command(small_rules, database_url, tmp_path / "data")
