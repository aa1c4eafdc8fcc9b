"""A disk small enough to be filled."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int = 320) -> Iterator[None]:
    """Put a file system of its own at `folder`. Raises `PermissionError` where that is not allowed."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "chaos", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise PermissionError(f"no small file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    """Leave no room on a file system."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    out.write(bytes(size))
