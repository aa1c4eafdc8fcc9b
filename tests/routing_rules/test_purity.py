"""What the rules may not know: the gateway, the adapters, a network, a clock."""

from __future__ import annotations

import ast

from tests.routing_rules.stand_ins import SHIPPED


def test_the_rules_import_neither_the_gateway_nor_the_adapters_nor_a_network() -> None:
    """Pure: what they know comes in as arguments and files."""
    forbidden = {
        "gateway",
        "adapters",
        "loadtest",
        "aiohttp",
        "asyncpg",
        "requests",
        "socket",
        "http",
        "urllib",
    }
    for path in SHIPPED.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & forbidden, path


def test_the_rules_have_no_clock_of_their_own() -> None:
    """`now` is passed in, so a decision can be made again later as it was then."""
    for path in SHIPPED.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not any(clock in text for clock in (".now(", ".today(", ".utcnow(", "time.time(")), path
