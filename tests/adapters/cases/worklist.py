"""How the worklist joins the conformance suite."""

from __future__ import annotations

from adapters.sandbox.worklist import make
from adapters.worklist import WorklistAdapter
from tests.adapters.conformance import Case

CASES = [
    Case(
        name="worklist",
        protocol="worklist",
        make=make,
        connection=lambda _backend: {},
        adapter=WorklistAdapter.from_connection,
        network=False,
    )
]
