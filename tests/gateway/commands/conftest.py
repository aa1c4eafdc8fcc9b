"""Commands as an operator runs them: a process of their own, over a database of this test."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tests.gateway.store.conftest import make

__all__ = ["make"]


@pytest.fixture
def command(database_url, tmp_path):
    """Run `front-door …`; returns exit code, output and errors."""

    async def command(*arguments):
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FRONT_DOOR_")},
            "DATABASE_URL": database_url,
            "FRONT_DOOR_DATA_DIR": str(tmp_path),
        }
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "gateway", *map(str, arguments)],
            env=environ,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return command
