"""Connections follow stand-ins that listen elsewhere now."""

from __future__ import annotations

import sys

import pytest

from loadtest.children import output
from loadtest.errors import ProductError
from loadtest.product import moved
from loadtest.tally import reference_in
from loadtest.watching import total


def test_every_address_of_a_connection_moves_and_nothing_else_does():
    """Token addresses with the address they begin with; secrets and names stay; mail has host and port."""
    connections = {
        "barnet": {
            "csg": {
                "connection": {
                    "url": "http://127.0.0.1:1/api",
                    "token_url": "http://127.0.0.1:1/api/oauth/token",
                    "client_id": "front-door",
                },
                "poll_interval": 0.5,
            },
            "fire": {"connection": {"host": "127.0.0.1", "port": 2, "tls": "none"}, "poll_interval": 0.5},
            "council-desk": {"connection": {}, "poll_interval": 0.5},
        }
    }
    urls = {
        "barnet_csg": "http://127.0.0.1:71/api",
        "barnet_fire": "smtp://127.0.0.1:72",
        "barnet_council-desk": "",
    }
    assert moved(connections, urls) == {
        "barnet": {
            "csg": {
                "connection": {
                    "url": "http://127.0.0.1:71/api",
                    "token_url": "http://127.0.0.1:71/api/oauth/token",
                    "client_id": "front-door",
                },
                "poll_interval": 0.5,
            },
            "fire": {"connection": {"host": "127.0.0.1", "port": 72, "tls": "none"}, "poll_interval": 0.5},
            "council-desk": {"connection": {}, "poll_interval": 0.5},
        }
    }


async def test_a_command_that_fails_says_its_last_words():
    """So that the reader knows why there is nothing to measure."""
    with pytest.raises(ProductError, match=r"failed: .*no_such_module"):
        await output("no_such_module")
    assert sys.executable


def test_metrics_are_summed_over_label_sets():
    """By name in full, and by labels if given."""
    page = 'a_total{x="1",y="2"} 3.0\na_total{x="2",y="2"} 4\na_totals{x="1"} 100\n# HELP a_total x\nb 5e2\n'
    assert total(page, "a_total") == 7
    assert total(page, "a_total", x="1") == 3
    assert total(page, "b") == 500


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"reference":"BAR-7K3M-9QXD","parts":[]}', b"BAR-7K3M-9QXD"),
        (b'{"a":1,"reference": "N-1"}', b"N-1"),
        (b'{"parts":[]}', None),
        (b'{"reference":""}', None),
        (b'{"reference":"BAR', None),
        (b"", None),
    ],
)
def test_the_reference_is_found_in_an_acknowledgement(body: bytes, found: bytes | None):
    """Or it is not; never a piece of something else."""
    assert reference_in(body) == found
