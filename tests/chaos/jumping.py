"""A gateway on a machine whose wall clock jumps: `python -m tests.chaos.jumping serve`.

The file `clock` in its data folder says by how many seconds the wall is wrong, at any moment.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import gateway.clock
from gateway.cli import main

_FILE = Path(os.environ["FRONT_DOOR_DATA_DIR"]) / "clock"


class _Wall(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        wrong = float(_FILE.read_text()) if _FILE.exists() else 0.0
        return datetime.now(tz) + timedelta(seconds=wrong)


if __name__ == "__main__":
    gateway.clock.datetime = _Wall  # type: ignore[misc]
    main()
