"""A gateway as chaos runs it: `python -m tests.chaos.serving serve`.

All of it is the product's but two things. It understands no words and knows no postcodes: here every request names its
service, and a process that is killed every few seconds should not spend its life reading models. And its machine's wall
clock may jump: the file `clock` in its data folder says by how many seconds the wall is wrong, at any moment.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import gateway.clock
from gateway import cli, rules
from gateway.settings import Settings
from routing_rules.door import Door
from routing_rules.postcodes import Places

_FILE = Path(os.environ["FRONT_DOOR_DATA_DIR"]) / "clock"


class _Wall(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        wrong = float(_FILE.read_text()) if _FILE.exists() else 0.0
        return datetime.now(tz) + timedelta(seconds=wrong)


def _load_door(settings: Settings) -> Door:
    door = rules.load_door(settings, understand=False)
    door.find_danger = lambda _text: None
    return door


if __name__ == "__main__":
    gateway.clock.datetime = _Wall  # type: ignore[misc]
    cli.load_door = _load_door
    Places.preload = lambda _self: None  # type: ignore[method-assign]
    cli.main()
