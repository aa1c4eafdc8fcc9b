"""Run stand-in back ends: `python -m adapters.sandbox --config town.json [--end-with-stdin]`.

Prints one JSON line with every address once all of them listen, and ends on SIGTERM or SIGINT. With
`--end-with-stdin` it also ends when its standard input closes, so that it does not outlive its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from adapters.sandbox.town import TownConfig, start_town


def main() -> int:
    """Run until told to end. Exits with 2 for a wrong configuration, 1 if a back end cannot listen."""
    parser = argparse.ArgumentParser("python -m adapters.sandbox", description="Stand-in back ends.")
    parser.add_argument("--config", required=True, type=Path, help="JSON file: see TownConfig")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    try:
        config = msgspec.json.decode(arguments.config.read_bytes(), type=TownConfig)
        uvloop.run(_run(config, end_with_stdin=arguments.end_with_stdin))
    except ValueError as error:  # msgspec.DecodeError is one
        print(f"{arguments.config}: {error}", file=sys.stderr)  # noqa: T201  a command
        return 2
    except OSError as error:
        print(f"{arguments.config}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _run(config: TownConfig, *, end_with_stdin: bool) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    town = await start_town(config)
    try:
        print(msgspec.json.encode(town.describe()).decode(), flush=True)  # noqa: T201  the parent reads it
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(end.wait())]
        if end_with_stdin:
            waiting.append(asyncio.create_task(_stdin_closed()))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
    finally:
        await town.close()


async def _stdin_closed() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    while await reader.read(4096):
        pass


if __name__ == "__main__":
    sys.exit(main())
