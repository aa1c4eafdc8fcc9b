"""The worklist has no back end, so its stand-in stands for nothing: it only fills a place in lists of them.

What the worklist holds is in the front door's own staff API; the ledger here stays empty.
"""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from adapters.sandbox.core import Change, Faults, Ledger, Lifecycle


class WorklistSandbox:
    """Listens nowhere."""

    protocol: ClassVar[str] = "worklist"
    url: str = ""
    control_url: str = ""

    def __init__(self, code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle) -> None:
        self.code = code
        self.ledger = ledger
        self.faults = faults
        self.lifecycle = lifecycle

    async def start(
        self,
        host: str = "127.0.0.1",  # noqa: ARG002  every back end's
        port: int = 0,  # noqa: ARG002
        *,
        ssl: tls.SSLContext | None = None,  # noqa: ARG002
        drive: bool = True,  # noqa: ARG002
    ) -> str:
        """Do nothing; there is no address."""
        return self.url

    async def publish(self, changes: Sequence[Change]) -> None:
        """Do nothing; nothing changes here."""

    async def flush(self) -> None:
        """Do nothing; nothing is queued."""

    async def close(self) -> None:
        """Close the ledger's file."""
        self.ledger.close()


def make(
    code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Mapping[str, Any]
) -> WorklistSandbox:
    """Make the stand-in. Raises `ValueError` for any option, since there is none."""
    if options:
        raise ValueError(f"a worklist has no options; remove: {', '.join(sorted(options))}")
    return WorklistSandbox(code, ledger, faults, lifecycle)
